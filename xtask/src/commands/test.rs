//! `cargo xtask test`: everything that can be checked, on this machine.
//!
//! A step that fails does not keep the others from being tried. The last line sums up.

use super::{book, build, fmt, lint, prove};
use crate::cargo::{KERNEL, cargo};
use crate::{paths, sample, setup};
use anyhow::{Context, Result, anyhow, bail};
use lab::process;
use std::io::{BufRead, BufReader};
use std::process::{Command, ExitCode, Stdio};

/// Limit in seconds for one run of the lab: the guest tests put many programs into one.
const LAB_TIMEOUT: &str = "900";

/// Tests counted.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

pub fn test() -> Result<ExitCode> {
    let mut report = Report::default();
    report.step("set up what is missing", || {
        setup::for_build()?;
        setup::for_lint()?;
        setup::for_lab()?;
        setup::for_stock()?;
        setup::for_debugging()
    });
    report.step("formatting", || fmt::fmt(true).and_then(|_| sample::formatted()));
    report.step("clippy, host", lint::host);
    report.step("clippy, guest", lint::guest);
    report.tests("unit tests", &[]);
    if let Err(error) = setup::chromium() {
        report.skip("pages in a browser", &error);
    }
    match setup::mdbook() {
        Ok(mdbook) => drop(report.step("the book", || book::make(&mdbook))),
        Err(error) => report.skip("the book", &error),
    }
    report.counted("the kernel's lock, in all orders", prove::loom());
    match setup::for_miri() {
        Ok(()) => report.counted("the core in Miri", prove::miri()),
        Err(error) => report.skip("the core in Miri", &error),
    }
    let kvm = kvm_problem();
    if let Some(problem) = &kvm {
        eprintln!("==> NO KVM ON THIS MACHINE ({problem}): guests are tested in the lab alone");
    }
    // Without a build the guest tests could only try an old one.
    if report.step("build", build::build) {
        report.tests("guest tests", &["--test", "guest", "--test", "gdb_words"]);
        match &kvm {
            None => {
                report.counted("sample project", sample::tests());
                report.step("sample project: a test that fails", sample::failing);
            }
            Some(problem) => report.skip("sample project", &anyhow!("{problem}")),
        }
    }
    Ok(report.conclude())
}

/// Why this machine's KVM cannot be used, if it cannot.
fn kvm_problem() -> Option<String> {
    let opened = std::fs::File::options().read(true).write(true).open("/dev/kvm");
    opened.err().map(|error| format!("/dev/kvm: {error}"))
}

/// What tests printed that failed, as far as a person who looks at the end of a long log first wants to read it again.
#[derive(Default)]
struct Failures {
    lines: Vec<String>,
    is_inside: bool,
}

impl Failures {
    /// Lines a run that are shown again.
    const LIMIT: usize = 100;

    /// Test runners tell the failures in detail behind a first line `failures:`, and their names behind a second.
    fn line(&mut self, line: &str) {
        if line == "failures:" {
            self.is_inside = !self.is_inside;
        } else if self.is_inside && self.lines.len() < Self::LIMIT {
            self.lines.push(line.to_owned());
        }
    }
}

#[derive(Default)]
struct Report {
    tally: Tally,
    /// Steps, and what their tests said.
    failures: Vec<(String, Vec<String>)>,
}

impl Report {
    /// Runs a step. Returns whether it succeeded.
    fn step(&mut self, what: &str, body: impl FnOnce() -> Result<()>) -> bool {
        let result = process::step(what, body);
        if let Err(error) = &result {
            eprintln!("xtask: {what}: {error:#}");
            self.failures.push((what.to_owned(), Vec::new()));
            self.tally.failed += 1;
        }
        result.is_ok()
    }

    /// Runs `cargo test` for these targets. The packages are always the same: with others, their dependencies would have other features, and be built
    /// once more.
    fn tests(&mut self, what: &str, targets: &[&str]) {
        let mut command = cargo("test");
        command.args(["--workspace", "--exclude", KERNEL, "--no-fail-fast"]).args(targets);
        self.counted(what, command);
    }

