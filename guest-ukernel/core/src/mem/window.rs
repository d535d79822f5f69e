//! Where a flexpage goes: a message says what is sent, the receiver says where it may be put.

use ukernel_abi::Fpage;

/// The flexpage, if it is one of memory: base and size. As [`Fpage::is_valid`], at half the length: every message that
/// maps passes through here.
#[inline(always)]
pub(super) fn memory(fpage: Fpage) -> Option<Range> {
    const KIND_AND_RESERVED: u64 = 0xc08;
    let size_bits = fpage.log2();
    let range = Range { base: fpage.0 & !0xfff, size: 1 << size_bits };
    let misplaced = fpage.0 & KIND_AND_RESERVED | range.base & (range.size - 1) | range.base >> 47;
    (misplaced == 0 && size_bits.wrapping_sub(12) <= 47 - 12).then_some(range)
}

/// An aligned range of units, a power of two of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Range {
    pub base: u64,
    pub size: u64,
}

/// A range of units at the sender's and one of the same length at the receiver's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fit {
    pub src: u64,
    pub dst: u64,
    pub len: u64,
}

/// Fits what is sent into a window, as [`MapItem`](ukernel_abi::MapItem) says.
///
/// All sizes are powers of two and all bases aligned, so one of the two is a place in the other, and `base`, the item's, says which.
#[inline(always)]
pub(super) fn fit(snd: Range, window: Range, base: u64) -> Fit {
    if snd.size <= window.size {
        let place = base & (window.size - 1) & !(snd.size - 1);
        Fit { src: snd.base, dst: window.base | place, len: snd.size }
    } else {
        let place = base & (snd.size - 1) & !(window.size - 1);
        Fit { src: snd.base | place, dst: window.base, len: window.size }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ukernel_abi::{MapItem, Rights};

    const PAGE: Fpage = Fpage::memory(0x7000, 12, Rights::RW);
    const BIG: Fpage = Fpage::memory(0x10_0000, 16, Rights::RW);

    fn fit(item: MapItem, window: Fpage) -> Fit {
        super::fit(memory(item.snd).expect("valid"), memory(window).expect("valid"), item.base)
    }

    #[test]
    fn memory_is_what_the_abi_says() {
        for base in [0, 0x1000, 0x20_0000, 1 << 46, 1 << 47, 1 << 63] {
            for low in 0..0x1000 {
                let fpage = Fpage(base | low);
                let valid = fpage.is_valid() && fpage.kind() == Some(ukernel_abi::FpageKind::Memory);
                let expected = valid.then(|| Range { base: fpage.base(), size: fpage.size() });
                assert_eq!(memory(fpage), expected, "{:x}", fpage.0);
            }
        }
    }

    #[test]
    fn equal_sizes_ignore_the_base() {
        assert_eq!(
            fit(MapItem::map(PAGE, 0xabc_d000), Fpage::memory(0x9000, 12, Rights::RWX)),
            Fit { src: 0x7000, dst: 0x9000, len: 0x1000 }
        );
    }

    #[test]
    fn base_says_where_in_a_larger_window() {
        let window = Fpage::memory(0x4000_0000, 20, Rights::RWX);
        assert_eq!(
            fit(MapItem::map(PAGE, 0x123_4000), window),
            Fit { src: 0x7000, dst: 0x4003_4000, len: 0x1000 }
        );
        assert_eq!(
            fit(MapItem::map(BIG, 0x123_4000), window),
            Fit { src: 0x10_0000, dst: 0x4003_0000, len: 0x1_0000 }
        );
        let grant = MapItem { snd: PAGE, base: 0x5000 | MapItem::GRANT };
        assert_eq!(fit(grant, Fpage::ALL).dst, 0x5000);
    }

    #[test]
    fn base_says_which_part_goes_into_a_smaller_window() {
        assert_eq!(
            fit(MapItem::map(BIG, 0x555_3000), Fpage::memory(0x9000, 12, Rights::RWX)),
            Fit { src: 0x10_3000, dst: 0x9000, len: 0x1000 }
        );
    }
}
