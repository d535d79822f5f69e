//! The memory that programs and files live in: reference-counted 4-KiB frames.
//!
//! A frame is named by its address in the server's own window, which is also what a flexpage to a program names. One
//! [`Frame`] handle is one reference: a page of a file and every mapping of it hold one each, and the last to go frees it.
//!
//! - Memory is asked for only when it is needed ([`FrameMemory::grow`]) and is zero when it is new. A frame that was used
//!   before is cleared when it is handed out again; a new one is not even touched, because
//!   the first touch of a page costs more than clearing it.
//! - Some frames are kept back ([`FramePool::set_reserve`]): programs get ENOMEM while the server can still do
//!   what ending them takes.

mod blocks;
#[cfg(test)]
pub(crate) mod tests;

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::fmt;

use crate::buf;
use crate::errno::{Errno, Result};
use blocks::{Blocks, Taken};

/// Bytes in a frame.
pub const FRAME_SIZE: usize = 4096;
/// Frames in a 2-MiB page.
pub const SUPERPAGE_FRAMES: usize = blocks::BLOCK;

/// Where the memory comes from: the server's window in the guest, a vector in tests.
pub trait FrameMemory {
    /// Bytes there are now.
    fn size(&self) -> usize;
    /// Bytes that there may ever be, as far as is known.
    fn limit(&self) -> usize {
        self.size()
    }
    /// Asks for more. Returns whether `size` has grown. New memory is zero.
    fn grow(&self) -> bool;
    /// Address of the first byte in the server's address space, aligned to 2 MiB.
    fn base(&self) -> u64;
    /// The bytes from `offset` on. The range is within `size`.
    fn cells(&self, offset: usize, len: usize) -> &[Cell<u8>];
}

struct Pool {
    memory: Box<dyn FrameMemory>,
    state: RefCell<State>,
}

struct State {
    blocks: Blocks,
    refs: Vec<u32>,
    /// Frames that only `alloc_reserved` may take.
    reserve: usize,
    exhausted: bool,
}

/// A handle to all frames; cheap to clone.
#[derive(Clone)]
pub struct FramePool(Rc<Pool>);

/// One reference to a frame.
pub struct Frame {
    pool: Rc<Pool>,
    index: u32,
}

impl FramePool {
    pub fn new(memory: Box<dyn FrameMemory>) -> Self {
        let mut state = State { blocks: Blocks::default(), refs: Vec::new(), reserve: 0, exhausted: false };
        state.extend(memory.size());
        Self(Rc::new(Pool { memory, state: RefCell::new(state) }))
    }

    /// Keeps `frames` frames back from everyone but [`alloc_reserved`](Self::alloc_reserved).
    pub fn set_reserve(&self, frames: usize) {
        self.0.state.borrow_mut().reserve = frames;
    }

    /// One frame of zeros. ENOMEM if there is none but the reserve.
    pub fn alloc_zeroed(&self) -> Result<Frame> {
        let taken = self.take(false)?;
        Ok(self.zeroed(taken))
    }

    /// One frame for which the caller overwrites every byte before anybody sees it.
    pub fn alloc_to_overwrite(&self) -> Result<Frame> {
        let taken = self.take(false)?;
        Ok(self.frame(taken))
    }

    /// One frame of zeros, from the reserve if need be.
    pub fn alloc_reserved(&self) -> Result<Frame> {
        let taken = self.take(true)?;
        Ok(self.zeroed(taken))
    }

    /// `n` frames of zeros whose addresses follow one another, the first a multiple of `align` bytes. ENOMEM if there is no
    /// such run; single frames may still be had. An `align` that is no power of two between 4 KiB and 2 MiB is EINVAL.
    pub fn alloc_run(&self, n: usize, align: usize) -> Result<Vec<Frame>> {
        let frames = self.run(n, align)?;
        Ok(frames.into_iter().map(|taken| self.zeroed(taken)).collect())
    }

    /// As [`alloc_run`](Self::alloc_run), for a caller who overwrites every byte.
    pub fn alloc_run_to_overwrite(&self, n: usize, align: usize) -> Result<Vec<Frame>> {
        let frames = self.run(n, align)?;
        Ok(frames.into_iter().map(|taken| self.frame(taken)).collect())
    }

    /// Frames that could be had now or by growing, without the reserve.
    pub fn free_frames(&self) -> usize {
        let state = self.0.state.borrow();
        let growth = if state.exhausted { 0 } else { self.limit().saturating_sub(state.blocks.total()) };
        (state.blocks.free() + growth).saturating_sub(state.reserve)
    }

    /// Frames that there are or may be, free or not.
    pub fn total(&self) -> usize {
        let state = self.0.state.borrow();
        if state.exhausted { state.blocks.total() } else { self.limit().max(state.blocks.total()) }
    }

    /// Frames taken from root so far: what the machine has really spent.
    pub fn grown(&self) -> usize {
        self.0.state.borrow().blocks.total()
    }

