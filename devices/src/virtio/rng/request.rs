//! What the driver wants: buffers to be filled (5.4.6).

use crate::virtio::{Broken, Chain, Range};

/// Bytes that one request is answered with at most.
pub const BYTES_MAX: usize = 64 << 10;

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// What the used ring calls it.
    pub head: u16,
    pub into: Vec<Range>,
    /// Bytes that it is answered with.
    pub len: usize,
}

impl Request {
    /// Reads the request in `chain`. Buffers to read, which a driver must not give, say nothing.
    pub fn parse(chain: Chain) -> Result<Self, Broken> {
        // One byte at least has to be written (5.4.6.2).
        if chain.writable.is_empty() {
            return Err(Broken("an entropy request without a buffer to fill"));
        }
        let len = chain.writable_len().min(BYTES_MAX as u64) as usize;
        Ok(Self { head: chain.head, into: chain.writable, len })
    }
}
