//! What the µ-kernel's paths take, in instructions and cache lines: no more than is promised in `tests/data/ipc-counts.toml`.
//! `cargo xtask bench ipc --check` counts and compares, once for all; each path is a test here.

use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::guest::{LAB_LIMIT, xtask};
use guest_tests::process::{self, End, Outcome};
use libtest_mimic::Trial;
use std::sync::{Arc, OnceLock};

/// What is promised, whose headings are the names of the tests.
const PROMISED: &str = include_str!("../../data/ipc-counts.toml");

type Report = Result<Outcome, String>;

fn names() -> impl Iterator<Item = &'static str> {
    PROMISED.lines().filter_map(|line| line.strip_prefix('[')?.strip_suffix(']'))
}

fn check() -> Report {
    let mut command = xtask();
    command.args(["bench", "ipc", "--no-build", "--check"]);
    process::run(command, b"", LAB_LIMIT)
}

/// What the report says about one path.
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
    let report = Arc::new(OnceLock::<Report>::new());
    let counted = move || report.get_or_init(check).clone();
    let mut trials = Vec::new();
    for name in names() {
        let counted = counted.clone();
        trials.push(plain(format!("lab::ipc::{name}"), context, move |_| verdict(&counted()?, name)));
    }
    trials.push(plain("lab::ipc::whole-report".to_owned(), context, move |_| {
        let outcome = counted()?;
        if outcome.end == End::Exited(0) { Ok(()) } else { Err(compare::describe(&outcome)) }
    }));
    trials
}
