//! Stock Linux kernels, in the lab: what of the machine works for them, and how `ukvmm` ends.
//!
//! A handful of boots; each of their checks is a test.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::batch::{Job, Results};
use guest_tests::guest::Boot;
use guest_tests::process::{self, End};
use guest_tests::stock::{self, Files, job, text};
use guest_tests::{compare, tap};
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use vmm_abi::exit;

const LIMIT: Duration = Duration::from_secs(60);

/// Checks that a guest makes, by the boots that they are made in.
const CHECKS: &[(&str, &[&str])] = &[
    (
        "devices",
        &[
            "entry",
            "hypervisor",
            "one-cpu",
            "clock",
            "input",
            "random",
            "disk-size",
            "disk-serial",
            "file-system",
            "read-back",
            "read-only",
            "read-only-content",
            "address",
            "download",
            "upload",
            "forwarded",
            "named-port",
            "terminal",
            "vsock-out",
            "vsock-in",
        ],
    ),
    ("pvh", &["entry", "acpi", "console"]),
    ("share", &["mount", "exchange", "remove", "mount-read-only", "refused"]),
    ("cpus", &["online", "cores", "work", "timers", "typed"]),
];

/// What has to be said in the lab, beside that: boot, test, line, and what standard error contains.
const LINES: &[(&str, &str, &str, &str)] = &[
    ("devices", "power-off", "# status 0", ""),
    ("devices", "forwarded-out", "# heard from the guest", ""),
    ("devices", "named-port-out", "# by a port from the guest", ""),
    ("devices", "terminal-out", "# by hvc0 from the guest", ""),
    ("pvh", "reboot", "# status 0", ""),
    ("pvh", "profile", EXITS, "has no trace points"),
    ("share", "keyboard-reset", "# status 0", ""),
    ("share", "answer", "# answer from the guest", ""),
    ("panic", "status", "# status 120", "the guest's kernel panicked"),
    ("panic", "profile", EXITS, ""),
    ("triple-fault", "status", "# status 121", "triple fault"),
    ("triple-fault", "profile", EXITS, ""),
    ("no-room", "status", "# status 125", "too little memory"),
    ("cpus", "power-off", "# status 0", ""),
    ("cpus", "paused", "# paused", ""),
    ("cpus", "resumed", "# running", ""),
];

/// In the lab, a CPU without a tick may sleep too long.
const CPUS: &str = "quiet nohz=off check=cpus";
/// Of a profile of a kernel without trace points.
const EXITS: &str = "VM exits, to the next entry, in ticks";

fn jobs(files: &Files) -> Vec<Job> {
    let ukvmm = &text(&files.ukvmm);
    let (bzimage, vmlinux) = (&text(&files.bzimage), &text(&files.vmlinux));
    let (generic, initrd) = (&text(&files.generic), &text(&files.initrd));
    let boot = |name, kernel: &str, rest: &[&str]| {
        job(name, "status.sh", &[&[ukvmm, "--kernel", kernel], rest].concat())
    };
    let crash = |name, cmdline: &str| {
        job(name, "crash.sh", &[ukvmm, "--kernel", vmlinux, "--profile", "-", "--cmdline", cmdline])
    };
    vec![
        job("devices", "devices.sh", &[ukvmm, bzimage, initrd, &text(&files.vsock)]),
        job("share", "share.sh", &[ukvmm, generic, initrd]),
        boot("pvh", vmlinux, &["--profile", "-", "--initrd", initrd, "--cmdline", "quiet check=pvh"]),
        job(
            "cpus",
            "control.sh",
            &[ukvmm, "--kernel", bzimage, "--initrd", initrd, "--cpus", "2", "--cmdline", CPUS],
        ),
        crash("panic", "quiet"),
        crash("triple-fault", "quiet reboot=t"),
        // An ELF file is as good as any for a root file system that is too large.
        boot("no-room", bzimage, &["--initrd", vmlinux, "--memory", "100M"]),
    ]
}

/// What became of the boots; made when first asked for.
#[derive(Clone)]
struct Boots(Arc<Shared<Result<Results, String>>>);

impl Boots {
    /// What a boot said on standard output and error.
    fn said(&self, context: &Context, boot: &str) -> Result<(Vec<u8>, String), String> {
        let results = self.0.get(&context.slots, || {
            let files = Files::new(&context.build)?;
            let is_asked_for = |job: &Job| names(&job.name).any(|name| context.is_selected(&name));
            let jobs: Vec<_> = jobs(&files).into_iter().filter(is_asked_for).collect();
            Ok(stock::run(&context.build, &files, &jobs))
        });
        let results = results.as_ref().map_err(Clone::clone)?;
        let outcome = results.get(boot).ok_or("it was not run")?.as_ref().map_err(Clone::clone)?;
        Ok((outcome.stdout.clone(), String::from_utf8_lossy(&outcome.stderr).into_owned()))
    }
}

/// The names of a boot's tests.
fn names(boot: &str) -> impl Iterator<Item = String> {
    let checks =
        CHECKS.iter().filter(move |(of, _)| *of == boot).flat_map(|(_, checks)| checks.iter().copied());
    let lines = LINES.iter().filter(move |(of, ..)| *of == boot).map(|(_, name, ..)| *name);
    let others = OTHERS.iter().filter(move |(of, ..)| *of == boot).map(|(_, name, _)| *name);
    checks.chain(lines).chain(others).map(move |name| format!("lab::stock::{boot}::{name}"))
}

/// What judges a boot's output.
type Judge = fn(&Context, &[u8]) -> Result<(), String>;

