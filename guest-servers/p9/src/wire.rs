//! The client's way to the driver: a session whose region has a request in its first half and the answer in its second.

use crate::client::{Channel, Lost};
use driver::Client;
use driver::client::{Link, Repeat};
use proto::Refusal;
use proto::p9::{Answered, Exchange, Share};
use proto::session::{DATA, Outcome, Submission};

/// A way to the file server.
pub struct Wire<L> {
    client: Client<L>,
    /// Bytes for a message in each direction.
    room: usize,
    /// The conversation that the last answer belonged to.
    conversation: Option<u32>,
}

impl<L: Link> Wire<L> {
    /// Opens a session through `link`, whose region has `size` bytes.
    pub fn open(link: L, size: usize) -> Result<Self, Refusal> {
        let room = size.saturating_sub(DATA) / 2;
        Ok(Self { client: Client::open(link)?, room, conversation: None })
    }

    /// What is shared.
    pub fn share(&self) -> Share {
        Share::from(&self.client.opened())
    }
    pub fn client(&self) -> &Client<L> {
        &self.client
    }

    fn inside(&self, offset: usize, len: usize) -> bool {
        offset.checked_add(len).is_some_and(|end| end <= self.room)
    }

    /// What has become of the request under way.
    fn outcome(&mut self, tag: u32) -> Result<(Outcome, u64), Lost> {
        loop {
            self.client.wait(1).map_err(|_| Lost::Gone)?;
            while let Some(done) = self.client.take() {
                if done.tag == tag {
                    return Ok((done.outcome, done.value));
                }
            }
        }
    }
}

impl<L: Link> Channel for Wire<L> {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        if self.inside(offset, bytes.len()) {
            self.client.link().write(DATA + offset, bytes);
        }
    }

    fn exchange(&mut self, len: usize) -> Result<usize, Lost> {
        let exchange = Exchange { len: len as u32, answer: self.room as u32 };
        let request = Submission { offset: DATA as u32, len: 2 * self.room as u32, ..exchange.into() };
        let tag = self.client.submit(request, Repeat::Never).map_err(|_| Lost::Gone)?;
        let (outcome, value) = self.outcome(tag)?;
        match outcome {
            Outcome::Done => {
                let answered = Answered::from(value);
                let before = self.conversation.replace(answered.conversation);
                let is_same = before.is_none_or(|before| before == answered.conversation);
                if is_same { Ok(answered.len as usize) } else { Err(Lost::Restarted) }
            }
            Outcome::Lost => {
                self.conversation = None;
                Err(Lost::Restarted)
            }
            _ => Err(Lost::Gone),
        }
    }

    fn get(&self, offset: usize, into: &mut [u8]) {
        if self.inside(offset, into.len()) {
            self.client.link().read(DATA + self.room + offset, into);
        } else {
            into.fill(0);
        }
    }
}
