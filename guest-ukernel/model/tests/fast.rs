//! That the sequences go all ways through the fast path, and that each of its checks matters.

use std::panic::{AssertUnwindSafe, catch_unwind};

use proptest::collection::vec;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use ukernel_model::fast::{Cost, Fast};
use ukernel_model::op::{Op, op};
use ukernel_model::run::Pair;

const STEPS: usize = 60;
/// Sequences that go all ways.
const ENOUGH: usize = 4000;
/// Sequences after which it is mostly clear what something costs.
const SOME: usize = 400;
/// Ways that nothing takes: a foreign call does not stay in its address space, because the fast path's handler is of the chief's task.
const UNREACHABLE: usize = 1;

/// The same sequences every time.
fn sequences() -> impl Iterator<Item = Vec<Op>> {
    let strategy = vec(op(), STEPS);
    let mut runner = TestRunner::deterministic();
    std::iter::repeat_with(move || strategy.new_tree(&mut runner).expect("a sequence").current())
}

fn run(fast: &Fast, ops: &[Op]) -> Result<(), String> {
    let mut pair = Pair::new(Some(fast));
    ops.iter().try_for_each(|op| pair.apply(op))
}

#[test]
fn all_ways_through_the_fast_path_are_taken() {
    let fast = Fast::load();
    sequences().take(ENOUGH).for_each(|ops| run(&fast, &ops).expect("no difference"));
    let unseen = fast.unseen();
    assert!(unseen.len() <= UNREACHABLE, "after {:?}: {unseen:?}", fast.cost());
}

/// Forces one conditional jump or move after the other to go one way. That must make a difference to what happens, or it must cost: a call that could
/// have been made on the fast path is not, or CR3 is written in vain.
#[test]
fn every_decision_of_the_fast_path_matters() {
    // Hundreds of panics are what is wanted here.
    std::panic::set_hook(Box::new(|_| ()));
    let whole = Fast::load();
    let costs = [SOME, ENOUGH].map(|count| (count, look(&whole, count).expect("no difference")));
    let mut idle = Vec::new();
    for decision in whole.decisions() {
        // What always goes one way is not changed by being forced to.
        for taken in [false, true].into_iter().filter(|taken| whole.is_seen(&decision, !taken)) {
            let broken = || {
                let fast = Fast::load();
                fast.break_decision(decision.at, taken);
                fast
            };
            let matters = costs.iter().any(|&(count, cost)| {
                let costs = |c: Cost| c.calls < cost.calls || c.cr3_writes > cost.cr3_writes;
                look(&broken(), count).is_none_or(costs)
            });
            if !matters {
                idle.push(format!("{}, forced to {taken}", decision.name));
            }
        }
    }
    let _ = std::panic::take_hook();
    assert_eq!(idle, [""; 0]);
}

/// What so many sequences cost; none if something goes wrong.
fn look(fast: &Fast, count: usize) -> Option<Cost> {
    let before = fast.cost();
    let goes_well = |ops: Vec<Op>| matches!(catch_unwind(AssertUnwindSafe(|| run(fast, &ops))), Ok(Ok(())));
    sequences().take(count).all(goes_well).then(|| fast.cost() - before)
}
