//! Memory for what one side has sent and the other does not take yet.
//!
//! A flow has a buffer only while something is in it, and all flows together have a limit: a guest that opens every flow that it can, and reads
//! none, gets no more memory than this. Whoever gets no buffer goes on when another flow gives one back; until then, flow control
//! holds whoever sends.

use smoltcp::storage::RingBuffer;

/// Bytes of one buffer. It is a window's worth, and fits the second-level cache with what it is copied to.
pub const SIZE: usize = 256 << 10;
/// Buffers that stay allocated while nobody needs them.
const SPARE: usize = 8;

pub type Ring = RingBuffer<'static, u8>;

/// Where buffers come from.
#[derive(Debug)]
pub struct Pool {
    spare: Vec<Ring>,
    /// How many may still be made or taken from `spare`.
    left: usize,
    /// Somebody went away without.
    wanted: bool,
}

impl Pool {
    /// At most `limit` buffers.
    pub fn new(limit: usize) -> Self {
        Self { spare: Vec::new(), left: limit, wanted: false }
    }

    /// An empty buffer, if there is one.
    pub fn take(&mut self) -> Option<Ring> {
        if self.left == 0 {
            self.wanted = true;
            return None;
        }
        self.left -= 1;
        Some(self.spare.pop().unwrap_or_else(|| Ring::new(vec![0; SIZE])))
    }

    /// Gives a buffer back.
    pub fn give(&mut self, ring: Option<Ring>) {
        if let Some(mut ring) = ring {
            self.left += 1;
            if self.spare.len() < SPARE {
                ring.clear();
                self.spare.push(ring);
            }
        }
    }

    /// Whether somebody went away without a buffer and there is one again. Says so once.
    pub fn is_awaited(&mut self) -> bool {
        self.left > 0 && std::mem::take(&mut self.wanted)
    }
}

/// The bytes from `offset` on, at most `size`, in two pieces.
pub fn pieces(ring: &Option<Ring>, offset: usize, size: usize) -> [&[u8]; 2] {
    let Some(ring) = ring else { return [&[], &[]] };
    let first = ring.get_allocated(offset, size);
    if first.len() == size {
        return [first, &[]];
    }
    [first, ring.get_allocated(offset + first.len(), size - first.len())]
}

pub fn len(ring: &Option<Ring>) -> usize {
    ring.as_ref().map_or(0, Ring::len)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_holds_and_who_went_without_is_told_once() {
        let mut pool = Pool::new(2);
        let first = pool.take();
        let second = pool.take();
        assert!(first.is_some() && second.is_some() && !pool.is_awaited());
        assert!(pool.take().is_none());
        assert!(!pool.is_awaited(), "there is none yet");
        pool.give(first);
        assert!(pool.is_awaited());
        assert!(!pool.is_awaited());
        assert!(pool.take().is_some() && pool.take().is_none());
    }

    #[test]
    fn a_buffer_comes_back_empty() {
        let mut pool = Pool::new(1);
        let mut ring = pool.take();
        assert_eq!(ring.as_mut().unwrap().enqueue_slice(b"secret"), 6);
        pool.give(ring);
        assert_eq!(pool.take().unwrap().len(), 0);
    }

    #[test]
    fn pieces_go_around_the_end() {
        let mut ring = Ring::new(vec![0; 8]);
        assert_eq!(ring.enqueue_slice(b"01234567"), 8);
        ring.dequeue_allocated(6);
        assert_eq!(ring.enqueue_slice(b"89ab"), 4);
        let ring = Some(ring);
        assert_eq!(pieces(&ring, 0, 6), [&b"67"[..], b"89ab"]);
        assert_eq!(pieces(&ring, 1, 3), [&b"7"[..], b"89"]);
        assert_eq!(pieces(&ring, 3, 2), [&b"9a"[..], b""]);
        assert_eq!(pieces(&None, 0, 0), [&b""[..], b""]);
    }
}
