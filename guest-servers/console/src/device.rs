//! What the two threads want of a device.

use proto::console::{Event, Size};

/// The device is not there, or does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoDevice;

/// The half that prints.
pub trait Output {
    /// Puts bytes into the output buffer from byte `at` on. What has no room there is lost.
    fn fill(&mut self, at: usize, bytes: &[u8]);
    /// Prints the first `len` bytes of the output buffer. `len` is not more than the buffer has.
    fn print(&mut self, channel: u32, len: u32) -> Result<(), NoDevice>;
}

/// The half that reads.
pub trait Source {
    /// Which of the host's streams are terminals (`vmm_abi::console::STDIN_TTY` and so on).
    fn flags(&self) -> u32;
    /// The terminal's size now.
    fn size(&self) -> Size;
    /// The interrupt line that says that there may be an event.
    fn line(&self) -> u8;
    /// The next event. After `None` there will be an interrupt before there is another.
    fn poll(&mut self) -> Option<Event>;
}
