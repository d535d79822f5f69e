//! The paper's measurements run through on the L4 system, and measure all that they measure on Linux. What they find is for `cargo xtask bench paper`.

use crate::trials::{Context, on_kvm, plain};
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{self, End, Outcome};
use guest_tests::{compare, programs};
use libtest_mimic::Trial;
use serde::Deserialize;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

/// The groups of the suite, and what they measure.
const GROUPS: &[(&str, &[&str])] = &[
    ("calls", &["getpid", "getppid", "unknown call", "write to /dev/null", "read from /dev/zero"]),
    ("processes", &["null process", "simple process", "/bin/sh process"]),
    (
        "switches",
        &[
            "pipe round trip",
            "Unix socket round trip",
            "futex round trip",
            "pipe to oneself",
            "2 processes, a hop",
            "8 processes, a hop",
        ],
    ),
    ("memory", &["mmap of 512 KiB", "first touch, a page", "trap", "Appel1", "Appel2"]),
    ("bandwidth", &["pipe, 64 KiB at a time", "file re-read, 64 KiB at a time", "mmap re-read"]),
];
/// What does not take long where kernel mode is emulated.
const ON_KVM: [&str; 2] = ["calls", "switches"];
const PROGRAM: &str = "/tests/paper";
const LIMIT: Duration = Duration::from_secs(120);

/// A metric that could be measured; one that could not has an `error`, and no figures.
#[derive(Deserialize)]
struct Metric {
    name: String,
    per: f64,
    stats: [f64; 8],
}

impl Metric {
    /// The figures come in order, are of some rounds, and no round took nothing.
    fn makes_sense(&self) -> bool {
        let [min, q1, median, mean, q3, max, stddev, n] = self.stats;
        let ordered = [min, q1, median, q3, max].is_sorted() && (min..=max).contains(&mean);
        ordered && min > 0.0 && stddev >= 0.0 && n >= 5.0 && self.per >= 1.0
    }
}

/// Whether all metrics of these groups are there, in their order, and nothing else.
fn check(outcome: &Outcome, groups: &[&str]) -> Result<(), String> {
    let failed = |why: String| Err(format!("{why}; {}", compare::describe(outcome)));
    if outcome.end != End::Exited(0) {
        return failed("the suite failed".to_owned());
    }
    let mut names = Vec::new();
    for line in String::from_utf8_lossy(&outcome.stdout).lines() {
        match serde_json::from_str::<Metric>(line) {
            Ok(metric) if metric.makes_sense() => names.push(metric.name),
            Ok(_) => return failed(format!("figures make no sense: {line}")),
            Err(error) => return failed(format!("no figures ({error}): {line}")),
        }
    }
    let expected = GROUPS.iter().filter(|(group, _)| groups.contains(group)).flat_map(|(_, names)| *names);
    let expected: Vec<&str> = expected.copied().collect();
    if names == expected { Ok(()) } else { failed(format!("metrics are {names:?}, not {expected:?}")) }
}

fn all_groups() -> Vec<&'static str> {
    GROUPS.iter().map(|(group, _)| *group).collect()
}

fn arguments<'a>(program: &'a str, groups: &[&'a str]) -> Vec<&'a str> {
    [&[program, "--quick"], groups].concat()
}

fn boot(context: &Context, groups: &[&str]) -> Result<Boot, String> {
    let (_, image) = programs::paper(&context.build)?;
    Ok(Boot::linux(&context.build, &image)?.timeout(LIMIT).program(&arguments(PROGRAM, groups)))
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let native = plain("native::paper".to_owned(), context, |context| {
        let (program, _) = programs::paper(&context.build)?;
        let mut command = Command::new(program);
        command.args(&arguments("", &all_groups())[1..]);
        check(&process::run(command, b"", LIMIT)?, &all_groups())
    });
    let kvm =
        on_kvm("paper", context, |context| check(&boot(context, &ON_KVM)?.run_kvm(b"", LIMIT)?, &ON_KVM));
    let lab = plain("lab::paper".to_owned(), context, |context| {
        check(&boot(context, &all_groups())?.run_lab(b"", LAB_LIMIT)?, &all_groups())
    });
    vec![native, kvm, lab]
}
