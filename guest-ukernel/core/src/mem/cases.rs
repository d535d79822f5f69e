//! What must happen in particular cases.

extern crate std;

use super::rig::Rig;
use super::{MapError, NoMemory, PhysAddr, VirtAddr};
use ukernel_abi::layout::{PAGE, SUPERPAGE, USER_END, utcb};
use ukernel_abi::{Fpage, MapItem, Rights};

/// σ0 and two more, with memory for everything.
fn rig() -> Rig {
    Rig::new(1000, 3, 300)
}

fn page(va: u64, rights: Rights) -> Fpage {
    Fpage::memory(va, 12, rights)
}

impl Rig {
    fn send(&self, from: usize, snd: Fpage, to: usize, base: u64) -> Result<(), MapError> {
        self.mem.map(self.space(from), MapItem { snd, base }, self.space(to), Fpage::ALL)
    }
    fn at(&self, space: usize, va: u64) -> Option<(u64, Rights)> {
        self.mem.lookup(self.space(space), VirtAddr(va)).map(|(phys, rights)| (phys.0, rights))
    }
}

#[test]
fn superpages_are_made_where_both_sides_allow() {
    let rig = rig();
    rig.send(0, Fpage::memory(0x20_0000, 21, Rights::RW), 1, 0x4000_0000).unwrap();
    rig.send(0, Fpage::memory(0x20_0000, 21, Rights::RW), 2, 0x5000_1000).unwrap();
    let sizes = |space| rig.mappings().iter().filter(|m| m.space == space).map(|m| m.size).max();
    assert_eq!((sizes(0), sizes(1), sizes(2)), (Some(SUPERPAGE), Some(SUPERPAGE), Some(SUPERPAGE)));
    assert_eq!(rig.at(1, 0x4012_3456), Some((0x32_3456, Rights::RW)));
    assert_eq!(rig.at(2, 0x5012_3456), Some((0x32_3456, Rights::RW)), "low bits of the base do not count");
    rig.check_end();
}

#[test]
fn memory_outside_the_regions_is_nobodys() {
    let rig = rig();
    for phys in [0, 0x10_0000, 0x80_4000, 0xa0_2000, 0x100_0000] {
        rig.send(0, page(phys, Rights::RWX), 1, 0x1000).unwrap();
        assert_eq!(rig.at(1, 0x1000), None, "{phys:x}");
        assert_eq!(rig.at(0, phys), None, "{phys:x}");
    }
    rig.send(0, Fpage::ALL, 1, 0).unwrap();
    let mapped: u64 = rig.mappings().iter().filter(|m| m.space == 1).map(|m| m.size).sum();
    assert_eq!(mapped, 3 * SUPERPAGE + 0x4000 + 0x2000 + SUPERPAGE);
    rig.check_end();
}

#[test]
fn devices_are_uncached_and_not_executable() {
    let rig = rig();
    rig.send(0, page(0xfec0_0000, Rights::RWX), 1, 0x9000).unwrap();
    assert_eq!(rig.at(1, 0x9008), Some((0xfec0_0008, Rights::RW)));
    let leaf = rig.mem.find(rig.space(1), VirtAddr(0x9000)).unwrap();
    assert_eq!(leaf.entry.0 & 0xff, 0x1f, "PCD, PWT, user, writable, present");
}

#[test]
fn nothing_goes_to_or_from_the_kernels_part() {
    let rig = rig();
    let va = VirtAddr(utcb(0));
    rig.mem.map_kernel_page(rig.space(1), va, PhysAddr(0x7_0000), Rights::RW).unwrap();
    rig.send(1, page(utcb(0), Rights::RW), 2, 0x1000).unwrap();
    rig.send(0, page(0x20_0000, Rights::RW), 1, utcb(1)).unwrap();
    rig.mem.unmap(rig.space(1), Fpage::ALL, true);
    assert_eq!((rig.at(2, 0x1000), rig.at(1, utcb(1))), (None, None));
    assert_eq!(rig.at(1, utcb(0)), Some((0x7_0000, Rights::RW)));
    rig.send(0, Fpage::memory(0, 47, Rights::RW), 1, 0).unwrap();
    assert!(rig.mappings().iter().all(|m| m.va < USER_END || m.va == utcb(0)));
    assert_eq!(rig.mem.unmap_kernel_page(rig.space(1), va), Some(PhysAddr(0x7_0000)));
    assert_eq!(rig.mem.unmap_kernel_page(rig.space(1), va), None);
    rig.check_end();
}

#[test]
fn malformed_items_are_refused() {
    let rig = rig();
    let item = |word| MapItem { snd: Fpage(word), base: 0 };
    let map = |word, window| rig.mem.map(rig.space(0), item(word), rig.space(1), window);
    for word in [0, 3 << 10, 11 << 4 | 7, 0x1000 | 21 << 4 | 7, u64::MAX] {
        assert_eq!(map(word, Fpage::ALL), Err(MapError::BadItem), "{word:x}");
    }
    let good = page(0x20_0000, Rights::RW);
    for window in [Fpage::NIL, Fpage::ports(0, 4), Fpage(0x1000 | 21 << 4 | 7)] {
        assert_eq!(map(good.0, window), Err(MapError::BadItem), "{window:?}");
    }
    assert!(rig.mappings().is_empty());
}

