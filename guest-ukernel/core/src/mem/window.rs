//! Where a flexpage goes: a message says what is sent, the receiver says where it may be put.

use ukernel_abi::{Fpage, MapItem};

/// A range of units at the sender's and one of the same length at the receiver's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fit {
    pub src: u64,
    pub dst: u64,
    pub len: u64,
}

/// Fits an item into a window, as [`MapItem`] says. Both flexpages are valid and of the same kind.
///
/// All sizes are powers of two and all bases aligned, so one of the two is a place in the other, and the item's base says which.
pub(super) fn fit(item: MapItem, window: Fpage) -> Fit {
    let (snd, win) = (item.snd, window);
    if snd.size() <= win.size() {
        let place = item.base & (win.size() - 1) & !(snd.size() - 1);
        Fit { src: snd.base(), dst: win.base() + place, len: snd.size() }
    } else {
        let place = item.base & (snd.size() - 1) & !(win.size() - 1);
        Fit { src: snd.base() + place, dst: win.base(), len: win.size() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ukernel_abi::Rights;

    const PAGE: Fpage = Fpage::memory(0x7000, 12, Rights::RW);
    const BIG: Fpage = Fpage::memory(0x10_0000, 16, Rights::RW);

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
