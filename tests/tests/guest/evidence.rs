//! What a system that dies leaves behind (`docs/evidence.md`), and what its tests come to.

use crate::trials::{Context, on_kvm};
use guest_tests::build::repository;
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{self, End, Outcome};
use libtest_mimic::Trial;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use vmm_abi::exit;

const LIMIT: Duration = Duration::from_secs(60);
const CHAPTER: &str = "docs/evidence.md";
/// With this, the Linux server has too little, and says so; with that, the kernel has.
const LITTLE: &str = "40M";
const TOO_LITTLE: &str = "12M";

/// The folder of a system that was given so little memory.
fn die(context: &Context, folder: &Path, memory: &str) -> Result<PathBuf, String> {
    let crashes = folder.to_string_lossy();
    let words = ["--memory", memory, "--crash-dir", &crashes];
    let boot = Boot::linux(&context.build, &context.build.initrd()?)?.timeout(LIMIT).with(&words);
    let outcome = boot.program(&["/bin/true"]).run_kvm(b"", LIMIT)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let told = stderr.lines().find_map(|line| line.split_once("evidence: ")).map(|(_, path)| path);
    match told {
        Some(path) if outcome.end == End::Exited(exit::KERNEL_PANIC.into()) => Ok(path.into()),
        _ => Err(compare::describe(&outcome)),
    }
}

/// Each of `expected` is in the file.
fn has(folder: &Path, file: &str, expected: &[&str]) -> Result<(), String> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    match expected.iter().find(|expected| !text.contains(**expected)) {
        Some(missing) => Err(format!("{file} lacks {missing:?}:\n{text}")),
        None => Ok(()),
    }
}

/// The lines of the example that follow this word of the chapter's.
fn example(after: &str) -> Result<Vec<String>, String> {
    let path = repository().join(CHAPTER);
    let chapter = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (_, rest) = chapter.split_once(after).ok_or_else(|| format!("{CHAPTER} has no {after}"))?;
    let lines = rest.lines().skip(2).map_while(|line| line.strip_prefix("    ")).map(str::to_owned);
    Ok(lines.filter(|line| line != "…").collect())
}

/// A system without memory for its Linux server.
fn no_room_for_programs(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = die(context, folder.path(), LITTLE)?;
    has(&folder, "console.log", &["no memory for programs", "root: server linux failed"])?;
    for (file, words) in [("events.txt", "`events.txt`:\n"), ("threads.txt", "`threads.txt`:\n")] {
        let example = example(words)?;
        has(&folder, file, &example.iter().map(String::as_str).collect::<Vec<_>>())?;
    }
    has(&folder, "registers.txt", &["vCPU 0, in user mode: 2.1 (root)\nrip ", "#0 "])?;
    has(&folder, "manifest.json", &["\"kind\": \"panic\"", "\"name\": \"linux\"", "core.elf"])?;
    // Linux' names for its threads are those of processes.
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-ex", "info threads"]).env("LC_ALL", "C");
    let outcome = process::run(with_core(gdb, &context.build.kernel()?, &folder), b"", LIMIT)?;
    said(&outcome, &["LWP 1 ", "LWP 20001 "])
}

fn with_core(mut gdb: Command, kernel: &Path, folder: &Path) -> Command {
    gdb.arg(kernel).arg(folder.join("core.elf"));
    gdb
}

fn said(outcome: &Outcome, expected: &[&str]) -> Result<(), String> {
    let text = String::from_utf8_lossy(&outcome.stdout);
    if expected.iter().all(|word| text.contains(word)) { Ok(()) } else { Err(compare::describe(outcome)) }
}

/// A kernel without memory for itself: who called whom is known by its debug information.
fn no_room_for_the_kernel(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let folder = die(context, folder.path(), TOO_LITTLE)?;
    has(&folder, "console.log", &["kernel panic: "])?;
    has(
        &folder,
        "registers.txt",
        &["in kernel mode", " core::panicking::panic_fmt\n", " ukernel::start::main\n"],
    )?;
    has(&folder, "events.txt", &["nothing has happened"])
}

/// Our own servers report on the log, Linux programs on standard output.
fn junit(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let report = folder.path().join("report.xml");
    let option = ["--junit", &report.to_string_lossy()];
    let kernel = context.build.kernel()?;
    let words = ["--kernel", &kernel.to_string_lossy(), "--servers", "conformance"];
    let boot = Boot::words(&context.build, &words)?.with(&option).timeout(LIMIT).program(&["ipc/call"]);
    let outcome = boot.run_kvm(b"", LIMIT)?;
    if outcome.end != End::Exited(0) {
        return Err(compare::describe(&outcome));
    }
    has(
        folder.path(),
        "report.xml",
        &["<testcase name=\"ipc/call-and-reply\"", "failures=\"0\" errors=\"0\""],
    )?;
    let boot = Boot::linux(&context.build, &context.build.initrd()?)?.with(&option).timeout(LIMIT);
    let script = "echo 1..2; echo ok 1 a; echo 'not ok 2 b # why'";
    let outcome = boot.program(&["/bin/sh", "-c", script]).run_kvm(b"", LIMIT)?;
    if outcome.end != End::Exited(1) {
        return Err(compare::describe(&outcome));
    }
    has(folder.path(), "report.xml", &["tests=\"3\" failures=\"1\" errors=\"0\"", "message=\"why\""])
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        on_kvm("evidence::no-room-for-programs", context, no_room_for_programs),
        on_kvm("evidence::no-room-for-the-kernel", context, no_room_for_the_kernel),
        on_kvm("evidence::junit", context, junit),
    ]
}
