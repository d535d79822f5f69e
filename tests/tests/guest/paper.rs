//! The paper's measurements run through on the L4 system, and measure all that they measure on Linux. What they find is for `cargo xtask bench paper`.
//! What programs of L4 measure without Linux (the server set `paper`) must besides be what it was, or nearly: a change of the kernel may move it by an instruction or two.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::batch::Results;
use guest_tests::guest::{Boot, LabBoot, run_boots_in_lab};
use guest_tests::process::{self, End, Outcome};
use guest_tests::{compare, programs};
use libtest_mimic::Trial;
use serde::Deserialize;
use std::collections::BTreeMap;
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

/// What a round of the server's metrics takes, written by `cargo xtask bench paper --native`.
const PROMISED: &str = include_str!("../../data/paper-counts.toml");
/// Begins what the server reports, by halves of lines, behind what the log puts before it.
const MARK: &str = "PAPER ";
/// Most that a median may differ from what is promised, in percent.
const TOLERANCE: f64 = 5.0;

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

/// Ticks of a round, by the metrics' names.
fn promised() -> Result<BTreeMap<String, f64>, String> {
    #[derive(Deserialize)]
    struct Counts {
        instructions: f64,
    }
    let counts: BTreeMap<String, Counts> = toml::from_str(PROMISED).map_err(|error| error.to_string())?;
    Ok(counts.into_iter().map(|(name, counts)| (name, counts.instructions)).collect())
}

/// Whether the server has measured all that is promised, and found what it was.
fn check_native(outcome: &Outcome) -> Result<(), String> {
    let failed = |why: String| Err(format!("{why}; {}", compare::describe(outcome)));
    if outcome.end != End::Exited(0) {
        return failed("the server failed".to_owned());
    }
    let log = String::from_utf8_lossy(&outcome.stderr);
    let halves = log.lines().filter_map(|line| Some(line.split_once(MARK)?.1.trim_end()));
    let report: String =
        halves.map(|half| half.to_owned() + if half.ends_with('}') { "\n" } else { "" }).collect();
    let mut promised = promised()?;
    for line in report.lines() {
        let metric = match serde_json::from_str::<Metric>(line) {
            Ok(metric) if metric.makes_sense() => metric,
            Ok(_) => return failed(format!("figures make no sense: {line}")),
            Err(error) => return failed(format!("no figures ({error}): {line}")),
        };
        let found = metric.stats[2] * metric.per;
        match promised.remove(&metric.name) {
            Some(before) if (found - before).abs() <= before * TOLERANCE / 100.0 => {}
            Some(before) => return failed(format!("{}: {found} ticks, and not about {before}", metric.name)),
            None => return failed(format!("nothing is promised of {}", metric.name)),
        }
    }
    let missing: Vec<_> = promised.into_keys().collect();
    if missing.is_empty() { Ok(()) } else { failed(format!("not measured: {missing:?}")) }
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

/// Both in one lab, by the names of the tests.
fn run_in_lab(context: &Context) -> Result<Results, String> {
    let suite = boot(context, &all_groups())?;
    let kernel = context.build.kernel()?;
    let words = ["--kernel", &kernel.to_string_lossy(), "--servers", "paper", "--memory", "64M"];
    let native = Boot::words(&context.build, &words)?;
    let boots = [("suite", suite), ("native", native)];
    let boots = boots.map(|(name, boot)| LabBoot { name: name.to_owned(), boot, script: None });
    Ok(run_boots_in_lab(&context.build, "paper", &boots))
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let results = Arc::new(Shared::new());
    let in_lab = move |context: &Context, name: &str| -> Result<Outcome, String> {
        let results: &Result<Results, String> = results.get(&context.slots, || run_in_lab(context));
        results.as_ref().map_err(Clone::clone)?.get(name).ok_or("it was not run")?.clone()
    };
    let native = plain("native::paper".to_owned(), context, |context| {
        let (program, _) = programs::paper(&context.build)?;
        let mut command = Command::new(program);
        command.args(&arguments("", &all_groups())[1..]);
        check(&process::run(command, b"", LIMIT)?, &all_groups())
    });
    let kvm =
        on_kvm("paper", context, |context| check(&boot(context, &ON_KVM)?.run_kvm(b"", LIMIT)?, &ON_KVM));
    let suite = in_lab.clone();
    let lab = plain("lab::paper".to_owned(), context, move |context| {
        check(&suite(context, "suite")?, &all_groups())
    });
    let lab_native = plain("lab::paper::native".to_owned(), context, move |context| {
        check_native(&in_lab(context, "native")?)
    });
    vec![native, kvm, lab, lab_native]
}
