//! Memory that is no Rust object: shared with a device, another server or a program.
//!
//! Others may write to it at any time. [`Window::read`] and [`Window::write`] copy by an instruction that the
//! compiler does not look into, so that a concurrent writer can only make the bytes come out mixed.
//! [`Window::cells`] is for memory that nobody else writes to while the server looks (a stopped program's).

use core::arch::asm;
use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr;
use core::sync::atomic::{Ordering, compiler_fence};

use crate::space::Range;

/// An integer that the processor reads and writes at once.
pub trait Word: Copy + sealed::Integer {}

impl Word for u8 {}
impl Word for u16 {}
impl Word for u32 {}
impl Word for u64 {}

mod sealed {
    /// Any bits are one of these.
    pub trait Integer {}
    impl Integer for u8 {}
    impl Integer for u16 {}
    impl Integer for u32 {}
    impl Integer for u64 {}
}

/// A range of mapped memory.
#[derive(Debug)]
pub struct Window {
    base: u64,
    size: usize,
    _not_sync: PhantomData<*mut ()>,
}

// SAFETY: a window is a range of addresses that is its holder's, wherever the holder runs.
unsafe impl Send for Window {}

impl Window {
    /// Of a whole range that a server has got mapped with `root`'s or another server's help. Where it is not
    /// mapped after all, an access is a page fault, and root ends the server.
    pub fn new(range: Range) -> Self {
        Self::part(&range, range.size() as usize)
    }

    /// The first `size` bytes of a range that the caller keeps.
    pub(crate) fn part(range: &Range, size: usize) -> Self {
        debug_assert!(size as u64 <= range.size());
        Self { base: range.base(), size, _not_sync: PhantomData }
    }

    /// Of all that σ0 has given to root.
    pub(crate) const fn physical() -> Self {
        Self { base: proto::place::PHYSICAL, size: 1 << proto::place::PHYSICAL_LOG2, _not_sync: PhantomData }
    }

    /// Copies `len` bytes within the window; false, and nothing is copied, if they are not all inside, or overlap.
    #[must_use]
    pub fn copy_within(&self, from: usize, to: usize, len: usize) -> bool {
        let (Some(source), Some(target)) = (self.at(from, len), self.at(to, len)) else { return false };
        if from.abs_diff(to) < len {
            return false;
        }
        // SAFETY: both are in the window, so no Rust object is there, and they do not overlap.
        unsafe { copy(target, source, len) };
        true
    }

    /// The first `at` bytes and the rest, for two users; `None` if there are no `at` bytes.
    pub fn split(self, at: usize) -> Option<(Self, Self)> {
        let rest = self.size.checked_sub(at)?;
        let part = |base, size| Self { base, size, _not_sync: PhantomData };
        Some((part(self.base, at), part(self.base + at as u64, rest)))
    }

    pub const fn base(&self) -> u64 {
        self.base
    }
    pub const fn size(&self) -> usize {
        self.size
    }

    fn at(&self, offset: usize, len: usize) -> Option<*mut u8> {
        let end = offset.checked_add(len)?;
        if end > self.size {
            return None;
        }
        Some(ptr::with_exposed_provenance_mut(self.base as usize + offset))
    }

    /// Bytes from `offset` on; `None` if they are not all inside.
    pub fn cells(&self, offset: usize, len: usize) -> Option<&[Cell<u8>]> {
        let start = self.at(offset, len)?;
        // SAFETY: the range is this window's (`space`) and holds no Rust object, so cells are the only
        // references into it; any bytes are valid.
        Some(unsafe { core::slice::from_raw_parts(start.cast(), len) })
    }

    /// Copies out; false, and nothing is copied, if the bytes are not all inside.
    #[must_use]
    pub fn read(&self, offset: usize, into: &mut [u8]) -> bool {
        let Some(from) = self.at(offset, into.len()) else { return false };
        // SAFETY: `into` is writable for its length, `from` is in the window, and they do not overlap because
        // no Rust object is in a window.
        unsafe { copy(into.as_mut_ptr(), from, into.len()) };
        true
    }

