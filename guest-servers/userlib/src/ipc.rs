//! Sending and receiving.
//!
//! Messages are those of `proto`: seven words in registers. Words and items beyond them are in the thread's
//! UTCB ([`crate::utcb`]); whoever sends a tag that counts more than seven has put them there.
//!
//! A received map item lands in the receive window that the thread set, and `Utcb::set_window` takes no
//! window over memory that is Rust's; that is why sending and receiving are safe.

use crate::gate::{self, Frame};
use crate::thread;
use crate::trace::{self, Event};
use crate::utcb::Utcb;
use proto::{Message, Refusal};
use ukernel_abi::call::Timeouts;
use ukernel_abi::{Call, Status, ThreadId};

/// A message and who sent it.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// In whose name it was sent.
    pub from: ThreadId,
    pub message: Message,
    /// For whom it was meant, if it came here because this server guards a border that it has to cross; else nil.
    pub meant_for: ThreadId,
    /// Who sent it, if that is not `from`; else nil.
    pub sent_by: ThreadId,
}

/// Wait for ever.
pub const NEVER: u32 = Timeouts::NEVER;
/// Do not wait at all.
pub const NOW: u32 = 0;

/// The general form: sends to `to` unless it is nil, then receives from `from` unless it is nil.
#[inline(always)]
pub fn ipc(to: ThreadId, message: &Message, from: ThreadId, timeouts: Timeouts) -> Result<Received, Status> {
    let mut frame = Frame { rax: Call::Ipc.rax() | message.tag.to_rax(), words: message.words, r12: to.0 };
    // SAFETY: an ipc changes this task's memory only in its receive window, which holds nothing of Rust's
    // (`Utcb::set_window`), and in its UTCB, which is only accessed by copying.
    let [r13, r14] = unsafe { gate::call(&mut frame, from, timeouts) };
    frame.done()?;
    let tag = frame.tag();
    let meant_for = if tag.is_redirected() { ThreadId(r13) } else { ThreadId::NIL };
    let sent_by = if tag.is_propagated() { ThreadId(r14) } else { ThreadId::NIL };
    let message = Message { tag, words: frame.words };
    Ok(Received { from: frame.subject(), message, meant_for, sent_by })
}

/// Sends; waits up to `timeout` microseconds for the partner to receive.
pub fn send(to: ThreadId, message: &Message, timeout: u32) -> Result<(), Status> {
    ipc(to, message, ThreadId::NIL, Timeouts::new(timeout, NOW)).map(|_| ())
}

/// Receives from `from`, or from anybody ([`ThreadId::ANY`]); waits up to `timeout` microseconds.
pub fn receive(from: ThreadId, timeout: u32) -> Result<Received, Status> {
    ipc(ThreadId::NIL, &NOTHING, from, Timeouts::new(NOW, timeout))
}

/// Sends and waits for the partner's answer, both for ever.
pub fn call(to: ThreadId, message: &Message) -> Result<Message, Status> {
    ipc(to, message, to, Timeouts::ALL_NEVER).map(|received| received.message)
}

/// Answers a client that waits, and receives from anybody. A client that does not wait gets no answer: a
/// server must not be held up by a client.
pub fn reply_and_wait(to: ThreadId, reply: &Message) -> Result<Received, Status> {
    ipc(to, reply, ThreadId::ANY, Timeouts::new(NOW, NEVER))
}

/// Sends to `to` in the name of `name`: that of another thread of this task, or, if this task guards the border between `name` and `to`, of
/// the one who would send if it could. Waits up to `timeout` microseconds.
pub fn propagate(to: ThreadId, name: ThreadId, message: &Message, timeout: u32) -> Result<(), Status> {
    Utcb::current().set_virtual_sender(name);
    send(to, &Message { tag: message.tag.propagated(), words: message.words }, timeout)
}

/// Whether a message was meant for somebody else. Its sender, which is confined to this server, is told in that one's name that the answer is no.
pub fn turn_away(received: &Received) -> bool {
    if received.meant_for.is_nil() {
        return false;
    }
    // A sender that does not wait for an answer gets none.
    let _ = propagate(received.from, received.meant_for, &Message::refused(Refusal::Denied), NOW);
    true
}

/// A message with nothing in it.
const NOTHING: Message = Message::new(ukernel_abi::Label(0), []);

/// What becomes of a message that a server has received.
pub enum Answer {
    Reply(Message),
    None,
}

/// The receive loop of a server: hands every message to `serve` and sends what it answers.
pub fn serve(mut serve: impl FnMut(ThreadId, &Message) -> Answer) -> ! {
    let me = if trace::is_on() { thread::current() } else { ThreadId::NIL };
    let record = |event, argument| trace::event_of(me, event, argument);
    let mut next = receive(ThreadId::ANY, NEVER);
    loop {
        if let Ok(received) = &next {
            record(Event::RECEIVED, received.from.0);
        }
        next = match next {
            Ok(received) if turn_away(&received) => receive(ThreadId::ANY, NEVER),
            Ok(Received { from, message, .. }) => {
                record(Event::HANDLER_START, message.label().0.into());
                match serve(from, &message) {
                    Answer::Reply(reply) => {
                        record(Event::HANDLER_END, reply.label().0.into());
                        record(Event::REPLY, from.0);
                        reply_and_wait(from, &reply)
                    }
                    Answer::None => {
                        record(Event::HANDLER_END, Event::WAITS);
                        receive(ThreadId::ANY, NEVER)
                    }
                }
            }
            // The reply went to a client that has died, does not wait or has no room for an item. Its affair.
            Err(_) => receive(ThreadId::ANY, NEVER),
        };
    }
}
