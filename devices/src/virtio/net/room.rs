//! Room for frames that come: buffers of the driver that have been taken off the queue and are not full yet.
//!
//! How long the next frame may be has to be known before it is asked for, so buffers are taken until the longest fits. A frame fills one
//! buffer or, if that has been agreed upon, as many as it needs, of which only the last may be left part empty (5.1.6.4).

use super::request::{FRAME_MAX, HEADER, Header};
use crate::virtio::{Broken, Chain, Io, Range};
use std::collections::VecDeque;
use vm_memory::{Bytes, GuestAddress};

/// With a header, the longest frame.
const LONGEST: u64 = (HEADER + FRAME_MAX) as u64;

#[derive(Default)]
pub struct Room {
    chains: VecDeque<Chain>,
    /// Bytes in them.
    bytes: u64,
    merge: bool,
}

impl Room {
    /// Without any buffer. `merge`: a frame may fill several.
    pub fn new(merge: bool) -> Self {
        Self { merge, ..Self::default() }
    }

    /// Takes buffers off `queue` until the longest frame fits, or there are no more. How long a frame may be.
    pub fn limit(&mut self, queue: usize, io: &mut Io<'_>) -> Result<usize, Broken> {
        while self.bytes < LONGEST && (self.merge || self.chains.is_empty()) {
            let Some(chain) = io.pop(queue)? else { break };
            if !chain.readable.is_empty() {
                return Err(Broken("a buffer for frames that is to be read"));
            }
            let len = chain.writable_len();
            if len <= HEADER as u64 {
                return Err(Broken("a buffer for frames that has no room for one"));
            }
            self.bytes += len;
            self.chains.push_back(chain);
        }
        Ok(self.bytes.min(LONGEST).saturating_sub(HEADER as u64) as usize)
    }

    /// Writes a frame, which is not longer than the limit.
    pub fn write(
        &mut self,
        queue: usize,
        header: &Header,
        frame: &[&[u8]],
        io: &mut Io<'_>,
    ) -> Result<(), Broken> {
        let size = HEADER + frame.iter().map(|piece| piece.len()).sum::<usize>();
        let count = self.count(size as u64);
        let head = header.to_bytes(count);
        let mut pieces =
            std::iter::once(&head[..]).chain(frame.iter().copied()).filter(|piece| !piece.is_empty());
        let mut piece = pieces.next().unwrap_or_default();
        for _ in 0..count {
            let Some(chain) = self.chains.pop_front() else { break };
            self.bytes -= chain.writable_len();
            let mut written = 0;
            for &Range { addr, len } in &chain.writable {
                let mut done = 0;
                while done < len as usize && !piece.is_empty() {
                    let (now, rest) = piece.split_at(piece.len().min(len as usize - done));
                    let at = GuestAddress(addr.0 + done as u64);
                    io.memory.write_slice(now, at).map_err(|_| Broken("a buffer outside of RAM"))?;
                    done += now.len();
                    piece = if rest.is_empty() { pieces.next().unwrap_or_default() } else { rest };
                }
                written += done as u32;
            }
            io.push(queue, chain.head, written)?;
        }
        Ok(())
    }

    /// How many buffers `size` bytes fill.
    fn count(&self, size: u64) -> u16 {
        let mut left = size;
        let mut count = 0;
        for chain in &self.chains {
            if left == 0 {
                break;
            }
            count += 1;
            left = left.saturating_sub(chain.writable_len());
        }
        count
    }
}
