//! Messages with strings: bytes that the kernel copies from one task's memory to the other's.
//!
//! Buffers are entered into the thread's UTCB for one receive only, and taken out again when it has ended: no message that
//! comes later can write to memory that has become something else.

use crate::ipc::{self, NOW, Received};
use crate::utcb::Utcb;
use proto::Message;
use ukernel_abi::call::Timeouts;
use ukernel_abi::msg::{REGISTER_WORDS, StringItem, Tag};
use ukernel_abi::{Status, ThreadId};

/// Appends a string that consists of `parts`. False, and nothing is appended, if the message has no room for them, or one is longer than
/// [`StringItem::MAX`]. The message must be sent while they live: [`send`].
#[must_use]
fn push(message: &mut Message, parts: &[&[u8]]) -> bool {
    let (words, items) = (message.tag.words(), message.tag.items());
    let first = words + 2 * items;
    let tag = Tag::new(message.tag.label(), words, items + parts.len());
    if parts.iter().any(|part| part.len() as u64 > StringItem::MAX) || !tag.is_valid() || parts.len() > 32 {
        return false;
    }
    message.tag = tag;
    for (n, part) in parts.iter().enumerate() {
        let item = StringItem::new(part.as_ptr().expose_provenance() as u64, part.len() as u64);
        let item = if n + 1 < parts.len() { item.more() } else { item };
        for (at, word) in (first + 2 * n..).zip([item.addr, item.word]) {
            match message.words.get_mut(at) {
                Some(register) => *register = word,
                None => {
                    let _there_is_room = at >= REGISTER_WORDS && Utcb::current().set_word(at, word);
                }
            }
        }
    }
    true
}

/// Sends `message` with a string that consists of `parts`; waits up to `timeout` microseconds for the partner to receive.
pub fn send(to: ThreadId, message: &Message, parts: &[&[u8]], timeout: u32) -> Result<(), Status> {
    let mut message = *message;
    if !push(&mut message, parts) {
        return Err(Status::BadArgument);
    }
    ipc::send(to, &message, timeout)
}

/// Receives from `from`, or from anybody, and a string into `buffer`; waits up to `timeout` microseconds. How long the string
/// is, its item says.
pub fn receive(from: ThreadId, buffer: &mut [u8], timeout: u32) -> Result<Received, Status> {
    if buffer.len() as u64 > StringItem::MAX {
        return Err(Status::BadArgument);
    }
    let (utcb, nothing) = (Utcb::current(), Message::new(ukernel_abi::Label(0), []));
    let item = StringItem::new(buffer.as_mut_ptr().expose_provenance() as u64, buffer.len() as u64);
    // SAFETY: the buffer is borrowed until the list is empty again, and only the kernel writes to it meanwhile.
    unsafe { utcb.set_buffers(&[item]) };
    let received = ipc::ipc(ThreadId::NIL, &nothing, from, Timeouts::new(NOW, timeout));
    // SAFETY: an empty list.
    unsafe { utcb.set_buffers(&[]) };
    received
}
