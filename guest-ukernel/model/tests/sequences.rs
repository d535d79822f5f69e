//! Random sequences of what threads can do to each other, on the kernel's code and on the model.

use proptest::prelude::*;
use ukernel_model::fast::Fast;
use ukernel_model::op::{Op, op};
use ukernel_model::run::Pair;

const STEPS: usize = 80;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() }
}

fn run(ops: &[Op], fast: Option<&Fast>) -> Result<(), TestCaseError> {
    let mut pair = Pair::new(fast);
    for (n, op) in ops.iter().enumerate() {
        pair.apply(op).map_err(|what| TestCaseError::fail(format!("step {n}, {op:?}: {what}")))?;
    }
    Ok(())
}

fn fast() -> &'static Fast {
    thread_local!(static FAST: &'static Fast = Box::leak(Box::new(Fast::load())));
    FAST.with(|fast| *fast)
}

proptest! {
    #![proptest_config(config(5000))]

    #[test]
    fn the_state_machine_does_what_the_manual_says(ops in prop::collection::vec(op(), 1..STEPS)) {
        run(&ops, None)?;
    }

    #[test]
    fn the_fast_path_does_what_the_manual_says(ops in prop::collection::vec(op(), 1..STEPS)) {
        run(&ops, Some(fast()))?;
    }
}
