//! What the µ-kernel's paths and the shortest system calls take: no more than is promised in `tests/data/*-counts.toml`.
//! `cargo xtask bench NAME --check` counts and compares, once for all; each count is a test here.

use crate::slots::Shared;
use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::guest::{LAB_LIMIT, xtask};
use guest_tests::process::{self, End, Outcome};
use libtest_mimic::Trial;
use std::sync::Arc;

/// Part of the tests' names and of the command, and what is promised, whose headings are the rest of the tests' names.
const PROMISES: [(&str, &str); 2] = [
    ("ipc", include_str!("../../data/ipc-counts.toml")),
    ("calls", include_str!("../../data/call-counts.toml")),
];

type Report = Result<Outcome, String>;

fn names(promised: &str) -> impl Iterator<Item = &str> {
    promised.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
}

fn check(what: &str) -> Report {
    let mut command = xtask();
    command.args(["bench", what, "--no-build", "--check"]);
    process::run(command, b"", LAB_LIMIT)
}

/// What the report says about one count.
fn verdict(outcome: &Outcome, name: &str) -> Result<(), String> {
    let report = String::from_utf8_lossy(&outcome.stdout);
    let good = format!("ok {name} ");
    let bad = format!("not ok {name} # ");
    match report.lines().find(|line| line.starts_with(&good) || line.starts_with(&bad)) {
        Some(line) => line.strip_prefix(&bad).map_or(Ok(()), |why| Err(why.to_owned())),
        None => Err(format!("it was not counted; {}", compare::describe(outcome))),
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    PROMISES.into_iter().flat_map(|(what, promised)| group(context, what, promised)).collect()
}

fn group(context: &Arc<Context>, what: &'static str, promised: &'static str) -> Vec<Trial> {
    let report = Arc::new(Shared::<Report>::new());
    let counted = move |context: &Context| report.get(&context.slots, || check(what)).clone();
    let mut trials = Vec::new();
    for name in names(promised) {
        let counted = counted.clone();
        trials.push(plain(format!("lab::{what}::{name}"), context, move |context| {
            verdict(&counted(context)?, name)
        }));
    }
    trials.push(plain(format!("lab::{what}::whole-report"), context, move |context| {
        let outcome = counted(context)?;
        if outcome.end == End::Exited(0) { Ok(()) } else { Err(compare::describe(&outcome)) }
    }));
    trials
}