    fn limit(&self) -> usize {
        self.0.memory.limit() / FRAME_SIZE
    }

    /// Asks for more memory until `enough` is content or there is no more.
    fn grow_until(&self, enough: impl Fn(&Blocks) -> bool) {
        loop {
            let mut state = self.0.state.borrow_mut();
            if state.exhausted || enough(&state.blocks) {
                return;
            }
            if self.0.memory.grow() {
                state.extend(self.0.memory.size());
            } else {
                state.exhausted = true;
            }
        }
    }

    fn take(&self, use_reserve: bool) -> Result<Taken> {
        let reserve = if use_reserve { 0 } else { self.0.state.borrow().reserve };
        self.grow_until(|blocks| blocks.free() > reserve);
        let mut state = self.0.state.borrow_mut();
        if state.blocks.free() <= reserve {
            return Err(Errno::ENOMEM);
        }
        state.blocks.take().ok_or(Errno::ENOMEM)
    }

    fn run(&self, n: usize, align: usize) -> Result<Vec<Taken>> {
        let align = align / FRAME_SIZE;
        if !align.is_power_of_two() || align > SUPERPAGE_FRAMES {
            return Err(Errno::EINVAL);
        }
        if n == 0 {
            return Ok(Vec::new());
        }
        // Checked before anything is asked for, so that an absurd wish does not make the server take all memory.
        if n > self.free_frames() {
            return Err(Errno::ENOMEM);
        }
        let mut taken = Vec::new();
        loop {
            let reserve = self.0.state.borrow().reserve;
            self.grow_until(|blocks| blocks.free() >= reserve + n);
            let mut state = self.0.state.borrow_mut();
            if state.blocks.free() < reserve + n {
                return Err(Errno::ENOMEM);
            }
            taken.reserve_exact(n);
            if state.blocks.take_run(n, align, |t| taken.push(t)) {
                return Ok(taken);
            }
            let before = state.blocks.total();
            drop(state);
            self.grow_until(|blocks| blocks.total() > before);
            if self.grown() == before {
                return Err(Errno::ENOMEM);
            }
        }
    }

    fn frame(&self, taken: Taken) -> Frame {
        self.0.state.borrow_mut().refs[taken.index] = 1;
        Frame { pool: self.0.clone(), index: taken.index as u32 }
    }

    fn zeroed(&self, taken: Taken) -> Frame {
        let frame = self.frame(taken);
        if taken.used_before {
            buf::fill_cells(frame.cells(), 0);
        }
        frame
    }
}

impl State {
    fn extend(&mut self, bytes: usize) {
        // A frame's index has 32 bits: 16 TiB.
        let frames = (bytes / FRAME_SIZE).min(u32::MAX as usize);
        self.blocks.extend(frames);
        self.refs.resize(frames, 0);
    }
}

impl Frame {
    /// Address in the server's address space.
    pub fn addr(&self) -> u64 {
        self.pool.memory.base() + (self.index as usize * FRAME_SIZE) as u64
    }

    /// The 4096 bytes.
    pub fn cells(&self) -> &[Cell<u8>] {
        self.pool.memory.cells(self.index as usize * FRAME_SIZE, FRAME_SIZE)
    }

    /// Handles to this frame.
    pub fn refs(&self) -> u32 {
        self.pool.state.borrow().refs[self.index as usize]
    }

    /// Whether both are handles to the same frame.
    pub fn is(&self, other: &Frame) -> bool {
        self.index == other.index && Rc::ptr_eq(&self.pool, &other.pool)
    }

    /// Copies bytes out. The range is within the frame.
    pub fn read(&self, offset: usize, dst: &mut [u8]) {
        buf::read_cells(dst, &self.cells()[offset..offset + dst.len()]);
    }

    /// Copies bytes in. The range is within the frame.
    pub fn write(&self, offset: usize, src: &[u8]) {
        buf::write_cells(&self.cells()[offset..offset + src.len()], src);
    }

    /// Sets bytes. The range is within the frame.
    pub fn fill(&self, offset: usize, len: usize, byte: u8) {
        buf::fill_cells(&self.cells()[offset..offset + len], byte);
    }

    /// Makes this frame's content that of `other`.
    pub fn copy_from(&self, other: &Frame) {
        buf::copy_cells(self.cells(), other.cells());
    }
}

impl Clone for Frame {
    fn clone(&self) -> Self {
        self.pool.state.borrow_mut().refs[self.index as usize] += 1;
        Self { pool: self.pool.clone(), index: self.index }
    }
}

impl Drop for Frame {
    fn drop(&mut self) {
        let mut state = self.pool.state.borrow_mut();
        let refs = &mut state.refs[self.index as usize];
        *refs -= 1;
        if *refs == 0 {
            state.blocks.give(self.index as usize);
        }
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:#x})", self.addr())
    }
}
