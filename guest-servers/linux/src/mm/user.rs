//! The server's way to a program's memory.
//!
//! Addresses that programs pass are claims. Every access looks the page up in the program's own address space, faults it
//! in as the program's own access would (breaking copy-on-write, growing the stack), and works on the frame. An
//! address outside of what is mapped, the µ-kernel's part included, gives EFAULT.

use super::fault::FaultError;
use super::{Mm, PAGE, TASK_SIZE};
use crate::buf::{Sink, Source};
use crate::bytes::u64_at;
use crate::errno::Errno;
use crate::process::Process;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use ukernel_abi::Rights;

/// Longest path, its NUL included.
pub const PATH_MAX: usize = 4096;
/// Most elements of an iovec array.
pub const IOV_MAX: usize = 1024;
/// Most bytes that one read or write moves (`MAX_RW_COUNT`).
pub const MAX_RW_COUNT: usize = 0x7fff_f000;

/// A program's memory. Cheap to clone; keeps the address space alive.
#[derive(Clone)]
pub struct UserMemory {
    mm: Rc<Mm>,
}

impl UserMemory {
    pub fn new(process: &Process) -> Self {
        Self { mm: process.mm() }
    }
    pub fn of(mm: Rc<Mm>) -> Self {
        Self { mm }
    }

    /// Shows the page that `addr` is in to `look`, which must not use this address space.
    fn with_page<T>(
        &self,
        addr: u64,
        access: Rights,
        look: impl FnOnce(&[Cell<u8>]) -> T,
    ) -> Result<T, Errno> {
        if let Some(frame) = self.mm.space.borrow().frame_at_hand(addr, access) {
            return Ok(look(frame.cells()));
        }
        let frame = self.mm.space.borrow_mut().frame(addr, access);
        frame.map(|frame| look(frame.cells())).map_err(|e| match e {
            FaultError::NoMemory => Errno::ENOMEM,
            _ => Errno::EFAULT,
        })
    }

    /// Calls `each` for the pieces of a range that lie in one page: the frame's cells, and where they are in the range.
    fn walk(
        &self,
        addr: u64,
        len: usize,
        access: Rights,
        mut each: impl FnMut(&[Cell<u8>], usize),
    ) -> Result<usize, (Errno, usize)> {
        let mut done = 0;
        while done < len {
            let at = addr.checked_add(done as u64).filter(|a| *a < TASK_SIZE).ok_or((Errno::EFAULT, done))?;
            let offset = (at % PAGE) as usize;
            let n = (PAGE as usize - offset).min(len - done);
            self.with_page(at, access, |cells| each(&cells[offset..offset + n], done))
                .map_err(|e| (e, done))?;
            done += n;
        }
        Ok(done)
    }

    /// Copies bytes in. All or EFAULT.
    pub fn read(&self, addr: u64, dst: &mut [u8]) -> Result<(), Errno> {
        let len = dst.len();
        let copy =
            |cells: &[Cell<u8>], at: usize| crate::buf::read_cells(&mut dst[at..at + cells.len()], cells);
        self.walk(addr, len, Rights::R, copy).map(|_| ()).map_err(|(e, _)| e)
    }

    /// Copies bytes out. All, or EFAULT after those before the bad page were written.
    pub fn write(&self, addr: u64, src: &[u8]) -> Result<(), Errno> {
        let copy = |cells: &[Cell<u8>], at: usize| crate::buf::write_cells(cells, &src[at..at + cells.len()]);
        self.walk(addr, src.len(), Rights::W, copy).map(|_| ()).map_err(|(e, _)| e)
    }