const OTHERS: &[(&str, &str, Judge)] = &[
    ("devices", "uploaded-out", sums_agree),
    ("devices", "file-system-out", file_system_is_whole),
    ("share", "copied-out", sums_agree),
    ("panic", "evidence", |_, stdout| has_left(stdout, &PANIC)),
    ("triple-fault", "evidence", |_, stdout| has_left(stdout, &TRIPLE_FAULT)),
];

/// What the folder of a kernel's death has in it.
const FILES: &str = "# left README.txt console.log log.txt manifest.json registers.txt\n";
const PANIC: [&str; 4] = [
    FILES,
    "\"kind\": \"panic\"",
    "Kernel panic - not syncing: VFS: Unable to mount root fs",
    "vCPU 0, in kernel mode\nrip ffffffff8",
];
/// The lab's CPU is one of AMD's.
const TRIPLE_FAULT: [&str; 3] = [FILES, "\"kind\": \"triple-fault\"", "vCPU 0: KVM has reset it"];

/// Whether there is what is expected.
fn has_left(stdout: &[u8], expected: &[&str]) -> Result<(), String> {
    let stdout = String::from_utf8_lossy(stdout);
    let missing = expected.iter().find(|expected| !stdout.contains(**expected));
    missing.map_or(Ok(()), |missing| Err(format!("there is no {missing:?} in\n{stdout}")))
}

/// Whether the lab got the bytes that it sent.
fn sums_agree(_: &Context, stdout: &[u8]) -> Result<(), String> {
    let stdout = String::from_utf8_lossy(stdout);
    let sum = |of: &str| stdout.lines().find_map(|line| line.strip_prefix(of)).map(str::to_owned);
    match (sum("# sent "), sum("# received ")) {
        (Some(sent), Some(received)) if sent == received => Ok(()),
        (sent, received) => Err(format!("sent {sent:?}, received {received:?}")),
    }
}

/// Whether this machine's tools find on the disk what the guest has written.
fn file_system_is_whole(context: &Context, stdout: &[u8]) -> Result<(), String> {
    let disk = text(&stock::disk(&context.build, stdout)?);
    let numbers: String = (1..=100_000).map(|n| format!("{n}\n")).collect();
    let commands = [
        (&["/sbin/e2fsck", "-fn", &disk][..], None),
        (&["/sbin/debugfs", "-R", "cat /words", &disk], Some("from the guest\n")),
        (&["/sbin/debugfs", "-R", "cat /folder/numbers", &disk], Some(&numbers)),
    ];
    for (words, expected) in commands {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        let outcome =
            process::run(command, b"", LIMIT).map_err(|e| format!("{e} (Debian's package e2fsprogs)"))?;
        let is_right = expected.is_none_or(|expected| outcome.stdout == expected.as_bytes());
        if outcome.end != End::Exited(0) || !is_right {
            return Err(format!("{words:?}: {}", compare::describe(&outcome)));
        }
    }
    Ok(())
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let boots = Boots(Arc::new(Shared::new()));
    let mut trials = Vec::new();
    for &(boot, checks) in CHECKS {
        for &check in checks {
            let boots = boots.clone();
            trials.push(plain(format!("lab::stock::{boot}::{check}"), context, move |context| {
                let (stdout, stderr) = boots.said(context, boot)?;
                let stdout = String::from_utf8_lossy(&stdout);
                tap::check(&stdout, check).map_err(|e| format!("{e}\n{}\n{stderr}", shown(&stdout)))
            }));
        }
    }
    for &(boot, name, line, on_stderr) in LINES {
        let boots = boots.clone();
        trials.push(plain(format!("lab::stock::{boot}::{name}"), context, move |context| {
            let (stdout, stderr) = boots.said(context, boot)?;
            let stdout = String::from_utf8_lossy(&stdout);
            if stdout.lines().any(|found| found == line) && stderr.contains(on_stderr) {
                return Ok(());
            }
            Err(format!("expected {line:?} and {on_stderr:?}; found\n{}\n{stderr}", shown(&stdout)))
        }));
    }
    for &(boot, name, judge) in OTHERS {
        let boots = boots.clone();
        trials.push(plain(format!("lab::stock::{boot}::{name}"), context, move |context| {
            judge(context, &boots.said(context, boot)?.0)
        }));
    }
    trials.push(on_kvm("stock::refused-or-run", context, refused_or_run));
    trials
}

/// Standard output without the disk.
fn shown(stdout: &str) -> &str {
    stdout.split("# disk\n").next().unwrap_or_default()
}

/// This machine's KVM runs a stock kernel if it can run one; if it cannot, `ukvmm` says why at once.
fn refused_or_run(context: &Context) -> Result<(), String> {
    let files = Files::new(&context.build)?;
    let (bzimage, initrd) = (text(&files.bzimage), text(&files.initrd));
    let words = ["--kernel", &bzimage, "--initrd", &initrd, "--cmdline", "quiet check=pvh"];
    let outcome = Boot::words(&context.build, &words)?.timeout(LIMIT).run_kvm(b"", LIMIT)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let refused =
        outcome.end == End::Exited(exit::NO_KVM.into()) && stderr.contains("no hardware virtualisation");
    let mut doctor = Command::new(&files.ukvmm);
    doctor.arg("doctor");
    let doctor = process::run(doctor, b"", LIMIT)?;
    let emulates = String::from_utf8_lossy(&doctor.stdout).contains("guest kernel mode is emulated");
    let run = outcome.end == End::Exited(0)
        && tap::check(&String::from_utf8_lossy(&outcome.stdout), "acpi").is_ok();
    if if emulates { refused } else { run } { Ok(()) } else { Err(compare::describe(&outcome)) }
}
