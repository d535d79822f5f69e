//! The way to the file server: two areas of memory, and a call that says that the first holds a request.

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The driver was started anew and can be used again: whatever the server knew of this client is forgotten.
    Restarted,
    /// There is no driver any more, or it has no device.
    Gone,
}

/// One request at a time.
pub trait Channel {
    /// Bytes of the longest message, in either direction.
    fn room(&self) -> usize;
    /// Writes into the request; bytes beyond the room are lost.
    fn put(&mut self, offset: usize, bytes: &[u8]);
    /// Sends the first `len` bytes of the request and waits for the answer; its length.
    fn exchange(&mut self, len: usize) -> Result<usize, Lost>;
    /// Reads from the answer; zeros beyond the room.
    fn get(&self, offset: usize, into: &mut [u8]);
}