    pub fn read_array<const N: usize>(&self, addr: u64) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        self.read(addr, &mut bytes)?;
        Ok(bytes)
    }
    pub fn read_u32(&self, addr: u64) -> Result<u32, Errno> {
        Ok(u32::from_le_bytes(self.read_array(addr)?))
    }
    pub fn read_u64(&self, addr: u64) -> Result<u64, Errno> {
        Ok(u64::from_le_bytes(self.read_array(addr)?))
    }
    pub fn write_u32(&self, addr: u64, value: u32) -> Result<(), Errno> {
        self.write(addr, &value.to_le_bytes())
    }
    pub fn write_u64(&self, addr: u64, value: u64) -> Result<(), Errno> {
        self.write(addr, &value.to_le_bytes())
    }
    /// Sets bytes to zero.
    pub fn clear(&self, addr: u64, len: usize) -> Result<(), Errno> {
        let clear = |cells: &[Cell<u8>], _: usize| crate::buf::fill_cells(cells, 0);
        self.walk(addr, len, Rights::W, clear).map(|_| ()).map_err(|(e, _)| e)
    }

    /// A NUL-terminated string of at most `max` bytes, the NUL included, without the NUL. ENAMETOOLONG if it is longer.
    pub fn read_str(&self, addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
        let mut out = Vec::new();
        while out.len() < max {
            let at = addr.checked_add(out.len() as u64).filter(|a| *a < TASK_SIZE).ok_or(Errno::EFAULT)?;
            let offset = (at % PAGE) as usize;
            let n = (PAGE as usize - offset).min(max - out.len());
            let is_whole = self.with_page(at, Rights::R, |cells| {
                let part = &cells[offset..offset + n];
                let end = part.iter().position(|cell| cell.get() == 0);
                out.extend(part[..end.unwrap_or(n)].iter().map(Cell::get));
                end.is_some()
            })?;
            if is_whole {
                return Ok(out);
            }
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// A path.
    pub fn read_path(&self, addr: u64) -> Result<Vec<u8>, Errno> {
        self.read_str(addr, PATH_MAX)
    }

    /// A buffer of the program's to read from or write to.
    pub fn slice(&self, addr: u64, len: u64) -> UserSlice {
        let len = usize::try_from(len).unwrap_or(usize::MAX).min(MAX_RW_COUNT);
        UserSlice { memory: self.clone(), parts: Parts::One(addr, len) }
    }

    /// Several buffers: an array of `struct iovec`.
    pub fn iovecs(&self, addr: u64, count: u64) -> Result<UserSlice, Errno> {
        let count = usize::try_from(count).ok().filter(|c| *c <= IOV_MAX).ok_or(Errno::EINVAL)?;
        let mut parts = Vec::with_capacity(count);
        let mut room = MAX_RW_COUNT;
        for i in 0..count as u64 {
            let at = addr.checked_add(i * 16).ok_or(Errno::EFAULT)?;
            let bytes: [u8; 16] = self.read_array(at)?;
            let len = u64_at(&bytes, 8);
            if len > i64::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            let len = usize::try_from(len).unwrap_or(usize::MAX).min(room);
            room -= len;
            parts.push((u64_at(&bytes, 0), len));
        }
        parts.reverse();
        Ok(UserSlice { memory: self.clone(), parts: Parts::Many(parts) })
    }
}

/// What is left of a buffer or of several. As a [`Source`] or [`Sink`] it gets shorter from its front.
pub struct UserSlice {
    memory: UserMemory,
    parts: Parts,
}

enum Parts {
    One(u64, usize),
    /// In reverse order: the last is the next.
    Many(Vec<(u64, usize)>),
}

impl UserSlice {
    pub fn len(&self) -> usize {
        match &self.parts {
            Parts::One(_, len) => *len,
            Parts::Many(parts) => parts.iter().map(|(_, len)| len).sum(),
        }
    }
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn front(&mut self) -> Option<(u64, usize)> {
        match &mut self.parts {
            Parts::One(addr, len) => (*len > 0).then_some((*addr, *len)),
            Parts::Many(parts) => {
                while parts.last().is_some_and(|(_, len)| *len == 0) {
                    parts.pop();
                }
                parts.last().copied()
            }
        }
    }

    fn advance(&mut self, n: usize) {
        let (addr, len) = match &mut self.parts {
            Parts::One(addr, len) => (addr, len),
            Parts::Many(parts) => match parts.last_mut() {
                Some((addr, len)) => (addr, len),
                None => return,
            },
        };
        // The walk has checked that the address does not overflow.
        *addr = addr.wrapping_add(n as u64);
        *len -= n;
    }

    /// Moves up to `want` bytes, piece by piece; stops at a fault.
    fn transfer(
        &mut self,
        want: usize,
        access: Rights,
        mut each: impl FnMut(&[Cell<u8>], usize),
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < want {
            let Some((addr, len)) = self.front() else { break };
            let n = len.min(want - done);
            let moved = self.memory.walk(addr, n, access, |cells, at| each(cells, done + at));
            let (got, error) = match moved {
                Ok(got) => (got, None),
                Err((e, got)) => (got, Some(e)),
            };
            self.advance(got);
            done += got;
            match error {
                Some(e) if done == 0 => return Err(e),
                Some(_) => break,
                None => {}
            }
        }
        Ok(done)
    }
}

impl Source for UserSlice {
    fn remaining(&self) -> usize {
        self.len()
    }
    fn take_cells(&mut self, dst: &[Cell<u8>]) -> Result<usize, Errno> {
        self.transfer(dst.len(), Rights::R, |cells, at| {
            crate::buf::copy_cells(&dst[at..at + cells.len()], cells)
        })
    }
    fn skip(&mut self, n: usize) -> usize {
        let mut done = 0;
        while done < n {
            let Some((_, len)) = self.front() else { break };
            let step = len.min(n - done);
            self.advance(step);
            done += step;
        }
        done
    }
}

impl Sink for UserSlice {
    fn remaining(&self) -> usize {
        self.len()
    }
    fn put(&mut self, src: &[u8]) -> Result<usize, Errno> {
        self.transfer(src.len(), Rights::W, |cells, at| {
            crate::buf::write_cells(cells, &src[at..at + cells.len()])
        })
    }
    fn put_cells(&mut self, src: &[Cell<u8>]) -> Result<usize, Errno> {
        self.transfer(src.len(), Rights::W, |cells, at| {
            crate::buf::copy_cells(cells, &src[at..at + cells.len()])
        })
    }
}
