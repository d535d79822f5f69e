//! The event loop: receives a message, lets the server handle it, and sends the last answer with the next wait.
//!
//! Programs are L4 threads and could send messages of their own. What the µ-kernel says in their name has a label that they
//! cannot use; input is only taken from the input thread; everything else is dropped.

use super::kernel::{Held, Kernel};
use alloc::rc::Rc;
use linux::event::{Event, Exception, PageFault};
use linux::machine::Machine;
use linux::server::Server;
use proto::{Message, console};
use ukernel_abi::call::Timeouts;
use ukernel_abi::{Label, Rights, Status, ThreadId};
use userlib::ipc::{self, NEVER, NOW, Received};
use userlib::trace;

pub struct EventLoop {
    server: Rc<Server>,
    kernel: Rc<Kernel>,
    input: ThreadId,
    /// The input thread waits for an answer.
    input_waits: bool,
}

impl EventLoop {
    pub fn new(server: Rc<Server>, kernel: Rc<Kernel>, input: ThreadId) -> Self {
        Self { server, kernel, input, input_waits: false }
    }

    /// There are two loops, so that the one that nobody profiles is not asked each time whether somebody does.
    pub fn run(self) -> ! {
        if trace::is_on() { self.turn::<true>() } else { self.turn::<false>() }
    }

    fn turn<const PROFILED: bool>(mut self) -> ! {
        loop {
            let held = self.kernel.take_held();
            let to = held.as_ref().map_or(ThreadId::NIL, |h| h.to);
            match self.exchange::<PROFILED>(held) {
                // A program has tried to send to somebody else.
                Ok(received) if ipc::turn_away(&received) => {}
                Ok(received) => self.dispatch(&received),
                Err(Status::MapFailed) => self.server.handle(Event::MapFailed { thread: to }),
                // The time has come, or the answer went to a thread that does not wait any more.
                Err(_) => self.server.handle(Event::Tick),
            }
            self.answer_input();
        }
    }

    fn exchange<const PROFILED: bool>(&self, held: Option<Held>) -> Result<Received, Status> {
        let timeout = self.timeout();
        if PROFILED && let Some(held) = &held {
            self.kernel.record(trace::Event::REPLY, held.to.0);
        }
        let received = match held {
            Some(held) => ipc::ipc(held.to, &held.message, ThreadId::ANY, Timeouts::new(NOW, timeout)),
            None => ipc::receive(ThreadId::ANY, timeout),
        };
        if PROFILED && let Ok(received) = &received {
            self.kernel.record(trace::Event::RECEIVED, received.from.0);
        }
        received
    }

    /// Microseconds until the server wants to be called.
    fn timeout(&self) -> u32 {
        let Some(deadline) = self.server.next_deadline() else { return NEVER };
        let us = deadline.saturating_sub(self.kernel.monotonic_ns()).div_ceil(1000);
        u32::try_from(us).unwrap_or(NEVER - 1).min(NEVER - 1)
    }

    fn dispatch(&mut self, received: &Received) {
        let Received { from: thread, message, .. } = *received;
        let [w0, w1, w2, w3, w4, w5, w6] = message.words;
        match message.tag.label() {
            Label::FOREIGN => {
                self.server.handle(Event::Syscall { thread, nr: w0, args: [w1, w2, w3, w4, w5, w6] });
            }
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
