//! Ports and lines: particular cases, and random sequences against a model that knows for each unit who has it from whom.

extern crate std;
use std::collections::{BTreeMap, BTreeSet};
use std::vec::Vec;

use super::*;
use crate::mem::entry::Entry;
use crate::mem::rig::{Rig, TSS_SLOT};
use proptest::prelude::*;

/// The first has all ports and lines.
fn rig(spaces: usize) -> Rig {
    let rig = Rig::new(1000, spaces, 200);
    rig.mem.own_all_io(rig.space(0)).unwrap();
    rig
}

impl Rig {
    fn pass(&self, from: usize, snd: Fpage, to: usize) -> Result<(), MapError> {
        self.mem.map(self.space(from), MapItem { snd, base: 0 }, self.space(to), Fpage::ALL)
    }
    fn grant(&self, from: usize, snd: Fpage, to: usize) -> Result<(), MapError> {
        self.mem.map(self.space(from), MapItem { snd, base: MapItem::GRANT }, self.space(to), Fpage::ALL)
    }
    fn lines(&self, space: usize) -> Vec<u8> {
        (0..=255).filter(|&line| self.mem.has_irq(self.space(space), line)).collect()
    }

    /// Number of ports that the bitmap of CPU 0, as it is mapped, allows; nothing if it is the common one.
    fn port_bits(&self, space: usize) -> Option<u32> {
        let word = |table: PhysAddr, n: u64| Entry(self.mem.load(table.plus(n * 8)));
        let top = word(self.mem.cr3(self.space(space)), TSS_SLOT.into());
        let table = word(word(top.addr(), 0).addr(), 0).addr();
        let common = self.mem.template.get().tss.table;
        assert_eq!(
            (word(table, 0), word(table, 3)),
            (word(common, 0), word(common, 3)),
            "TSS and the last byte"
        );
        assert_eq!(word(table, 1), word(table, 5), "the other CPU sees the same");
        (table != common).then(|| {
            let halves = [word(table, 1).addr(), word(table, 2).addr()];
            let words = halves
                .iter()
                .flat_map(|half| (0..512).map(|n| self.mem.frames.machine.load(half.plus(n * 8))));
            words.map(u64::count_zeros).sum()
        })
    }
}

#[test]
fn lines_are_passed_on_by_those_who_have_them() {
    let rig = rig(3);
    rig.pass(0, Fpage::irqs(4, 1), 1).unwrap();
    rig.pass(1, Fpage::irqs(4, 2), 2).unwrap();
    assert_eq!(
        (rig.lines(1), rig.lines(2)),
        (std::vec![4, 5], std::vec![4, 5]),
        "it asked for four and had two"
    );
    assert_eq!(rig.mem.take_lost_lines(), 0);
    rig.mem.unmap(rig.space(1), Fpage::irqs(5, 0), true);
    assert_eq!((rig.lines(1), rig.lines(2)), (std::vec![4], std::vec![4]));
    assert_eq!((rig.mem.take_lost_lines(), rig.mem.take_lost_lines()), (1 << 5, 0));
    rig.pass(0, Fpage::irqs(0, 6), 1).unwrap();
    assert_eq!(rig.lines(1).len(), 64);
    rig.mem.unmap(rig.space(0), Fpage::irqs(0, 6), false);
    assert_eq!((rig.lines(0).len(), rig.lines(1).len(), rig.lines(2).len()), (64, 0, 0));
    rig.check_end();
}

#[test]
fn ports_are_the_bits_that_the_processor_sees() {
    let rig = rig(3);
    rig.pass(0, Fpage::ports(0x3f8, 3), 1).unwrap();
    rig.pass(1, Fpage::ports(0x3f0, 4), 2).unwrap();
    assert_eq!([0, 1, 2].map(|space| rig.port_bits(space)), [Some(0x1_0000), Some(8), Some(8)]);
    rig.mem.unmap(rig.space(1), Fpage::ports(0x3fc, 2), false);
    assert_eq!((rig.port_bits(1), rig.port_bits(2)), (Some(8), Some(4)));
    rig.mem.unmap(rig.space(0), Fpage::ports(0x3f8, 0), true);
    assert_eq!([0, 1, 2].map(|space| rig.port_bits(space)), [Some(0xffff), Some(7), Some(3)]);
    rig.check_end();
}

#[test]
fn all_ports_can_be_passed_on() {
    let rig = rig(3);
    rig.pass(0, Fpage::ports(0, 16), 1).unwrap();
    rig.pass(1, Fpage::ports(0, 16), 2).unwrap();
    assert_eq!((rig.port_bits(1), rig.port_bits(2)), (Some(0x1_0000), Some(0x1_0000)));
    rig.mem.destroy(rig.space(1));
    assert_eq!(
        (rig.port_bits(0), rig.port_bits(2)),
        (Some(0x1_0000), Some(0)),
        "what was derived goes with it"
    );
}