    /// Runs a command that tests. Tests that fail are counted as such; a failure that no test
    /// accounts for (of the compiler, say) is one more.
    fn counted(&mut self, what: &str, command: Command) {
        let mut tally = Tally::default();
        let mut failures = Failures::default();
        let result = process::step(what, || cargo_test(command, &mut tally, &mut failures));
        if let Err(error) = &result {
            eprintln!("xtask: {what}: {error:#}");
            self.failures.push((what.to_owned(), failures.lines));
            tally.failed = tally.failed.max(1);
        }
        self.tally = self.tally + tally;
    }

    /// Counts a step that this machine has not what it takes for.
    fn skip(&mut self, what: &str, why: &anyhow::Error) {
        eprintln!("==> SKIPPED: {what} ({why:#})");
        self.tally.skipped += 1;
    }

    fn conclude(self) -> ExitCode {
        for (what, lines) in &self.failures {
            eprintln!("FAILED: {what}");
            for line in lines {
                eprintln!("  {line}");
            }
        }
        let Tally { passed, failed, skipped } = self.tally;
        println!("{passed} passed, {failed} failed, {skipped} skipped");
        ExitCode::from((failed > 0) as u8)
    }
}

/// Runs tests, shows what they print and adds up their results.
fn cargo_test(mut command: Command, tally: &mut Tally, failures: &mut Failures) -> Result<()> {
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    for_guest_tests(&mut command)?;
    let mut child = command.spawn().context("cannot start cargo")?;
    let stdout = child.stdout.take().expect("stdout is a pipe");
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        failures.line(&line);
        if let Some(result) = parse(&line) {
            *tally = *tally + result;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test ended with {status}");
    }
    Ok(())
}

/// Tells tests where the build is, and that it is the one to use.
fn for_guest_tests(command: &mut Command) -> Result<()> {
    command.env("UKVMM_BUILD", paths::absolute(&paths::build())?);
    command.env("UKVMM_NO_BUILD", "1").env("UKVMM_LAB_TIMEOUT", LAB_TIMEOUT);
    Ok(())
}

/// Reads a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; …`.
fn parse(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for count in counts.split(';') {
        let Some((number, what)) = count.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        match what {
            "passed" => tally.passed = number,
            "failed" => tally.failed = number,
            "ignored" => tally.skipped = number,
            _ => {}
        }
    }
    Some(tally)
}

impl std::ops::Add for Tally {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            passed: self.passed + other.passed,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.00s";
        assert_eq!(parse(line), Some(Tally { passed: 12, failed: 3, skipped: 1 }));
        let line =
            "test result: ok. 5 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.03s";
        assert_eq!(parse(line), Some(Tally { passed: 5, failed: 0, skipped: 0 }));
        assert_eq!(parse("test a::b ... ok"), None);
    }

    #[test]
    fn what_failing_tests_said_is_kept() {
        let mut failures = Failures::default();
        let said = "test a ... FAILED\n\nfailures:\n\n---- a ----\nwhy\n\nfailures:\n    a\n\ntest result: FAILED. 0 passed";
        said.lines().for_each(|line| failures.line(line));
        assert_eq!(failures.lines, ["", "---- a ----", "why", ""]);
        failures.line("failures:");
        (0..Failures::LIMIT).for_each(|_| failures.line("much"));
        assert_eq!(failures.lines.len(), Failures::LIMIT);
    }

    #[test]
    fn a_failed_step_fails_the_whole() {
        let mut report = Report::default();
        assert!(report.step("good", || Ok(())));
        assert_eq!(report.tally, Tally::default());
        assert!(!report.step("bad", || bail!("no")));
        assert_eq!(report.tally.failed, 1);
        assert_eq!(report.conclude(), ExitCode::FAILURE);
    }
}
