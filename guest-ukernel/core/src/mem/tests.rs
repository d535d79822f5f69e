//! Random sequences against the model, and with hardly any memory.

extern crate std;
use std::vec::Vec;

use super::MapError;
use super::model::{Mapping, Model, Send};
use super::rig::{Rig, regions};
use proptest::prelude::*;
use ukernel_abi::layout::{PAGE, SUPERPAGE};
use ukernel_abi::{Fpage, MapItem, Rights};

const SPACES: usize = 4;

#[derive(Clone, Debug)]
enum Op {
    Map { from: usize, snd: Fpage, to: usize, base: u64 },
    Unmap { space: usize, fpage: Fpage, flush: bool },
    Renew { space: usize },
}

/// Addresses in three superpages, near their ends; sizes from a page to two superpages.
fn fpage() -> impl Strategy<Value = Fpage> {
    let rights =
        prop_oneof![Just(Rights::RWX), Just(Rights::RW), Just(Rights::R), Just(Rights::W), Just(Rights::X)];
    let page = prop_oneof![0..4u64, 508..512u64, Just(255)];
    let log2 = prop_oneof![4 => Just(12), 2 => Just(13), 1 => Just(20), 3 => Just(21), 1 => Just(22)];
    (1..5u64, page, log2, rights).prop_map(|(superpage, page, log2, rights)| {
        let addr = superpage * SUPERPAGE + page * PAGE;
        Fpage::memory(addr & !((1 << log2) - 1), log2, rights)
    })
}

fn op() -> impl Strategy<Value = Op> {
    let grant = prop::bool::weighted(0.2);
    prop_oneof![
        12 => (0..SPACES, fpage(), 0..SPACES, fpage(), grant)
            .prop_map(|(from, snd, to, at, grant)| Op::Map { from, snd, to, base: at.base() | u64::from(grant) }),
        5 => (0..SPACES, fpage(), any::<bool>()).prop_map(|(space, fpage, flush)| Op::Unmap { space, fpage, flush }),
        1 => (1..SPACES).prop_map(|space| Op::Renew { space }),
    ]
}

/// Does it on the real thing; says whether there was memory for it.
fn run(rig: &mut Rig, op: &Op, quota: u32) -> bool {
    match *op {
        Op::Map { from, snd, to, base } => {
            let item = MapItem { snd, base };
            rig.mem.map(rig.space(from), item, rig.space(to), Fpage::ALL) != Err(MapError::NoMemory)
        }
        Op::Unmap { space, fpage, flush } => {
            rig.mem.unmap(rig.space(space), fpage, flush);
            true
        }
        Op::Renew { space } => {
            rig.mem.destroy(rig.space(space));
            rig.spaces[space] = None;
            rig.spaces[space] = rig.mem.new_space(None, quota).ok();
            true
        }
    }
}

fn run_model(model: &mut Model, op: &Op) {
    match *op {
        Op::Map { from, snd, to, base } => {
            if snd.rights().contains(Rights::R) {
                let (len, grant) = (snd.size(), base & 1 != 0);
                let dst = base & !(len - 1) & !(PAGE - 1);
                model.map(Send { from, src: snd.base(), to, dst, len, rights: snd.rights(), grant });
            }
        }
        Op::Unmap { space, fpage, flush } => {
            model.unmap(space, fpage.base(), fpage.size(), fpage.rights(), flush);
        }
        Op::Renew { space } => model.destroy(space),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn behaves_as_the_model(ops in prop::collection::vec(op(), 1..40)) {
        let mut rig = Rig::new(2000, SPACES, 400);
        let mut model = Model::new(&regions());
        let mut before = Vec::new();
        for op in &ops {
            prop_assert!(run(&mut rig, op, 400), "there is memory for {op:?}");
            run_model(&mut model, op);
            let after = rig.mappings();
            prop_assert_eq!(difference(&after, &model.mappings()), None, "after {:?}", op);
            rig.check_flushes(&before, &after);
            before = after;
        }
        rig.check_end();
    }

    /// With hardly any memory operations fail half-way; what is there must be sound all the same.
    #[test]
    fn stays_sound_without_memory(ops in prop::collection::vec(op(), 1..60), frames in 40..120u64, quota in 8..60u32) {
        let mut rig = Rig::new(frames, SPACES, quota);
        let mut before = Vec::new();
        for op in &ops {
            run(&mut rig, op, quota);
            if rig.spaces.iter().any(Option::is_none) {
                break;
            }
            let after = rig.mappings();
            rig.check_flushes(&before, &after);
            before = after;
        }
        rig.check_end();
    }
}

/// The first mapping in which the two differ.
fn difference(real: &[Mapping], model: &[Mapping]) -> Option<(Option<Mapping>, Option<Mapping>)> {
    (0..real.len().max(model.len()))
        .map(|n| (real.get(n).copied(), model.get(n).copied()))
        .find(|(real, model)| real != model)
}
