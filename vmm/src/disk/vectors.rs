//! The guest's buffers, as the kernel takes them: a list of addresses and lengths in our address space.

use devices::virtio::{Memory, Range};
use std::io;
use vm_memory::{GuestMemory, Permissions};

/// Buffers, of which some may have been dealt with already.
#[derive(Default)]
pub struct Vectors {
    list: Vec<libc::iovec>,
    /// Those before are dealt with.
    next: usize,
}

// SAFETY: the addresses are of the guest's memory, which is no thread's own, and nothing here follows them.
unsafe impl Send for Vectors {}

impl Vectors {
    /// The buffers `ranges` of `memory`. They are good for as long as the memory's mapping.
    pub fn fill(&mut self, memory: &Memory, ranges: &[Range]) -> io::Result<()> {
        self.clear();
        for range in ranges {
            let slices = memory.get_slices(range.addr, range.len as usize, Permissions::ReadWrite);
            for slice in slices.map_err(not_ram)? {
                let slice = slice.map_err(not_ram)?;
                let base = slice.ptr_guard_mut().as_ptr().cast();
                self.list.push(libc::iovec { iov_base: base, iov_len: slice.len() });
            }
        }
        Ok(())
    }

    pub fn clear(&mut self) {
        self.list.clear();
        self.next = 0;
    }

    /// What is left to be dealt with.
    pub fn left(&self) -> &[libc::iovec] {
        &self.list[self.next..]
    }

    /// Bytes that are left.
    pub fn len(&self) -> usize {
        self.left().iter().map(|vector| vector.iov_len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.left().is_empty()
    }

    /// Whether all addresses and lengths are multiples of `block`, a power of two.
    pub fn are_aligned(&self, block: u32) -> bool {
        let mask = block as usize - 1;
        self.left().iter().all(|vector| (vector.iov_base as usize | vector.iov_len) & mask == 0)
    }

    /// Has dealt with `count` bytes more.
    pub fn advance(&mut self, mut count: usize) {
        while let Some(vector) = self.list.get_mut(self.next) {
            if count < vector.iov_len {
                vector.iov_base = vector.iov_base.wrapping_byte_add(count);
                vector.iov_len -= count;
                return;
            }
            count -= vector.iov_len;
            self.next += 1;
        }
    }
}

// Ranges are checked before they get here.
fn not_ram(error: vm_memory::GuestMemoryError) -> io::Error {
    io::Error::other(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use vm_memory::GuestAddress;

    #[test]
    fn what_is_dealt_with_is_left_out() {
        let memory =
            Memory::from_ranges(&[(GuestAddress(0), 0x1000), (GuestAddress(0x1000), 0x1000)]).unwrap();
        let range = |addr, len| Range { addr: GuestAddress(addr), len };
        let mut vectors = Vectors::default();
        vectors.fill(&memory, &[range(0x200, 0x200), range(0xe00, 0x400)]).unwrap();
        // The second lies in two mappings.
        assert_eq!((vectors.left().len(), vectors.len()), (3, 0x600));
        assert!(vectors.are_aligned(512) && !vectors.are_aligned(1024));
        vectors.advance(0x100);
        assert_eq!((vectors.left().len(), vectors.len()), (3, 0x500));
        assert!(!vectors.are_aligned(512));
        vectors.advance(0x100);
        assert_eq!((vectors.left().len(), vectors.len()), (2, 0x400));
        vectors.advance(0x401);
        assert!(vectors.is_empty());
        assert!(vectors.fill(&memory, &[range(0x1f00, 0x200)]).is_err());
    }
}
