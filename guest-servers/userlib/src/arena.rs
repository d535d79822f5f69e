//! Memory that grows: a range of addresses whose beginning is filled with blocks that root gives.

use crate::root;
use crate::space::Range;
use crate::utcb::Utcb;
use crate::window::Window;
use core::cell::Cell;
use proto::Refusal;
use ukernel_abi::layout::SUPERPAGE;

/// Where an arena's memory comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// The server's own budget.
    Budget,
    /// What is in nobody's budget; only the last server of a set gets any.
    Spare,
}

/// A growing window.
pub struct Arena {
    range: Range,
    source: Source,
    size: Cell<u64>,
}

impl Arena {
    /// Room for `limit` bytes, all of it empty, at an address that is a multiple of 2 MiB and of the largest
    /// power of two that is not above `limit`.
    pub fn reserve(limit: u64, source: Source) -> Option<Self> {
        let align = (1u64 << limit.checked_ilog2()?).max(SUPERPAGE);
        Some(Self { range: Range::reserve(limit, align, 0)?, source, size: Cell::new(0) })
    }

    /// Asks root for 2^`log2` bytes more, mapped after what there is. The size so far must be a multiple of
    /// that (so begin with large blocks).
    pub fn grow(&self, utcb: Utcb, log2: u32) -> Result<(), Refusal> {
        let (size, more) = (self.size.get(), 1u64.checked_shl(log2).ok_or(Refusal::BadRequest)?);
        if size % more != 0 || more > self.range.size() - size {
            return Err(Refusal::BadRequest);
        }
        let base = self.range.base() + size;
        match self.source {
            Source::Budget => root::ram(utcb, base, log2)?,
            Source::Spare => root::spare(utcb, base, log2)?,
        };
        self.size.set(size + more);
        Ok(())
    }

    pub fn base(&self) -> u64 {
        self.range.base()
    }
    /// Bytes there are now.
    pub fn size(&self) -> u64 {
        self.size.get()
    }
    pub fn limit(&self) -> u64 {
        self.range.size()
    }

    /// Bytes from `offset` on; `None` if they are not all there.
    pub fn cells(&self, offset: usize, len: usize) -> Option<&[Cell<u8>]> {
        let window = Window::part(&self.range, self.size.get() as usize);
        let cells: *const [Cell<u8>] = window.cells(offset, len)?;
        // SAFETY: the memory is this arena's and stays mapped; nothing ever takes an arena's memory away.
        Some(unsafe { &*cells })
    }
}