#[test]
fn what_one_has_already_stays_as_one_has_it() {
    let rig = rig(3);
    rig.pass(0, Fpage::irqs(3, 0), 1).unwrap();
    rig.pass(0, Fpage::irqs(3, 0), 2).unwrap();
    rig.pass(1, Fpage::irqs(3, 0), 2).unwrap();
    rig.mem.unmap(rig.space(1), Fpage::irqs(3, 0), true);
    assert_eq!((rig.lines(1), rig.lines(2)), (std::vec![], std::vec![3]));
    rig.check_end();
}

#[test]
fn a_grant_moves_the_right_and_ends_what_came_from_it() {
    let rig = rig(4);
    rig.pass(0, Fpage::irqs(8, 3), 1).unwrap();
    rig.pass(1, Fpage::irqs(8, 3), 2).unwrap();
    rig.grant(1, Fpage::irqs(8, 1), 3).unwrap();
    assert_eq!([1, 2, 3].map(|space| rig.lines(space).len()), [6, 6, 2]);
    rig.grant(0, Fpage::irqs(8, 0), 3).unwrap();
    assert_eq!([0, 3].map(|space| rig.lines(space).len()), [63, 2], "the root of the tree is another's now");
    rig.mem.unmap(rig.space(0), Fpage::irqs(0, 6), false);
    assert_eq!(
        [0, 1, 2, 3].map(|space| rig.lines(space)),
        [(0..64).filter(|&n| n != 8).collect(), std::vec![], std::vec![], std::vec![8]]
    );
    rig.check_end();
}

#[test]
fn without_memory_nothing_comes() {
    let rig = Rig::new(1000, 1, 200);
    rig.mem.own_all_io(rig.space(0)).unwrap();
    let poor = rig.mem.new_space(None, 8).unwrap();
    let item = MapItem { snd: Fpage::ports(0x80, 0), base: 0 };
    assert_eq!(rig.mem.map(rig.space(0), item, poor, Fpage::ALL), Err(MapError::NoMemory));
    assert_eq!(rig.mem.quota(poor), (8, 2), "what a failure leaves behind");
    rig.mem.map(rig.space(0), MapItem { snd: Fpage::irqs(1, 0), base: 0 }, poor, Fpage::ALL).unwrap();
    assert!(rig.mem.has_irq(poor, 1));
    rig.mem.destroy(poor);
    rig.check_end();
}

const SPACES: usize = 5;
/// Units that the random sequences look at: three words of ports, and the lines.
const SEEN: [core::ops::Range<u64>; 2] = [0..192, PORTS..PORTS + 64];

#[derive(Clone, Debug)]
enum Op {
    Map { from: usize, snd: Fpage, to: usize, grant: bool },
    Unmap { space: usize, fpage: Fpage, flush: bool },
    Renew { space: usize },
}

fn fpage() -> impl Strategy<Value = Fpage> {
    let log2 = prop_oneof![3 => Just(0), 2 => Just(1), 1 => Just(3), 1 => Just(6)];
    (any::<bool>(), 0..192u16, log2).prop_map(|(port, unit, log2)| {
        let unit = unit & !((1 << log2) - 1);
        if port { Fpage::ports(unit, log2) } else { Fpage::irqs(unit as u8 % 64, log2) }
    })
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        12 => (0..SPACES, fpage(), 0..SPACES, prop::bool::weighted(0.2))
            .prop_map(|(from, snd, to, grant)| Op::Map { from, snd, to, grant }),
        5 => (0..SPACES, fpage(), any::<bool>()).prop_map(|(space, fpage, flush)| Op::Unmap { space, fpage, flush }),
        1 => (1..SPACES).prop_map(|space| Op::Renew { space }),
    ]
}

/// Who has a unit: space and unit, and the space that it is from; nothing for those who have it from nobody.
type Rights = BTreeMap<(u64, usize), Option<usize>>;

fn units(fpage: Fpage) -> impl Iterator<Item = u64> {
    let units = Units::of(fpage).expect("valid");
    units.first..units.end
}

fn take(rights: &mut Rights, unit: u64, space: usize, flush: bool) {
    let derived: Vec<_> = (0..SPACES).filter(|&s| rights.get(&(unit, s)) == Some(&Some(space))).collect();
    derived.into_iter().for_each(|s| take(rights, unit, s, true));
    if flush {
        rights.remove(&(unit, space));
    }
}

