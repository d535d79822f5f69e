//! Where the bytes of a read go and the bytes of a write come from.
//!
//! File pages, pipe rings and user memory are all memory that others may write at any time, so they are seen as
//! `&[Cell<u8>]`: there is no reference to the bytes themselves. [`Source`] and [`Sink`] let a file's pages be
//! copied to a program's frames without a buffer for the whole request between them, and let plain slices stand in
//! for user memory in tests and inside the server.
//!
//! A copy from cells to cells goes through a block on the stack. Without the block the compiler must assume
//! that the two overlap, and (these crates being soft-float) copies byte by byte; with it both halves become `memcpy`, and it sees that one `memmove` does
//! as well.

use core::cell::Cell;

use crate::errno::Result;

/// Bytes that a write takes, in order.
///
/// A `take` that meets a fault after some bytes returns their number; only one that gets none at all fails
/// (with EFAULT), as Linux's `copy_from_user` users do.
pub trait Source {
    /// Bytes that are left, if none of them faults.
    fn remaining(&self) -> usize;
    /// Takes up to `dst.len()` bytes. Fewer than min(`dst.len()`, `remaining()`) only before a fault.
    fn take_cells(&mut self, dst: &[Cell<u8>]) -> Result<usize>;
    /// As `take_cells`, into ordinary memory.
    fn take(&mut self, dst: &mut [u8]) -> Result<usize> {
        self.take_cells(Cell::from_mut(dst).as_slice_of_cells())
    }
    /// Passes over up to `n` bytes that nobody wants to see. Returns how many. Sources that can do it without
    /// looking at them do, so that a wild pointer is no error where Linux does not look either.
    fn skip(&mut self, n: usize) -> usize {
        let mut block = [0; BLOCK];
        let mut done = 0;
        while done < n {
            match self.take(&mut block[..(n - done).min(BLOCK)]) {
                Ok(0) | Err(_) => break,
                Ok(taken) => done += taken,
            }
        }
        done
    }
}

