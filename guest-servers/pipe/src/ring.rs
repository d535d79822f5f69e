//! The ring, and how its ends keep out of each other's way.
//!
//! Each end counts the bytes that it has moved so far, in memory for the other to see and for itself where the other cannot change it. Who finds nothing to do says
//! that it waits, and looks again before it does: who moves bytes does so first and then looks whether somebody waits. One of the two sees the other, and whoever takes
//! the word `waits` back decides: the one that moved bytes, and then sends a message that the other has to take; or the one that wanted to wait, and there is no message.

use crate::copy::copy;
use crate::partner::Peer;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use userlib::Status;

/// Bytes in a ring: as many as in a pipe of Linux.
pub const CAPACITY: usize = 64 << 10;

/// Why nothing could be moved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Error {
    /// The other end's count makes no sense.
    Broken,
    /// The other end's thread cannot be reached.
    Peer(Status),
}

/// What one end tells the other. In a cache line of its own: the other end writes to another one.
#[repr(C, align(64))]
#[derive(Default)]
struct End {
    moved: AtomicU64,
    waits: AtomicBool,
}

/// The shared memory. Zeros are an empty one.
#[repr(C, align(4096))]
pub struct Ring {
    writer: End,
    reader: End,
    bytes: UnsafeCell<[u8; CAPACITY]>,
}

// SAFETY: the bytes are only copied, by the ends, of which one each is in use (`writer`, `reader`) and which never touch the same bytes at once; another task
// that breaks that can only make bytes come out mixed (`copy`).
unsafe impl Sync for Ring {}

impl Default for Ring {
    fn default() -> Self {
        Self { writer: End::default(), reader: End::default(), bytes: UnsafeCell::new([0; CAPACITY]) }
    }
}

impl End {
    fn reset(&self) {
        self.moved.store(0, SeqCst);
        self.waits.store(false, SeqCst);
    }
}

impl Ring {
    /// Empties a ring, for two new ends. Those that there were are not used any more.
    pub fn reset(&self) {
        self.writer.reset();
        self.reader.reset();
    }

    /// The end that writes; the thread that reads is `peer`.
    ///
    /// # Safety
    ///
    /// Made once for a ring that is new, or for one that has been [`reset`](Self::reset).
    pub unsafe fn writer<P: Peer>(&self, peer: P) -> Writer<'_, P> {
        Writer { ring: self, moved: 0, peer }
    }

    /// The end that reads; the thread that writes is `peer`.
    ///
    /// # Safety
    ///
    /// As for [`writer`](Self::writer).
    pub unsafe fn reader<P: Peer>(&self, peer: P) -> Reader<'_, P> {
        Reader { ring: self, moved: 0, peer }
    }

    /// Where byte number `at` of all lies, and how many follow before the ring's end.
    fn place(&self, at: u64) -> (*mut u8, usize) {
        let offset = at as usize % CAPACITY;
        // SAFETY: within the array.
        (unsafe { self.bytes.get().cast::<u8>().add(offset) }, CAPACITY - offset)
    }
}

/// Waits until the other end has moved on from `seen`, or has done so already.
fn wait(own: &End, other: &End, seen: u64, peer: &impl Peer) -> Result<(), Error> {
    own.waits.store(true, SeqCst);
    if other.moved.load(SeqCst) == seen || !own.waits.swap(false, SeqCst) {
        peer.wait().map_err(Error::Peer)?;
    }
    Ok(())
}

/// Tells the other end that this one has moved so many bytes by now.
fn tell(own: &End, other: &End, moved: u64, peer: &impl Peer) -> Result<(), Error> {
    own.moved.store(moved, SeqCst);
    if other.waits.load(SeqCst) && other.waits.swap(false, SeqCst) {
        peer.wake().map_err(Error::Peer)?;
    }
    Ok(())
}

/// The end that writes.
pub struct Writer<'a, P> {
    ring: &'a Ring,
    moved: u64,
    peer: P,
}

impl<P: Peer> Writer<'_, P> {
    /// Writes all of it; waits while the ring is full.
    pub fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            let read = self.ring.reader.moved.load(SeqCst);
            let full = self.moved.wrapping_sub(read);
            let room = (CAPACITY as u64).checked_sub(full).ok_or(Error::Broken)? as usize;
            if room == 0 {
                wait(&self.ring.writer, &self.ring.reader, read, &self.peer)?;
                continue;
            }
            let (place, until_end) = self.ring.place(self.moved);
            let len = bytes.len().min(room).min(until_end);
            // SAFETY: `len` bytes of the ring that the reader has done with, and `len` bytes of a slice that is not in it.
            unsafe { copy(place, bytes.as_ptr(), len) };
            self.moved = self.moved.wrapping_add(len as u64);
            tell(&self.ring.writer, &self.ring.reader, self.moved, &self.peer)?;
            bytes = bytes.get(len..).unwrap_or_default();
        }
        Ok(())
    }
}

/// The end that reads.
pub struct Reader<'a, P> {
    ring: &'a Ring,
    moved: u64,
    peer: P,
}

impl<P: Peer> Reader<'_, P> {
    /// Reads what there is, at least a byte (if `into` has room for one) and at most all of `into`; waits while the ring is empty.
    pub fn read(&mut self, into: &mut [u8]) -> Result<usize, Error> {
        while !into.is_empty() {
            let written = self.ring.writer.moved.load(SeqCst);
            let there = written.wrapping_sub(self.moved);
            if there > CAPACITY as u64 {
                return Err(Error::Broken);
            }
            if there == 0 {
                wait(&self.ring.reader, &self.ring.writer, written, &self.peer)?;
                continue;
            }
            let (place, until_end) = self.ring.place(self.moved);
            let len = into.len().min(there as usize).min(until_end);
            // SAFETY: `len` bytes of the ring that the writer has done with, and `len` bytes of a slice that is not in it.
            unsafe { copy(into.as_mut_ptr(), place, len) };
            self.moved = self.moved.wrapping_add(len as u64);
            tell(&self.ring.reader, &self.ring.writer, self.moved, &self.peer)?;
            return Ok(len);
        }
        Ok(0)
    }
}

#[cfg(test)]
#[path = "ring/tests.rs"]
mod tests;