#[test]
fn a_page_goes_where_the_window_says() {
    let rig = rig();
    let to = |base, window| {
        let item = MapItem { snd: page(0x20_0000, Rights::RW), base };
        rig.mem.map(rig.space(0), item, rig.space(1), window)
    };
    // The first makes the tables, the others find them.
    for n in 0..3 {
        to(0xffff_1234_0000 + n * PAGE, Fpage::memory(0x4000_0000, 16, Rights::RWX)).unwrap();
        assert_eq!(rig.at(1, 0x4000_0000 + n * PAGE), Some((0x20_0000, Rights::RW)));
        to(0xffff_1234_0000 + n * PAGE, Fpage::ALL).unwrap();
        assert!(rig.mappings().iter().all(|m| m.va < USER_END), "beyond it all is the kernel's");
        to((1 << 50) + 0x5000_0000 + n * PAGE, Fpage::ALL).unwrap();
        assert_eq!(rig.at(1, 0x5000_0000 + n * PAGE), Some((0x20_0000, Rights::RW)));
        to(0, Fpage::memory(0x4001_0000 + n * PAGE, 12, Rights::R)).unwrap();
        assert_eq!(
            rig.at(1, 0x4001_0000 + n * PAGE),
            Some((0x20_0000, Rights::RW)),
            "its rights do not count"
        );
    }
    assert_eq!(to(0, Fpage::NIL), Err(MapError::BadItem));
    rig.check_end();
}

#[test]
fn chains_of_any_length_come_down() {
    // Page after page of two spaces, each mapped from the last: as deep as memory allows.
    let rig = rig();
    rig.send(0, page(0x20_0000, Rights::RWX), 1, 0).unwrap();
    for n in 0..8000 {
        rig.send(1 + n % 2, page(n as u64 * PAGE, Rights::RWX), 2 - n % 2, (n as u64 + 1) * PAGE).unwrap();
    }
    assert_eq!(rig.mappings().len(), 8002);
    rig.mem.unmap(rig.space(1), page(0, Rights::W), false);
    assert_eq!(rig.at(1, 0), Some((0x20_0000, Rights::RWX)));
    assert_eq!(rig.at(1, 8000 * PAGE), Some((0x20_0000, Rights::RX)));
    rig.mem.unmap(rig.space(0), page(0x20_0000, Rights::RWX), false);
    assert!(rig.mappings().iter().all(|m| m.space == 0));
    rig.check_end();
}

#[test]
fn a_quota_is_a_limit() {
    let rig = Rig::new(1000, 2, 5);
    assert_eq!(rig.mem.quota(rig.space(1)), (5, 2));
    assert_eq!(
        rig.send(0, page(0x20_0000, Rights::RW), 1, 0),
        Err(MapError::NoMemory),
        "σ0 has none for its tables"
    );
    assert_eq!(rig.mem.quota(rig.space(1)), (5, 2), "what a failure leaves behind");
    assert!(rig.mem.new_space(None, 1).is_err());
    rig.check_end();
}

#[test]
fn what_a_space_uses_is_charged_to_those_above_it() {
    let rig = Rig::new(1000, 2, 100);
    let top = rig.mem.new_space(None, 20).unwrap();
    let middle = rig.mem.new_space(Some(top), 100).unwrap();
    let bottom = rig.mem.new_space(Some(middle), 100).unwrap();
    let used = || [top, middle, bottom].map(|s| rig.mem.quota(s).1);
    assert_eq!(used(), [6, 4, 2]);
    rig.mem.charge(bottom, 14).unwrap();
    assert_eq!(used(), [20, 18, 16]);
    assert_eq!(rig.mem.charge(bottom, 1), Err(NoMemory), "the limit of the top");
    assert!(rig.mem.new_space(Some(middle), 10).is_err());
    assert_eq!(used(), [20, 18, 16], "what a failure leaves behind");
    rig.mem.refund(bottom, 4);
    rig.mem.destroy(bottom);
    assert_eq!([top, middle].map(|s| rig.mem.quota(s).1), [4, 2], "all of it comes back");
    rig.mem.destroy(middle);
    rig.mem.destroy(top);
    rig.check_end();
}

#[test]
fn an_image_is_a_child_of_sigma0s_mapping() {
    let rig = rig();
    rig.mem
        .map_image(rig.space(0), PhysAddr(0x20_3000), rig.space(1), VirtAddr(0x7000), 3 * PAGE, Rights::RX)
        .unwrap();
    assert_eq!(rig.at(1, 0x9fff), Some((0x20_5fff, Rights::RX)));
    assert_eq!(rig.at(1, 0xa000), None);
    rig.mem.unmap(rig.space(0), page(0x20_4000, Rights::RWX), false);
    assert_eq!((rig.at(1, 0x8000), rig.at(1, 0x9000)), (None, Some((0x20_5000, Rights::RX))));
}