    /// Copies in; false, and nothing is copied, if the place is not all inside.
    #[must_use]
    pub fn write(&self, offset: usize, from: &[u8]) -> bool {
        let Some(into) = self.at(offset, from.len()) else { return false };
        // SAFETY: as in `read`, the other way round.
        unsafe { copy(into, from.as_ptr(), from.len()) };
        true
    }

    /// A register or index that others change, by one access; `None` if it is not inside or not aligned. What follows in the program
    /// happens after it, on a processor that keeps loads in order, as x86 does.
    pub fn load<T: Word>(&self, offset: usize) -> Option<T> {
        let from = self.word::<T>(offset)?;
        // SAFETY: in the window and aligned; volatile because others write to it; any bits are an integer.
        let value = unsafe { from.read_volatile() };
        compiler_fence(Ordering::Acquire);
        Some(value)
    }

    /// Writes one by one access, after everything that comes before it in the program.
    #[must_use]
    pub fn store<T: Word>(&self, offset: usize, value: T) -> bool {
        let Some(into) = self.word::<T>(offset) else { return false };
        compiler_fence(Ordering::Release);
        // SAFETY: as in `load`.
        unsafe { into.write_volatile(value) };
        true
    }

    fn word<T>(&self, offset: usize) -> Option<*mut T> {
        self.at(offset, size_of::<T>()).filter(|p| p.addr().is_multiple_of(size_of::<T>())).map(|p| p.cast())
    }

    pub fn read_u32(&self, offset: usize) -> Option<u32> {
        self.load(offset)
    }
    #[must_use]
    pub fn write_u32(&self, offset: usize, value: u32) -> bool {
        self.store(offset, value)
    }
}

/// # Safety
///
/// `from` is readable and `to` writable for `len` bytes, and they do not overlap.
unsafe fn copy(to: *mut u8, from: *const u8, len: usize) {
    // SAFETY: the caller's promise; the direction flag is clear by the ABI.
    unsafe {
        asm!("rep movsb", inout("rdi") to => _, inout("rsi") from => _, inout("rcx") len => _,
            options(nostack, preserves_flags))
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window onto memory of the test.
    fn over(bytes: &mut [u64]) -> Window {
        let base = bytes.as_mut_ptr().expose_provenance() as u64;
        Window { base, size: bytes.len() * 8, _not_sync: PhantomData }
    }

    #[test]
    fn bytes_go_in_and_out() {
        let mut memory = [0u64; 4];
        let w = over(&mut memory);
        assert!(w.write(3, b"hello"));
        let mut out = [0; 5];
        assert!(w.read(3, &mut out));
        assert_eq!(&out, b"hello");
        assert_eq!(w.cells(3, 5).unwrap().iter().map(Cell::get).collect::<Vec<_>>(), b"hello");
        assert!(w.write_u32(12, 0x1234_5678));
        assert_eq!(w.read_u32(12), Some(0x1234_5678));
        assert_eq!((w.load::<u16>(14), w.load::<u8>(12)), (Some(0x1234), Some(0x78)));
        assert!(w.store(16, u64::MAX) && w.store(18, 0u16));
        assert_eq!(w.load::<u64>(16), Some(0xffff_ffff_0000_ffff));
    }

    #[test]
    fn nothing_outside() {
        let mut memory = [0u64; 2];
        let w = over(&mut memory);
        assert!(!w.write(12, b"hello"));
        assert!(!w.read(usize::MAX, &mut [0; 2]));
        assert!(w.cells(16, 1).is_none());
        assert!(w.cells(16, 0).is_some());
        assert_eq!(w.read_u32(13), None);
        assert_eq!(w.read_u32(2), None, "not aligned");
        assert!(!w.write_u32(16, 1));
    }
}
