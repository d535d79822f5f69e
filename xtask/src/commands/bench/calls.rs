//! `cargo xtask bench calls`: what the shortest system calls of a Linux program take, by both ways in.
//!
//! The program (`calls/null.c`) runs in the lab, where a tick of the time stamp counter is an instruction: of the program, the
//! Linux server and the µ-kernel together. The minimum of many calls is what a call takes that nothing interrupts.

use super::committed::{Counts, Promise, Table};
use super::document::{self, Part};
use super::image;
use super::ticks::run_in_lab;
use crate::commands::build;
use anyhow::{Context, Result};
use lab::process;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
    /// Compare with the counts that are promised, and write nothing
    #[arg(long)]
    check: bool,
}

const PROMISE: Promise = Promise {
    file: "call-counts.toml",
    what: "What the shortest system calls of a Linux program take, by both ways in: instructions, the program's own included.",
    command: "cargo xtask bench calls",
};

/// Ways in: name, and server set.
const ENTRIES: [(&str, &str); 2] = [("forwarded", "linux"), ("trampoline", "linux-trampoline")];

/// What the same calls take on Debian's Linux 6.1 in the lab: without its mitigations of processors' leaks, and with those that it chooses.
const LINUX: [(&str, u64, Option<u64>); 3] =
    [("getpid", 311, Some(350)), ("getppid", 327, Some(372)), ("unknown", 213, None)];

/// Minima by the names of calls, in the program's order.
type Minima = Vec<(String, u64)>;

pub fn calls(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let initrd = initrd()?;
    let measured = ENTRIES
        .iter()
        .map(|(entry, set)| {
            let what = format!("the lab: system calls, {entry}");
            Ok((*entry, process::step(&what, || measure(set, &initrd))?))
        })
        .collect::<Result<BTreeMap<_, _>>>()?;
    let table = table(&measured);
    if args.check {
        return Ok(ExitCode::from(u8::from(!PROMISE.check(&table)?)));
    }
    let page = page(&measured);
    println!("{page}");
    document::write(Part::Calls, &page)?;
    PROMISE.write(&table)?;
    Ok(ExitCode::SUCCESS)
}

/// A root file system with the program alone.
fn initrd() -> Result<PathBuf> {
    let folder = image::folder("bench")?;
    let null = image::compile(folder.join("null"), &[image::source("calls/null.c")], &["-O1"])?;
    image::write(&image::with(&[("/bench/null", &null)])?, folder.join("calls.cpio"))
}

fn measure(set: &str, initrd: &Path) -> Result<Minima> {
    let mut args: Vec<OsString> = ["--servers", set, "--initrd"].map(Into::into).into();
    args.extend([initrd.into(), "--".into(), "/bench/null".into()]);
    parse(&run_in_lab(&args, &[initrd.to_owned()])?.0)
}

/// Reads lines such as `getpid 266 271`: minimum and median.
fn parse(output: &str) -> Result<Minima> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
    };
    output.lines().map(|l| line(l).with_context(|| format!("the program printed {l:?}"))).collect()
}

fn table(measured: &BTreeMap<&str, Minima>) -> Table {
    let all = measured.iter().flat_map(|(entry, minima)| minima.iter().map(move |minimum| (entry, minimum)));
    all.map(|(entry, (name, ticks))| (format!("{entry}-{name}"), Counts::instructions(*ticks))).collect()
}

const HEAD: &str = "## The shortest system calls

What a system call takes that does next to nothing: a raw `syscall` in a loop, with the instructions of the program, the Linux server and the µ-kernel
together, in the lab ([linux.md](linux.md#how-a-system-call-travels) says which way they travel). The minimum of 2001, less what two readings of the counter take. It is
to be no more than Linux itself needs, and through the trampoline no more than one and a half times that. `getppid-alarm` is `getppid` while the program
waits for an alarm. A test fails when a figure grows.

";

/// The part of the page. Writing to a String cannot fail.
fn page(measured: &BTreeMap<&str, Minima>) -> String {
    let mut out = String::from(HEAD);
    out += "| call | forwarded | through the trampoline | Linux 6.1 | the same with its mitigations |\n|---|---:|---:|---:|---:|\n";
    let [forwarded, trampoline] = ENTRIES.map(|(entry, _)| &measured[entry]);
    for (name, ticks) in forwarded {
        let of = |minima: &Minima| minima.iter().find(|(n, _)| n == name).map(|(_, ticks)| *ticks);
        let linux = LINUX.iter().find(|(n, ..)| n == name);
        let text = |ticks: Option<u64>| ticks.map(|t| t.to_string()).unwrap_or_default();
        let (other, plain, mitigated) =
            (text(of(trampoline)), text(linux.map(|l| l.1)), text(linux.and_then(|l| l.2)));
        let _ = writeln!(out, "| `{name}` | {ticks} | {other} | {plain} | {mitigated} |");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_program_prints_is_read() {
        let minima = parse("getpid 266 271\nunknown 900 1000\n").unwrap();
        assert_eq!(minima, [("getpid".to_owned(), 266), ("unknown".to_owned(), 900)]);
        assert!(parse("getpid\n").is_err() && parse("getpid x 1").is_err());
    }

    #[test]
    fn both_ways_are_promised_and_shown() {
        let measured = BTreeMap::from(ENTRIES.map(|(entry, _)| (entry, parse("getpid 7 8").unwrap())));
        let table = table(&measured);
        assert_eq!(table["forwarded-getpid"], Counts::instructions(7));
        assert_eq!(table.len(), 2);
        assert!(page(&measured).contains("| `getpid` | 7 | 7 | 311 | 350 |"));
    }
}