fn run_model(rights: &mut Rights, op: &Op) {
    match *op {
        Op::Map { from, snd, to, grant } if from != to => {
            for unit in units(snd) {
                let Some(&parent) = rights.get(&(unit, from)) else { continue };
                if grant {
                    take(rights, unit, from, false);
                }
                rights.entry((unit, to)).or_insert(if grant { parent } else { Some(from) });
                if grant {
                    rights.remove(&(unit, from));
                }
            }
        }
        Op::Map { .. } => {}
        Op::Unmap { space, fpage, flush } => units(fpage).for_each(|unit| take(rights, unit, space, flush)),
        Op::Renew { space } => SEEN.into_iter().flatten().for_each(|unit| take(rights, unit, space, true)),
    }
}

/// Does it on the real thing.
fn run(rig: &mut Rig, op: &Op) -> Result<(), MapError> {
    match *op {
        Op::Map { from, snd, to, grant: false } => rig.pass(from, snd, to)?,
        Op::Map { from, snd, to, grant: true } => rig.grant(from, snd, to)?,
        Op::Unmap { space, fpage, flush } => assert!(rig.mem.unmap(rig.space(space), fpage, flush)),
        Op::Renew { space } => {
            rig.mem.destroy(rig.space(space));
            rig.spaces[space] = rig.mem.new_space(None, 200).ok();
        }
    }
    Ok(())
}

/// Reads who has what from the nodes. Panics if anything is not as it must be.
fn rights(rig: &Rig) -> Rights {
    let mem = &rig.mem;
    let words: BTreeSet<u64> = SEEN.into_iter().flatten().map(|unit| unit / 64).collect();
    let name = |space| rig.spaces.iter().position(|s| *s == Some(space)).expect("lives");
    let mut rights = Rights::new();
    for (n, word) in (0..SPACES).flat_map(|n| words.iter().map(move |&word| (n, word))) {
        let space = rig.space(n);
        let all = mem.units(space, word);
        if word == LINES {
            assert_eq!(mem.get(space, word::IRQS), all);
        } else {
            let shown = match mem.get(space, word::PORTS) {
                0 => 0,
                bitmap => !mem.load(PhysAddr(bitmap + word * 8)),
            };
            assert_eq!(shown, all, "what the processor sees of {n}'s");
        }
        let mut next = mem.first(space, word);
        let mut left = all;
        if next.is_none() {
            give(&mut rights, n, word, all, None);
            left = 0;
        }
        while let Some(node) = next {
            next = mem.link(node, field::BESIDE);
            let units = mem.field(node, field::UNITS);
            assert_eq!((mem.space_of(node), left & units), (space, units), "a unit twice");
            left &= !units;
            check_children(rig, node);
            let parent = mem.link(node, field::PARENT);
            assert!(parent.is_none() || units != 0, "a node that should have gone");
            give(&mut rights, n, word, units, parent.map(|p| name(mem.space_of(p))));
        }
        assert_eq!(left, 0);
    }
    rights
}

fn give(rights: &mut Rights, space: usize, word: u64, units: u64, parent: Option<usize>) {
    let has = (0..64).filter(|bit| units >> bit & 1 != 0);
    rights.extend(has.map(|bit| ((word * 64 + bit, space), parent)));
}

fn check_children(rig: &Rig, parent: Node) {
    let mem = &rig.mem;
    let mut prev = parent.at(field::CHILDREN);
    while let Some(child) = Node::from_word(mem.load(prev)) {
        assert_eq!((mem.link(child, field::PARENT), mem.field(child, field::PREV)), (Some(parent), prev.0));
        assert_eq!(mem.field(child, field::PAGE), mem.field(parent, field::PAGE));
        assert_eq!(
            mem.field(child, field::UNITS) & !mem.field(parent, field::UNITS),
            0,
            "more than the parent"
        );
        prev = child.at(field::NEXT);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_the_model(ops in prop::collection::vec(op(), 1..60)) {
        let mut rig = rig(SPACES);
        let mut model: Rights = SEEN.into_iter().flatten().map(|unit| ((unit, 0), None)).collect();
        for op in &ops {
            let lines = (0..SPACES).map(|n| rig.mem.units(rig.space(n), LINES)).collect::<Vec<_>>();
            prop_assert_eq!(run(&mut rig, op), Ok(()));
            run_model(&mut model, op);
            prop_assert_eq!(rights(&rig), model.clone(), "after {:?}", op);
            let lost = lines.iter().enumerate().fold(0, |lost, (n, had)| lost | had & !rig.mem.units(rig.space(n), LINES));
            prop_assert_eq!(rig.mem.take_lost_lines() & lost, lost);
        }
        rig.check_end();
    }
}
