//! The server behind the device.

use crate::virtio::Broken;

/// What came is no message, or has not even room for an error as its reply: nobody can be told of that but by stopping the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoAnswer;

impl From<NoAnswer> for Broken {
    fn from(_: NoAnswer) -> Self {
        Broken("a 9P message without a header, or without room for a reply")
    }
}

/// Serves one client.
pub trait Backend: Send {
    /// Bytes of the largest message, in either direction.
    fn largest(&self) -> usize;

    /// Answers `message`: puts the reply into `reply`, at its begin, and returns its length. What else `reply` holds is of no meaning.
    fn answer(&mut self, message: &[u8], reply: &mut [u8]) -> Result<usize, NoAnswer>;

    /// Forgets the client: whoever comes next begins anew.
    fn reset(&mut self);
}
