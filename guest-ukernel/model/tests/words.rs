//! The words of the interface: flexpages, identifiers, timeouts and tags against what `docs/abi.md` says of their bits.
//!
//! All sizes, kinds and alignments are tried; addresses near every power of two.

use proptest::prelude::*;
use ukernel_abi::call::{Timeout, Timeouts};
use ukernel_abi::msg::{Label, Tag};
use ukernel_abi::{Fpage, FpageKind, Rights, ThreadId};

/// Numbers where something may change: every power of two, and what is near.
fn edges() -> impl Iterator<Item = u64> {
    (0..64)
        .flat_map(|n| [-4096i64, -1, 0, 1, 4096].map(|d| (1u64 << n).wrapping_add_signed(d)))
        .chain([0, u64::MAX])
}

/// (kind in the word, log2 of its smallest and largest size, of all there is, of its unit in the word)
const KINDS: [(FpageKind, u64, u32, u32, u32, u32); 3] = [
    (FpageKind::Memory, 0, 12, 47, 47, 0),
    (FpageKind::Ports, 1, 0, 16, 16, 12),
    (FpageKind::Irqs, 2, 0, 6, 6, 12),
];

#[test]
fn a_flexpage_is_valid_if_it_is_aligned_and_inside() {
    let mut valid = 0;
    for (kind, bits, smallest, largest, all, shift) in KINDS {
        for log2 in 0..64u32 {
            for place in edges() {
                for low in [0, 1, 7, 8, 15] {
                    let word = (place << shift & !0xfff) | bits << 10 | u64::from(log2) << 4 | low;
                    let fpage = Fpage(word);
                    assert_eq!((fpage.kind(), fpage.log2()), (Some(kind), log2));
                    let base = u128::from((word & !0xfff) >> shift);
                    let size = 1u128 << log2;
                    let expected = (smallest..=largest).contains(&log2)
                        && base % size == 0
                        && base + size <= 1 << all
                        && low & 8 == 0;
                    assert_eq!(fpage.is_valid(), expected, "{fpage:?} {word:#x}");
                    if expected {
                        valid += 1;
                        contains(fpage, base, size);
                    }
                }
            }
        }
    }
    assert!(valid > 1000, "only {valid} were valid");
    assert!((0..64).all(|log2| !Fpage(3 << 10 | log2 << 4).is_valid()), "there is no fourth kind");
}

fn contains(fpage: Fpage, base: u128, size: u128) {
    assert_eq!((u128::from(fpage.base()), u128::from(fpage.size())), (base, size));
    for addr in edges().chain([base as u64, (base + size - 1) as u64, (base + size) as u64]) {
        let expected = (base..base + size).contains(&u128::from(addr));
        assert_eq!(fpage.contains(addr), expected, "{addr:#x} in {fpage:?}");
    }
}

#[test]
fn the_largest_flexpage_is_the_largest() {
    let pages = |limit: u64| edges().map(|e| e & !0xfff).filter(move |&e| e < limit);
    for base in pages(1 << 47) {
        for len in pages(u64::MAX).filter(|&len| len >= 4096) {
            let fpage = Fpage::largest_at(base, len, Rights::R);
            assert_eq!((fpage.base(), fpage.rights(), fpage.is_valid()), (base, Rights::R, true), "{len:#x}");
            assert!(fpage.size() <= len);
            let next = Fpage::memory(base, fpage.log2() + 1, Rights::R);
            assert!(!next.is_valid() || next.base() != base || next.size() > len, "{next:?} in {len:#x}");
        }
    }
}

#[test]
fn rights_are_sets() {
    let all = || (0..8).map(Rights);
    for (a, b) in all().flat_map(|a| all().map(move |b| (a, b))) {
        for bit in [Rights::R, Rights::W, Rights::X] {
            let (in_a, in_b) = (a.contains(bit), b.contains(bit));
            assert_eq!(a.union(b).contains(bit), in_a || in_b);
            assert_eq!(a.intersection(b).contains(bit), in_a && in_b);
            assert_eq!(a.without(b).contains(bit), in_a && !in_b);
        }
        assert_eq!(a.contains(b), a.union(b) == a);
        assert_eq!(Fpage::ALL.with_rights(a).rights(), a);
    }
}

#[test]
fn each_place_of_a_thread_has_its_own_index() {
    let mut seen = vec![false; ThreadId::TASKS * ThreadId::LTHREADS];
    for task in 0..=u16::MAX {
        for lthread in 0..ThreadId::LTHREADS as u16 {
            let id = ThreadId::new(task, lthread, 1);
            assert_eq!((id.task(), id.lthread()), (task, lthread));
            assert!(!std::mem::replace(&mut seen[id.index()], true), "{id:?}");
        }
    }
}

#[test]
fn lines_are_no_threads() {
    let lines: Vec<u8> = (0..1024).filter_map(|lthread| ThreadId::new(0, lthread, 0).as_irq()).collect();
    assert_eq!(lines, (0..64).collect::<Vec<u8>>());
    assert!(
        lines
            .iter()
            .all(|&line| ThreadId::irq(line).as_irq() == Some(line) && !ThreadId::irq(line).is_valid())
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_identifier_is_its_fields(bits in any::<u64>(), task in any::<u16>(), lthread in 0..1024u16, version in any::<u32>()) {
        let id = ThreadId::new(task, lthread, version);
        prop_assert_eq!((id.task(), id.lthread(), id.version()), (task, lthread, version));
        prop_assert_eq!(id.is_valid(), version != 0);
        prop_assert_eq!(id.index(), ThreadId::new(task, lthread, 0).0 as usize);
        // Any word: valid, nil, any, a line or nothing, and never two of them.
        let id = ThreadId(bits);
        let kinds = [id.is_valid(), id.is_nil(), id.is_any(), id.as_irq().is_some()];
        prop_assert!(kinds.iter().filter(|&&is| is).count() <= 1);
        prop_assert_eq!(id.is_valid(), bits >> 58 == 0 && bits >> 26 != 0);
    }

    #[test]
    fn a_timeout_is_what_its_bits_say(bits in prop_oneof![any::<u32>(), (0..34u32).prop_map(|n| (1u64 << n).wrapping_sub(1) as u32)]) {
        for bits in [bits, bits.wrapping_add(1), 1 << 31, (1 << 31) + 1] {
            let expected = match bits {
                0 => Timeout::Never,
                1..=0x7fff_ffff => Timeout::In(bits),
                0x8000_0001 => Timeout::Deadline,
                _ => Timeout::Now,
            };
            prop_assert_eq!(Timeout::from_bits(bits), expected);
            prop_assert_eq!(Timeout::from_bits(expected.bits()), expected);
            let both = Timeouts::of(expected, Timeout::In(7));
            prop_assert_eq!((both.send(), both.receive()), (expected, Timeout::In(7)));
            let both = Timeouts::of(Timeout::In(7), expected);
            prop_assert_eq!((both.send(), both.receive()), (Timeout::In(7), expected));
        }
    }

    #[test]
    fn a_tag_is_its_fields(label in any::<u16>(), words in 0..64usize, items in 0..64usize, bits in any::<u32>()) {
        let tag = Tag::new(Label(label), words, items);
        prop_assert_eq!((tag.label(), tag.words(), tag.items()), (Label(label), words, items));
        prop_assert_eq!(tag.is_valid(), words + 2 * items <= 64);
        prop_assert_eq!(Tag::from_rax(tag.to_rax() | 5), tag);
        let tag = Tag(bits);
        prop_assert_eq!(tag.is_valid(), bits & 0xb000 == 0 && tag.words() + 2 * tag.items() <= 64);
    }
}
