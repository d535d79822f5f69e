//! Ranges of one element in arrays are meant as such here.
#![expect(clippy::single_range_in_vec_init)]

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn set(ranges: &[Range<u64>]) -> Ranges {
    let mut s = Ranges::EMPTY;
    for r in ranges {
        s.insert(r.clone()).unwrap();
    }
    s
}

fn list(s: &Ranges) -> Vec<Range<u64>> {
    s.iter().collect()
}

#[test]
fn touching_ranges_become_one() {
    assert_eq!(list(&set(&[0..4, 8..12, 4..8])), [0..12]);
    assert_eq!(list(&set(&[8..12, 0..4])), [0..4, 8..12]);
    assert_eq!(list(&set(&[0..4, 8..12, 16..20, 2..17])), [0..20]);
}

#[test]
fn removing_splits() {
    let mut s = set(&[0..12]);
    s.remove(4..8).unwrap();
    assert_eq!(list(&s), [0..4, 8..12]);
    s.remove(2..10).unwrap();
    assert_eq!(list(&s), [0..2, 10..12]);
    s.remove(0..100).unwrap();
    assert_eq!(s.total(), 0);
}

#[test]
fn blocks_come_from_the_tightest_range() {
    let mut s = set(&[0x0000..0x4000, 0x5000..0x6000]);
    assert_eq!(s.take(12), Some(0x5000), "not from the large range");
    assert_eq!(s.take(12), Some(0x3000));
    assert_eq!(s.take(13), Some(0x0000));
    assert_eq!(s.take(13), None, "only 0x2000..0x3000 is left");
    assert_eq!(s.largest_log2(), 12);
}

#[test]
fn alignment_decides_what_fits() {
    let mut s = set(&[0x1000..0x3000]);
    assert_eq!(s.largest_log2(), 12);
    assert_eq!(s.take(13), None);
    assert_eq!(s.take(64), None);
}

#[test]
fn a_full_list_refuses_and_changes_nothing() {
    let mut s = Ranges::EMPTY;
    for i in 0..MAX as u64 {
        s.insert(i * 10..i * 10 + 5).unwrap();
    }
    let before = list(&s);
    assert_eq!(s.insert(7..8), Err(Full));
    assert_eq!(s.remove(1..2), Err(Full));
    assert_eq!(list(&s), before);
    assert_eq!(s.insert(5..10), Ok(()), "joins two");
    assert_eq!(s.iter().count(), MAX - 1);
}

proptest! {
    #[test]
    fn behaves_as_a_set(ops in prop::collection::vec((any::<bool>(), 0u64..200, 0u64..40), 0..60)) {
        let (mut s, mut model) = (Ranges::EMPTY, BTreeSet::new());
        for (add, start, len) in ops {
            let range = start..start + len;
            if add {
                s.insert(range.clone()).unwrap();
                model.extend(range);
            } else {
                s.remove(range.clone()).unwrap();
                model.retain(|x| !range.contains(x));
            }
            prop_assert!(s.iter().flatten().eq(model.iter().copied()));
            prop_assert!(list(&s).windows(2).all(|w| w[0].end < w[1].start));
        }
    }

    #[test]
    fn blocks_are_aligned_and_never_given_twice(
        logs in prop::collection::vec(0u32..6, 1..40),
        base in 0u64..100,
    ) {
        let mut s = set(&[base..base + 100, base + 150..base + 300]);
        let mut given = BTreeSet::new();
        let total = s.total();
        for log2 in logs {
            let could = s.largest_log2() >= log2 && s.total() > 0;
            match s.take(log2) {
                Some(block) => {
                    prop_assert_eq!(block % (1 << log2), 0);
                    prop_assert!((block..block + (1 << log2)).all(|x| given.insert(x)));
                }
                None => prop_assert!(!could),
            }
        }
        prop_assert_eq!(s.total() + given.len() as u64, total);
    }
}
