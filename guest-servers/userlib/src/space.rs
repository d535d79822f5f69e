//! Ranges of addresses for windows. Each is handed out once, so that no two users can map over each other.
//!
//! There are 126 TiB and a server asks for a handful of ranges in its life: nothing is ever given back.

use core::sync::atomic::{AtomicU64, Ordering};
use proto::place;
use ukernel_abi::layout;

static NEXT: AtomicU64 = AtomicU64::new(place::WINDOWS);

/// A range of addresses that is the holder's.
#[derive(PartialEq, Eq, Debug)]
pub struct Range {
    base: u64,
    size: u64,
}

impl Range {
    /// `size` bytes at an address that is a multiple of `align` (a power of two, at least a page) plus
    /// `offset`. `None` when there is no room or the arguments make no sense.
    pub fn reserve(size: u64, align: u64, offset: u64) -> Option<Self> {
        let fits = |next| place(next, size, align, offset);
        let before =
            NEXT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |next| Some(fits(next)?.1)).ok()?;
        fits(before).map(|(base, _)| Self { base, size })
    }

    pub const fn base(&self) -> u64 {
        self.base
    }
    pub const fn size(&self) -> u64 {
        self.size
    }
}

/// Where a range lies if everything below `next` is taken, and its end.
fn place(next: u64, size: u64, align: u64, offset: u64) -> Option<(u64, u64)> {
    if !align.is_power_of_two()
        || align < layout::PAGE
        || offset >= align
        || !offset.is_multiple_of(layout::PAGE)
    {
        return None;
    }
    let base = next.checked_next_multiple_of(align)?.checked_add(offset)?;
    let end = base.checked_add(size)?.checked_next_multiple_of(layout::PAGE)?;
    if end <= layout::USER_END { Some((base, end)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_aligned_and_disjoint() {
        let first = place(place::WINDOWS, 5, 4096, 0).unwrap();
        assert_eq!(first, (place::WINDOWS, place::WINDOWS + 4096));
        let second = place(first.1, 1 << 21, 1 << 21, 0x3000).unwrap();
        assert!(second.0 >= first.1);
        assert_eq!(second.0 & ((1 << 21) - 1), 0x3000);
    }

    #[test]
    fn what_cannot_be() {
        assert_eq!(place(place::WINDOWS, u64::MAX, 4096, 0), None);
        assert_eq!(place(place::WINDOWS, layout::USER_END, 4096, 0), None);
        assert_eq!(place(place::WINDOWS, 1, 3, 0), None);
        assert_eq!(place(place::WINDOWS, 1, 4096, 4096), None);
        assert_eq!(place(place::WINDOWS, 1, 1 << 21, 5), None);
        assert_eq!(place(place::WINDOWS, 1, 1 << 63, 0), None);
    }

    #[test]
    fn reserving_moves_on() {
        let a = Range::reserve(4096, 4096, 0).unwrap();
        let b = Range::reserve(4096, 4096, 0).unwrap();
        assert!(b.base() >= a.base() + a.size());
    }
}
