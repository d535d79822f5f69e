//! Map items of a message that has more of them than registers hold.
//!
//! Whoever sends the message puts those that do not fit into the UTCB (`userlib::utcb::Utcb::push_item`).

use ukernel_abi::msg::WORDS;
use ukernel_abi::{Fpage, MapItem, Rights};

/// Most items that a message with up to four words carries.
pub const MAX: usize = WORDS / 2 - 2;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Items {
    list: [MapItem; MAX],
    len: usize,
}

impl Items {
    pub const NONE: Self = Self { list: [MapItem { snd: Fpage::NIL, base: 0 }; MAX], len: 0 };

    /// False if there is no more room.
    #[must_use]
    pub fn push(&mut self, item: MapItem) -> bool {
        let Some(place) = self.list.get_mut(self.len) else { return false };
        *place = item;
        self.len += 1;
        true
    }

    pub fn as_slice(&self) -> &[MapItem] {
        &self.list[..self.len]
    }
}

/// The flexpages that map `len` bytes at `from` to `to`, each the largest that both addresses allow. All
/// three are multiples of the page size.
pub fn cover(mut from: u64, mut to: u64, len: u64, rights: Rights) -> impl Iterator<Item = MapItem> {
    let end = from + len;
    core::iter::from_fn(move || {
        if from >= end {
            return None;
        }
        let by_from = Fpage::largest_at(from, end - from, rights).log2();
        let log2 = if to == 0 { by_from } else { by_from.min(to.trailing_zeros()) };
        let item = MapItem::map(Fpage::memory(from, log2, rights), to);
        from += 1 << log2;
        to += 1 << log2;
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `cover` maps, as (from, to, bytes).
    fn list(from: u64, to: u64, len: u64) -> Vec<(u64, u64, u64)> {
        cover(from, to, len, Rights::R).map(|i| (i.snd.base(), i.base, i.snd.size())).collect()
    }

    #[test]
    fn addresses_that_agree_get_large_pages() {
        assert_eq!(
            list(0x8020_1000, 0x20_1000, 0x7000),
            [
                (0x8020_1000, 0x20_1000, 0x1000),
                (0x8020_2000, 0x20_2000, 0x2000),
                (0x8020_4000, 0x20_4000, 0x4000)
            ]
        );
        assert_eq!(list(0x8020_0000, 0x1_0000_0000, 0x20_0000).len(), 1);
    }

    #[test]
    fn addresses_that_do_not_get_small_ones() {
        assert_eq!(list(0x1000, 0x2000, 0x3000).len(), 3);
        assert_eq!(list(0x1000, 0x2000, 0), []);
    }

    #[test]
    fn everything_is_covered_once() {
        for (from, to, len) in [(0x5000, 0x30_5000, 0x123_4000), (0x20_0000, 0, 0x7f_f000)] {
            let mut at = 0;
            for (f, t, n) in list(from, to, len) {
                assert_eq!((f, t), (from + at, to + at));
                assert_eq!((f % n, t % n), (0, 0));
                at += n;
            }
            assert_eq!(at, len);
        }
    }

    #[test]
    fn a_list_has_an_end() {
        let mut items = Items::NONE;
        let item = MapItem::map(Fpage::memory(0, 12, Rights::R), 0);
        assert_eq!((0..100).filter(|_| items.push(item)).count(), MAX);
        assert_eq!(items.as_slice().len(), MAX);
    }
}
