//! The event loop: receives a message, lets the server handle it, and sends the last answer with the next wait.
//!
//! Programs are L4 threads and could send messages of their own. What the µ-kernel says in their name has a label that they
//! cannot use; input is only taken from the input thread, answers of the disk from its thread; everything else is dropped.
//!
//! System calls whose result is all that is to be sent never leave [`EventLoop::exchange`].

use super::disk;
use super::kernel::{Held, Kernel, answer};
use super::timer::Timer;
use alloc::rc::Rc;
use linux::event::{Event, Exception, PageFault};
use linux::machine::Machine;
use linux::server::Server;
use linux::trampoline::{self, Entry};
use proto::{Message, console};
use ukernel_abi::call::{Timeout, Timeouts};
use ukernel_abi::{Label, Rights, Status, Tag, ThreadId};
use userlib::clock::tsc;
use userlib::ipc::{self, Received};
use userlib::trace;

pub struct EventLoop {
    server: Rc<Server>,
    kernel: Rc<Kernel>,
    input: ThreadId,
    /// The input thread waits for an answer.
    input_waits: bool,
    /// Nil if there is no disk.
    disk: ThreadId,
    /// What a system call is as a message.
    call: Tag,
    alarm: Alarm,
}

/// When the server is called, whatever else comes.
///
/// While a program goes on, the timer thread sees to that. It may call too early: a call too many is cheaper than to tell it of each time that is
/// not wanted any more. Where all wait, the event loop itself waits until then: that takes one thread less.
struct Alarm {
    timer: Timer,
    /// When the timer thread calls.
    called: Time,
    /// Until when the event loop has waited last.
    waited: Time,
    /// Reading of the TSC until which a system call may be answered without a look at the time that is wanted.
    at_once: u64,
    /// For sending an answer, at once or not at all, and then waiting.
    timeouts: Timeouts,
}

/// A time twice.
#[derive(Clone, Copy)]
struct Time {
    /// Nanoseconds of the monotonic clock.
    ns: u64,
    /// A reading of the TSC.
    tsc: u64,
}

impl Time {
    const NEVER: Self = Self { ns: u64::MAX, tsc: u64::MAX };
}

impl Alarm {
    const FOR_EVER: Timeouts = Timeouts::of(Timeout::Now, Timeout::Never);

    fn new(timer: Timer) -> Self {
        Self { timer, called: Time::NEVER, waited: Time::NEVER, at_once: u64::MAX, timeouts: Self::FOR_EVER }
    }

    /// Whether the timer thread calls too late for `deadline`.
    #[inline(always)]
    fn is_late(&self, deadline: Option<u64>) -> bool {
        deadline.unwrap_or(u64::MAX) < self.called.ns
    }

    /// The next wait is to end at `deadline`. `goes_on`: with an answer to somebody.
    fn set(&mut self, deadline: Option<u64>, goes_on: bool, kernel: &Kernel) {
        (self.at_once, self.timeouts) = (self.called.tsc, Self::FOR_EVER);
        let Some(ns) = deadline.filter(|_| self.is_late(deadline)) else { return };
        let time = if ns == self.waited.ns { self.waited } else { Time { ns, tsc: kernel.tsc_at(ns) } };
        if goes_on && self.timer.set(time.tsc) {
            (self.called, self.at_once) = (time, time.tsc);
            return;
        }
        self.waited = time;
        kernel.utcb().set_deadlines(0, time.tsc);
        (self.at_once, self.timeouts) = (0, Timeouts::of(Timeout::Now, Timeout::Deadline));
    }

    /// Answers the timer thread's call.
    fn answer(&mut self) {
        self.timer.answer();
        self.called = Time::NEVER;
    }
}

impl EventLoop {
    pub fn new(
        server: Rc<Server>,
        kernel: Rc<Kernel>,
        input: ThreadId,
        disk: ThreadId,
        timer: Timer,
        entry: Entry,
    ) -> Self {
        let call = match entry {
            Entry::Forwarded => Tag::new(Label::FOREIGN, 7, 0),
            Entry::Trampoline => trampoline::CALL,
        };
        Self { server, kernel, input, input_waits: false, disk, call, alarm: Alarm::new(timer) }
    }

    /// There are two loops, so that the one that nobody profiles is not asked each time whether somebody does.
    pub fn run(self) -> ! {
        if trace::is_on() { self.turn::<true>() } else { self.turn::<false>() }
    }

