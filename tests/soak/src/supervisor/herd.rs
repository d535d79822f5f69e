//! The fuzzer's task. Its threads are made, and made again when they have died; those that stand still are set going.

use super::Done;
use super::gifts::Gifts;
use crate::failure::{Expect, Outcome};
use crate::fuzz::{self, OWN_THREADS, PAGER, PRIORITY, census};
use crate::pages::Memory;
use crate::places::{THREADS, stack_top, word};
use crate::random::Random;
use proto::Message;
use proto::kernel::Event;
use ukernel_abi::call::{ex_regs, task_new};
use ukernel_abi::layout::PAGE;
use ukernel_abi::utcb::Regs;
use userlib::ipc::{self, Received};
use userlib::task::{self, NewTask};
use userlib::thread::{self, ExRegs};
use userlib::{MapItem, Me, Status, ThreadId};

/// Calls after which the fuzzer gets another task.
const CALLS_A_TASK: u64 = 4_000;
/// More calls than a thread can make between two looks: a context that says so has been overwritten.
const MOST_CALLS: u64 = 20_000;
/// Looks at which a task may have made no call: then it has made itself unable to.
const IDLE_LOOKS: u64 = 5;
/// Items that could not be mapped since the last look: then its kernel memory is used up, and its faults come again and again.
const MOST_FAILED: u64 = 50;
/// Numbers beside its own that a thread may get, if the fuzzer has made one of its number itself.
const TRIES: u16 = 4;

/// One of the fuzzer's threads, or a place for it.
#[derive(Clone, Copy)]
struct Place {
    id: ThreadId,
    /// Its number of calls at the last look, and whether that was the same at the look before.
    calls: u64,
    idle: bool,
}

const NOBODY: Place = Place { id: ThreadId::NIL, calls: 0, idle: true };

pub struct Herd<'a> {
    me: Me,
    random: Random,
    gifts: &'a Gifts,
    /// First thread of its task, while there is one.
    task: Option<ThreadId>,
    places: [Place; OWN_THREADS as usize],
    /// Calls of this task, and looks since the last one.
    calls: u64,
    idle_looks: u64,
    failed: u64,
}

impl<'a> Herd<'a> {
    pub fn new(me: Me, gifts: &'a Gifts, random: Random) -> Self {
        let places = [NOBODY; OWN_THREADS as usize];
        Self { me, random, gifts, task: None, places, calls: 0, idle_looks: 0, failed: 0 }
    }

    /// Counts calls, and sees that there is a task whose threads make some.
    pub fn look(&mut self, done: &mut Done, victims: &[ThreadId]) -> Outcome {
        let calls = self.count();
        done.calls += calls;
        self.calls += calls;
        self.idle_looks = if calls == 0 { self.idle_looks + 1 } else { 0 };
        if self.calls >= CALLS_A_TASK || self.idle_looks > IDLE_LOOKS || self.failed > MOST_FAILED {
            self.end()?;
        }
        if self.task.is_none() {
            self.begin()?;
            done.tasks += 1;
        }
        for number in 0..OWN_THREADS {
            if self.places[number as usize].idle {
                self.set_going(number);
                done.restarts += 1;
            }
        }
        self.take_census(victims);
        Ok(())
    }

    /// Calls since the last look.
    fn count(&mut self) -> u64 {
        let mut all = 0;
        let believable = |calls| if calls < MOST_CALLS { calls } else { 0 };
        for number in 0..THREADS {
            let context = Memory::FUZZER.context(number);
            let now = context.read(word::DONE);
            // The threads that the fuzzer made itself count from 0 each time.
            let Some(place) = self.places.get_mut(number as usize) else {
                context.write(word::DONE, 0);
                all += believable(now);
                continue;
            };
            let calls = now.wrapping_sub(place.calls);
            (place.calls, place.idle) = (now, calls == 0);
            all += believable(calls);
        }
        all
    }

    fn begin(&mut self) -> Outcome {
        let flags =
            task_new::STOPPED | task_new::USES_FPU | if fuzz::has_utcb(0) { task_new::WITH_UTCB } else { 0 };
        let kernel_frames = 40 + self.random.below(200);
        let (pager, handler) = (self.me.id, self.me.id);
        let new = NewTask { flags, ip: 0, sp: 0, pager, handler, kernel_frames, priority: PRIORITY };
        let id = new.make().expect_of("making the fuzzer", self.me.id)?;
        for number in 0..THREADS {
            let context = Memory::FUZZER.context(number);
            (0..PAGE / 8).for_each(|index| context.write(index, 0));
            context.write(word::SEED, self.random.word());
        }
        self.places = [NOBODY; OWN_THREADS as usize];
        self.places[0].id = id;
        self.task = Some(id);
        (self.calls, self.idle_looks, self.failed) = (0, 0, 0);
        Ok(())
    }

