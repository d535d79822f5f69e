//! Bytes → meaning: a message and room for its reply. What is in the message is the server's affair.

use crate::virtio::{Broken, Chain, Range, chain};

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What the used ring calls it.
    pub head: u16,
    pub message: Vec<Range>,
    pub message_len: usize,
    /// Where the reply goes.
    pub room: Vec<Range>,
    pub room_len: usize,
}

impl Request {
    /// The request in `chain`. Messages have `largest` bytes at most; of more room for a reply no use is made.
    pub fn parse(chain: Chain, largest: usize) -> Result<Self, Broken> {
        let message_len = usize::try_from(chain.readable_len()).ok().filter(|&len| len <= largest);
        let message_len = message_len.ok_or(Broken("a 9P message longer than any may be"))?;
        let (room, _) = chain::split(&chain.writable, largest as u64);
        let room_len = chain::total(&room) as usize;
        Ok(Self { head: chain.head, message: chain.readable, message_len, room, room_len })
    }
}