/// Room for the bytes that a read gives, in order. Faults are as with [`Source`].
pub trait Sink {
    /// Bytes that there is still room for.
    fn remaining(&self) -> usize;
    /// Puts up to `src.len()` bytes. Fewer than min(`src.len()`, `remaining()`) only before a fault.
    fn put(&mut self, src: &[u8]) -> Result<usize>;
    /// As `put`, from memory that may be shared.
    fn put_cells(&mut self, src: &[Cell<u8>]) -> Result<usize> {
        let mut block = [0; BLOCK];
        let mut done = 0;
        while done < src.len() && self.remaining() > 0 {
            let n = (src.len() - done).min(BLOCK).min(self.remaining());
            read_cells(&mut block[..n], &src[done..done + n]);
            match self.put(&block[..n]) {
                Ok(put) => done += put,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done)
    }
    /// Puts `n` zero bytes.
    fn put_zeros(&mut self, n: usize) -> Result<usize> {
        static ZEROS: [u8; BLOCK] = [0; BLOCK];
        let n = n.min(self.remaining());
        let mut done = 0;
        while done < n {
            match self.put(&ZEROS[..(n - done).min(BLOCK)]) {
                Ok(0) => break,
                Ok(put) => done += put,
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        Ok(done)
    }
}

const BLOCK: usize = 512;
/// What is mostly copied.
const PAGE: usize = 4096;

/// Copies `src` to `dst`. Both have the same length.
pub fn copy_cells(dst: &[Cell<u8>], src: &[Cell<u8>]) {
    let mut block = [0; PAGE];
    for (dst, src) in dst.chunks(PAGE).zip(src.chunks(PAGE)) {
        let block = &mut block[..src.len()];
        read_cells(block, src);
        write_cells(dst, block);
    }
}

/// Copies the cells `src` to the slice `dst`. Both have the same length.
pub fn read_cells(dst: &mut [u8], src: &[Cell<u8>]) {
    for (d, s) in dst.iter_mut().zip(src) {
        *d = s.get();
    }
}

/// Copies the slice `src` to the cells `dst`. Both have the same length.
pub fn write_cells(dst: &[Cell<u8>], src: &[u8]) {
    for (d, s) in dst.iter().zip(src) {
        d.set(*s);
    }
}

/// Sets every cell to `byte`.
pub fn fill_cells(dst: &[Cell<u8>], byte: u8) {
    for d in dst {
        d.set(byte);
    }
}

/// A slice is a source that shrinks from its front.
impl Source for &[u8] {
    fn skip(&mut self, n: usize) -> usize {
        let n = n.min(self.len());
        *self = &self[n..];
        n
    }
    fn remaining(&self) -> usize {
        self.len()
    }
    fn take_cells(&mut self, dst: &[Cell<u8>]) -> Result<usize> {
        let n = dst.len().min(self.len());
        let (head, tail) = self.split_at(n);
        write_cells(&dst[..n], head);
        *self = tail;
        Ok(n)
    }
}

impl Source for &[Cell<u8>] {
    fn skip(&mut self, n: usize) -> usize {
        let n = n.min(self.len());
        *self = &self[n..];
        n
    }
    fn remaining(&self) -> usize {
        self.len()
    }
    fn take_cells(&mut self, dst: &[Cell<u8>]) -> Result<usize> {
        let n = dst.len().min(self.len());
        let (head, tail) = self.split_at(n);
        copy_cells(&dst[..n], head);
        *self = tail;
        Ok(n)
    }
}

/// A mutable slice is a sink that shrinks from its front.
impl Sink for &mut [u8] {
    fn remaining(&self) -> usize {
        self.len()
    }
    fn put(&mut self, src: &[u8]) -> Result<usize> {
        let n = src.len().min(self.len());
        let (head, tail) = core::mem::take(self).split_at_mut(n);
        head.copy_from_slice(&src[..n]);
        *self = tail;
        Ok(n)
    }
}

impl Sink for &[Cell<u8>] {
    fn remaining(&self) -> usize {
        self.len()
    }
    fn put(&mut self, src: &[u8]) -> Result<usize> {
        let n = src.len().min(self.len());
        let (head, tail) = self.split_at(n);
        write_cells(head, &src[..n]);
        *self = tail;
        Ok(n)
    }
    fn put_cells(&mut self, src: &[Cell<u8>]) -> Result<usize> {
        let n = src.len().min(self.len());
        let (head, tail) = self.split_at(n);
        copy_cells(head, &src[..n]);
        *self = tail;
        Ok(n)
    }
}

/// Another source, but only its first `limit` bytes.
pub struct Limited<'a, T: ?Sized> {
    inner: &'a mut T,
    limit: usize,
}

impl<'a, T: ?Sized> Limited<'a, T> {
    pub fn new(inner: &'a mut T, limit: usize) -> Self {
        Self { inner, limit }
    }
}

impl<T: Source + ?Sized> Source for Limited<'_, T> {
    fn remaining(&self) -> usize {
        self.inner.remaining().min(self.limit)
    }
    fn take_cells(&mut self, dst: &[Cell<u8>]) -> Result<usize> {
        let n = self.inner.take_cells(&dst[..dst.len().min(self.limit)])?;
        self.limit -= n;
        Ok(n)
    }
    fn skip(&mut self, n: usize) -> usize {
        let n = self.inner.skip(n.min(self.limit));
        self.limit -= n;
        n
    }
}

impl<T: Sink + ?Sized> Sink for Limited<'_, T> {
    fn remaining(&self) -> usize {
        self.inner.remaining().min(self.limit)
    }
    fn put(&mut self, src: &[u8]) -> Result<usize> {
        let n = self.inner.put(&src[..src.len().min(self.limit)])?;
        self.limit -= n;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_shrink() {
        let mut source: &[u8] = b"hello world";
        let mut out = [0; 5];
        assert_eq!(source.take(&mut out), Ok(5));
        assert_eq!((&out, source.remaining()), (b"hello", 6));

        let mut room = [0xff; 8];
        let mut sink = &mut room[..];
        assert_eq!(sink.put(b"abc"), Ok(3));
        assert_eq!(sink.put_zeros(2), Ok(2));
        assert_eq!(sink.put(b"too long"), Ok(3));
        assert_eq!(sink.remaining(), 0);
        assert_eq!(&room, b"abc\0\0too");
    }

    #[test]
    fn cells_to_cells_of_odd_lengths() {
        for len in [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let mut from: Vec<u8> = (0..len).map(|i| (i * 7) as u8).collect();
            let mut to = vec![0; len];
            let from_cells = Cell::from_mut(&mut from[..]).as_slice_of_cells();
            let to_cells = Cell::from_mut(&mut to[..]).as_slice_of_cells();
            copy_cells(to_cells, from_cells);
            let mut again = vec![0; len];
            let mut sink = &mut again[..];
            assert_eq!(sink.put_cells(to_cells), Ok(len));
            assert_eq!(from, to);
            assert_eq!(from, again);
        }
    }

    #[test]
    fn a_limit_is_kept() {
        let mut source: &[u8] = b"0123456789";
        let mut limited = Limited::new(&mut source, 4);
        let mut out = [0; 10];
        assert_eq!(limited.remaining(), 4);
        assert_eq!(limited.take(&mut out), Ok(4));
        assert_eq!(limited.take(&mut out), Ok(0));
        assert_eq!(source, b"456789");
    }
}