    /// Deletes the fuzzer's task.
    pub fn end(&mut self) -> Outcome {
        match self.task.take() {
            Some(id) => task::delete(id).expect_of("deleting the fuzzer", id),
            None => Ok(()),
        }
    }

    /// Lets thread `number` begin anew; makes it, if it is not there. That it cannot be made is no failure: the task has a
    /// limit.
    fn set_going(&mut self, number: u64) {
        let own = self.places[number as usize].id;
        if self.apply(number, own, 0) != Err(Status::NotExistent) {
            return;
        }
        let Some(task) = self.task.filter(|_| number != 0) else { return };
        let flags =
            ex_regs::CREATE | ex_regs::USES_FPU | if fuzz::has_utcb(number) { ex_regs::WITH_UTCB } else { 0 };
        for lthread in (0..TRIES).map(|n| number as u16 + n * OWN_THREADS as u16) {
            match self.apply(number, ThreadId::new(task.task(), lthread, 1), flags) {
                Ok(id) => {
                    self.places[number as usize].id = id;
                    return;
                }
                Err(Status::BadArgument) => {}
                Err(_) => return,
            }
        }
    }

    /// Sets registers, pager, handler and priority of a thread, and lets it run.
    fn apply(&mut self, number: u64, id: ThreadId, flags: u64) -> Result<ThreadId, Status> {
        let regs = Regs {
            rip: fuzz::entry(number),
            rsp: stack_top(number),
            rdi: number,
            rsi: id.lthread().into(),
            ..Regs::default()
        };
        self.me.utcb.set_regs(&regs);
        self.me.utcb.set_bases(0, 0);
        let set = ExRegs::new(flags | ex_regs::SET_REGS | ex_regs::RESUME);
        let id = set.pager(self.me.id).handler(self.me.id).apply(id)?.thread;
        let priority = self.random.below(u64::from(PRIORITY)) as u8 + 1;
        thread::set_schedule(id, Some(priority), Some(200 + self.random.below(2_000) as u32))?;
        Ok(id)
    }

    /// Identifiers for the fuzzer to use.
    fn take_census(&self, victims: &[ThreadId]) {
        let page = Memory::FUZZER.census();
        let pager = self.places[PAGER as usize].id;
        let own = self.places.iter().map(|place| place.id);
        let all = [pager, self.me.id].into_iter().chain(own).chain(victims.iter().copied());
        let mut count = 0;
        for (id, index) in all.zip(0..census::MOST) {
            page.write(census::FIRST + index, id.0);
            count = index + 1;
        }
        page.write(census::COUNT, count);
    }

    /// A message of the fuzzer's, or what the kernel says in its name.
    pub fn serve(&mut self, received: &Received, event: Option<Event>) {
        let from = received.from;
        let place = self.places.iter().position(|place| place.id == from);
        let items = match event {
            Some(Event::PageFault(fault)) => self.gifts.for_fault(&fault, &mut self.random),
            Some(Event::Foreign(_)) => Some(None),
            Some(_) => None,
            None => Some(Some(self.gifts.any(&mut self.random))),
        };
        match (items, place) {
            // It waits for the end.
            _ if self.failed > MOST_FAILED => {}
            (Some(item), _) => {
                let answered = answer(from, &mut self.random, item);
                self.failed += u64::from(answered == Err(Status::MapFailed));
            }
            (None, Some(number)) => self.set_going(number as u64),
            // A thread that the fuzzer has made beside its own: it waits, or dies.
            (None, None) if self.random.chance(50) => {
                let _it_may_be_gone = ExRegs::new(ex_regs::DESTROY).apply(from);
            }
            (None, None) => {}
        }
    }
}

/// Answers, if that is waited for.
fn answer(to: ThreadId, random: &mut Random, item: Option<MapItem>) -> Result<(), Status> {
    let mut message = Message::new(ukernel_abi::Label(0), [random.word()]);
    if let Some(item) = item {
        let _it_fits = message.push_item(item);
    }
    ipc::send(to, &message, ipc::NOW)
}
