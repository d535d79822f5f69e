//! The event loop: receives a message, lets the server handle it, and sends the last answer with the next wait.
//!
//! Programs are L4 threads and could send messages of their own. What the µ-kernel says in their name has a label that they
//! cannot use; input is only taken from the input thread; everything else is dropped.
//!
//! System calls whose result is all that is to be sent never leave [`EventLoop::exchange`].

use super::kernel::{Held, Kernel, answer};
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
    /// What a system call is as a message.
    call: Tag,
    alarm: Alarm,
}

/// When the server wants to be called, whatever comes.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Alarm {
    /// Nanoseconds of the monotonic clock.
    deadline: Option<u64>,
    /// The same as a reading of the TSC; the largest there is if there is no deadline.
    tsc: u64,
    /// For sending an answer, at once or not at all, and then waiting until then.
    timeouts: Timeouts,
}

impl Alarm {
    const NONE: Self =
        Self { deadline: None, tsc: u64::MAX, timeouts: Timeouts::of(Timeout::Now, Timeout::Never) };

    fn set(&mut self, deadline: Option<u64>, kernel: &Kernel) {
        if self.deadline == deadline {
            return;
        }
        *self = match deadline {
            None => Self::NONE,
            Some(ns) => {
                let tsc = kernel.tsc_at(ns);
                kernel.utcb().set_deadlines(0, tsc);
                Self { deadline, tsc, timeouts: Timeouts::of(Timeout::Now, Timeout::Deadline) }
            }
        };
    }
}

impl EventLoop {
    pub fn new(server: Rc<Server>, kernel: Rc<Kernel>, input: ThreadId, entry: Entry) -> Self {
        let call = match entry {
            Entry::Forwarded => Tag::new(Label::FOREIGN, 7, 0),
            Entry::Trampoline => trampoline::CALL,
        };
        Self { server, kernel, input, input_waits: false, call, alarm: Alarm::NONE }
    }

    /// There are two loops, so that the one that nobody profiles is not asked each time whether somebody does.
    pub fn run(self) -> ! {
        if trace::is_on() { self.turn::<true>() } else { self.turn::<false>() }
    }

    fn turn<const PROFILED: bool>(mut self) -> ! {
        loop {
            self.alarm.set(self.server.next_deadline(), &self.kernel);
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
        if now >= self.alarm.tsc {
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
        if self.input_waits || self.server.next_deadline() != self.alarm.deadline {
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
