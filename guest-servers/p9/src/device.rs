//! The driver of the 9P device (virtio 1.2 reserves its number; QEMU and Linux define it): one queue, of messages and places for their
//! answers.
//!
//! A reset ends the conversation with the file server. The client has to know that, so answers say which conversation they belong to, and a
//! message that the device had not answered is lost: it belongs to one that has ended.

use driver::engine::{Driver, Finished, Start};
use driver::pipe::Pipe;
use driver::session::Buffer;
use driver::transport::feature;
use driver::{Broken, Memory, Part, Registers, Transport};
use proto::name;
use proto::p9::{Answered, Exchange, MESSAGE_MIN, Share};
use proto::session::{Opened, Outcome, Submission};
use vmm_abi::set::DeviceKind;

/// Feature bit: the device has a name.
const HAS_TAG: u64 = 1 << 0;
/// Offsets in the configuration: length of the name (u16), name.
const CONFIG_LEN: usize = 0;
const CONFIG_TAG: usize = 2;

/// A 9P device.
pub struct P9<R, M> {
    transport: Transport<R>,
    queue: Pipe<M>,
    share: Share,
    conversation: u32,
}

impl<R: Registers, M: Memory> P9<R, M> {
    /// Sets the device up. The memory is for the queue.
    pub fn new(registers: R, queue: M) -> Result<Self, Broken> {
        let transport = Transport::claim(registers, DeviceKind::P9.id())?;
        let queue = Pipe::new(0, queue);
        let mut p9 = Self { transport, queue, share: Share::new(b""), conversation: 0 };
        p9.begin()?;
        Ok(p9)
    }

    pub fn share(&self) -> &Share {
        &self.share
    }

    fn begin(&mut self) -> Result<(), Broken> {
        let features = self.transport.negotiate(feature::EVENT_INDEX | HAS_TAG)?;
        if features & HAS_TAG != 0 {
            self.share = self.transport.config(|config| {
                let len = usize::from(config.u16(CONFIG_LEN)).min(name::MAX);
                let tag: [u8; name::MAX] = core::array::from_fn(|n| config.u8(CONFIG_TAG + n));
                Share::new(&tag[..len])
            });
        }
        self.queue.begin(&self.transport)?;
        self.transport.start();
        self.conversation = self.conversation.wrapping_add(1);
        Ok(())
    }
}

impl<R: Registers, M: Memory> Driver for P9<R, M> {
    fn info(&self) -> Opened {
        self.share.into()
    }

    fn start(&mut self, ticket: u16, request: &Submission, buffer: Buffer) -> Start {
        let Ok(Exchange { len, answer }) = Exchange::try_from(request) else {
            return Start::Over(Outcome::BadRequest);
        };
        let place = Part::writable(buffer.phys + u64::from(answer), buffer.len - answer);
        match self.queue.add(ticket, &[Part::readable(buffer.phys, len), place]) {
            Ok(()) => Start::Started,
            Err(_) => Start::Full,
        }
    }

    fn kick(&mut self) {
        self.queue.kick(&self.transport);
    }

    fn interrupt(&mut self) -> Result<(), Broken> {
        self.transport.acknowledge().map(drop)
    }

    fn finished(&mut self) -> Result<Option<Finished>, Broken> {
        let Some(used) = self.queue.take()? else { return Ok(None) };
        if used.written < MESSAGE_MIN {
            return Err(Broken("an answer is no message"));
        }
        let value = Answered { len: used.written, conversation: self.conversation }.into();
        Ok(Some(Finished { ticket: used.ticket, outcome: Outcome::Done, value }))
    }

    fn reset(&mut self) -> Result<(), Broken> {
        self.transport.reset()?;
        self.begin()
    }

    fn patience(&self, _request: &Submission) -> Option<u64> {
        // To open a pipe, or to lock a file, may take for ever.
        None
    }

    fn is_repeatable(&self, _request: &Submission) -> bool {
        false
    }
}

#[cfg(test)]
mod tests;
