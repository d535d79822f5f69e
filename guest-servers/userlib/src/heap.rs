//! The global allocator: talc on blocks that are asked of root.
//!
//! Asked of, not faulted in: root can refuse a request, and then the allocation fails in the ordinary way
//! (`try_reserve` returns an error, other allocations panic, which is logged and ends the machine), whereas a
//! fault that cannot be answered can only end the server. It grows by 2 MiB if the budget allows: mapping one
//! large page costs the kernel a five-hundredth of what as many small ones do.

use crate::lock::RawLock;
use crate::root;
use crate::utcb::Utcb;
use core::alloc::Layout;
use core::ptr::{self, NonNull};
use proto::place;
use talc::TalcLock;
use talc::base::Talc;
use talc::base::binning::Binning;
use talc::source::Source;
use ukernel_abi::layout;

#[cfg_attr(target_os = "none", global_allocator)]
#[cfg_attr(not(target_os = "none"), expect(dead_code, reason = "tests use the host's allocator"))]
static HEAP: TalcLock<RawLock, Blocks> = TalcLock::new(Blocks { claimed: None });

/// log2 of the block that is asked for when more is not needed: one large page, which costs the kernel no
/// more than a small one.
const USUAL: u32 = 21;
/// log2 of the smallest block.
const SMALLEST: u32 = 12;

#[derive(Debug)]
struct Blocks {
    claimed: Option<Claimed>,
}

#[derive(Clone, Copy, Debug)]
struct Claimed {
    /// What talc calls the heap's end.
    end: NonNull<u8>,
    /// First byte that is not mapped.
    top: u64,
}

// SAFETY: the pointer is into memory that belongs to the heap alone.
unsafe impl Send for Blocks {}

// SAFETY: `acquire` allocates nothing; it only talks to root, in registers.
unsafe impl Source for Blocks {
    /// Adds one block; talc tries again and comes back if that was not enough.
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        let top = talc.source.claimed.map_or(place::HEAP, |c| c.top);
        let mut log2 = block_log2(top, layout.size().saturating_add(layout.align()) as u64).ok_or(())?;
        let utcb = Utcb::current();
        while root::heap_block(utcb, top, log2).is_err() {
            // The budget is nearly used up: the last of it in small blocks.
            log2 = log2.checked_sub(1).filter(|n| *n >= SMALLEST).ok_or(())?;
        }
        let new_top = top + (1 << log2);
        let pointer = |address: u64| ptr::with_exposed_provenance_mut::<u8>(address as usize);
        let end = match talc.source.claimed {
            // SAFETY: memory from the old top on has just been mapped for the heap and nobody else knows of
            // it; `end` is what talc returned last.
            Some(claimed) => unsafe { talc.extend(claimed.end, pointer(new_top)) },
            // SAFETY: as above, for the heap's first block.
            None => unsafe { talc.claim(pointer(top), (new_top - top) as usize) }.ok_or(())?,
        };
        talc.source.claimed = Some(Claimed { end, top: new_top });
        Ok(())
    }
}

/// log2 of the next block, at `top`, when `need` bytes are wanted: no more than the alignment of `top`
/// allows. `None` if the need cannot be met at all.
fn block_log2(top: u64, need: u64) -> Option<u32> {
    let room = place::HEAP_END.checked_sub(top)?;
    // What is added to the need is for talc's own tables (1 KiB in the first block) and the ends of a chunk.
    let need = need.checked_add(layout::PAGE).filter(|need| *need <= room)?;
    let wish = need.next_power_of_two().ilog2().max(USUAL);
    Some(wish.min(top.trailing_zeros()).min(room.ilog2()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_pages_where_the_address_allows() {
        assert_eq!(block_log2(place::HEAP, 16), Some(21));
        assert_eq!(block_log2(place::HEAP + (2 << 20), 16), Some(21));
        assert_eq!(block_log2(place::HEAP + (64 << 10), 16), Some(16));
    }

    #[test]
    fn a_large_need_is_met_at_once_where_the_address_allows() {
        assert_eq!(block_log2(place::HEAP, 20 << 20), Some(25));
        assert_eq!(block_log2(place::HEAP + (2 << 20), 20 << 20), Some(21));
    }

    #[test]
    fn the_heap_ends() {
        let mut top = place::HEAP;
        while let Some(log2) = block_log2(top, 1) {
            assert_eq!(top % (1 << log2), 0);
            top += 1 << log2;
            assert!(top <= place::HEAP_END);
        }
        assert_eq!(top, place::HEAP_END);
        assert_eq!(block_log2(place::HEAP, place::HEAP_END - place::HEAP), None);
        assert_eq!(block_log2(place::HEAP, u64::MAX), None);
    }
}
