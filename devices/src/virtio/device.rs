//! What makes a device the device that it is.

use super::queue::Queues;
use super::traffic::Traffic;
use super::{Chain, Interrupt, Memory};

/// The driver broke a rule of the specification: the device stops until it is reset (2.1.2, DEVICE_NEEDS_RESET).
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Broken(pub &'static str);

/// A kind of device. Its calls come one after another, never at the same time, but from different threads.
pub trait Device: Send {
    /// DeviceID (virtio 1.2, 5).
    fn id(&self) -> u32;

    /// The features of its own. Those of queues and transport are not its affair.
    fn features(&self) -> u64;

    /// Entries that each of its queues has at most, powers of two.
    fn queue_sizes(&self) -> &[u16];

    /// Reads its configuration, `offset` bytes behind the begin. What is behind its end reads as 0. `data` comes zeroed.
    fn read_config(&self, offset: usize, data: &mut [u8]);

    /// The driver writes its configuration. Few devices have anything to write there.
    fn write_config(&mut self, _offset: usize, _data: &[u8], _io: &mut Io<'_>) {}

    /// The driver is ready (DRIVER_OK), and takes these of all offered features.
    fn activate(&mut self, features: u64, io: &mut Io<'_>) -> Result<(), Broken>;

    /// The driver has put something into queue `queue`. Takes what is there, unless there is a reason to leave it for later.
    fn process(&mut self, queue: usize, io: &mut Io<'_>) -> Result<(), Broken>;

    /// Source `source` of the backend has become ready (it is an edge: whatever is left unread will not be told again). Not called
    /// before `activate`, nor between `reset` and the next.
    fn ready(&mut self, _source: usize, _io: &mut Io<'_>) -> Result<(), Broken> {
        Ok(())
    }

    /// Forgets everything. When it returns, nothing touches the guest's memory any more.
    fn reset(&mut self);
}

/// What a device may do while it is called.
pub struct Io<'a> {
    /// The guest's RAM.
    pub memory: &'a Memory,
    pub(super) queues: &'a mut Queues,
    pub(super) interrupt: &'a Interrupt,
    pub(super) traffic: &'a Traffic,
    pub(super) generation: &'a mut u32,
}

impl Io<'_> {
    /// Takes the next request off queue `queue`. `None`: there is none, or the device has had its share and is called again later.
    pub fn pop(&mut self, queue: usize) -> Result<Option<Chain>, Broken> {
        let chain = self.queues.pop(queue, self.memory)?;
        // What is put back is buffers that the device is to write.
        chain.iter().for_each(|chain| self.traffic.taken(chain.readable_len()));
        Ok(chain)
    }

    /// The device is done with a chain's lists: the next chain will be in the same memory.
    pub fn recycle(&mut self, chain: Chain) {
        self.queues.recycle(chain);
    }

    /// Puts back what [`Self::pop`] gave last: it will be the next again.
    pub fn unpop(&mut self, queue: usize) {
        self.queues.unpop(queue);
    }

    /// The request with this head is done, and `written` bytes of its writable buffers, from their begin, were written. The driver hears of
    /// it when the device's call returns.
    pub fn push(&mut self, queue: usize, head: u16, written: u32) -> Result<(), Broken> {
        self.traffic.done(written);
        self.queues.push(queue, head, written, self.memory)
    }

    /// Tells the driver of what was pushed, now.
    pub fn flush(&mut self) -> Result<(), Broken> {
        self.queues.signal(self.memory, self.interrupt)
    }

    /// The configuration has changed.
    pub fn config_changed(&mut self) {
        *self.generation = self.generation.wrapping_add(1);
        self.interrupt.config();
    }
}