    fn turn<const PROFILED: bool>(mut self) -> ! {
        loop {
            self.alarm.set(self.server.next_deadline(), self.kernel.is_holding(), &self.kernel);
            let held = self.kernel.take_held();
            let to = held.as_ref().map_or(ThreadId::NIL, |h| h.to);
            match self.exchange::<PROFILED>(held) {
                Ok(Some(received)) => self.dispatch(&received),
                Ok(None) => {}
                Err(Status::MapFailed) => self.server.handle(Event::MapFailed { thread: to }),
                // The time has come, or the answer went to a thread that does not wait any more.
                Err(_) => self.server.handle(Event::Tick),
            }
            self.answer_input();
        }
    }

    /// Sends what has been held back and waits for a message that is no system call; `None` if after a system call there is more to do than to
    /// send its result. Nothing else is in this function, so that the loop has all registers for itself.
    #[inline(never)]
    fn exchange<const PROFILED: bool>(&self, held: Option<Held>) -> Result<Option<Received>, Status> {
        let mut next = match (self.kernel.take_result(), held) {
            (Some((to, value)), _) => self.send::<PROFILED>(to, &answer(value)),
            (None, Some(held)) => self.send::<PROFILED>(held.to, &held.message),
            (None, None) => ipc::ipc(ThreadId::NIL, &answer(0), ThreadId::ANY, self.alarm.timeouts),
        };
        loop {
            let received = next?;
            if PROFILED {
                self.kernel.record(trace::Event::RECEIVED, received.from.0);
            }
            let now = tsc();
            // What is redirected, because it was meant for somebody else, has another tag.
            if received.message.tag != self.call {
                return Ok(Some(received));
            }
            let (to, value) = match self.answer_at_once::<PROFILED>(&received, now) {
                Some(value) => (received.from, value),
                None => match self.call(&received, now) {
                    Some(result) => result,
                    None => return Ok(None),
                },
            };
            next = self.send::<PROFILED>(to, &answer(value));
        }
    }

    /// Sends an answer and waits for the next message.
    #[inline(always)]
    fn send<const PROFILED: bool>(&self, to: ThreadId, message: &Message) -> Result<Received, Status> {
        if PROFILED {
            self.kernel.record(trace::Event::REPLY, to.0);
        }
        ipc::ipc(to, message, ThreadId::ANY, self.alarm.timeouts)
    }

    #[inline(always)]
    fn answer_at_once<const PROFILED: bool>(&self, received: &Received, now: u64) -> Option<u64> {
        if now >= self.alarm.at_once {
            return None;
        }
        let [nr, argument, ..] = received.message.words;
        let record = |event, argument| {
            if PROFILED {
                self.kernel.record(event, argument);
            }
        };
        self.server.answer_at_once(received.from, nr as u32, argument, now, tsc, record)
    }

    /// Has a system call carried out. Whom to send which result, if then nothing else is to be done.
    #[inline(always)]
    fn call(&self, received: &Received, now: u64) -> Option<(ThreadId, u64)> {
        let [nr, args @ ..] = received.message.words;
        self.server.call(received.from, nr, args, now);
        if self.input_waits || self.alarm.is_late(self.server.next_deadline()) {
            return None;
        }
        self.kernel.take_result()
    }

    fn dispatch(&mut self, received: &Received) {
        // A program has tried to send to somebody else.
        if ipc::turn_away(received) {
            return;
        }
        let Received { from: thread, message, .. } = *received;
        let [w0, w1, w2, w3, ..] = message.words;
        match message.tag.label() {
            Label::PAGE_FAULT => {
                let fault = PageFault { addr: w0, ip: w1, access: Rights(w2 as u8), code: w3 };
                self.server.handle(Event::PageFault { thread, fault });
            }
            Label::EXCEPTION => {
                let exception = Exception { vector: w0, code: w1, ip: w2 };
                self.server.handle(Event::Exception { thread, exception });
            }
            _ if thread == self.input => self.take_input(&message),
            _ if thread == self.disk => self.server.handle(Event::Disk { done: disk::is_done(&message) }),
            _ if thread == self.alarm.timer.thread() => {
                self.alarm.answer();
                self.server.handle(Event::Tick);
            }
            _ => {}
        }
    }

    fn take_input(&mut self, message: &Message) {
        self.input_waits = true;
        match console::Event::try_from(message) {
            Ok(console::Event::Input(bytes)) => self.server.handle(Event::Input(bytes.as_slice())),
            Ok(console::Event::End) => self.server.handle(Event::InputEnd),
            Ok(console::Event::Resize(size)) => {
                self.server.handle(Event::Resize { rows: size.rows, cols: size.cols });
            }
            Err(_) => {}
        }
    }

    /// Lets the input thread go on if there is room for what it may bring.
    fn answer_input(&mut self) {
        if self.input_waits && self.server.wants_input() {
            self.input_waits = false;
            self.kernel.hold(self.input, Message::ok([]));
        }
    }
}
