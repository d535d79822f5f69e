//! Profiles of whole runs: that everything which should be in one is there, and that guest and host agree when it was.

use crate::samples;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::profile::Profile;
use guest_tests::programs;
use libtest_mimic::Trial;
use profile::file::Ticks;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use vmm_abi::exit;
use vmm_abi::trace::{Event, Record};

const LIMIT: Duration = Duration::from_secs(60);
/// `tests/programs/events.c`, which calls something between two events of its own; as a process that is gone long before the guest ends.
const EVENTS: &str = "/tests/events";
/// What it is called.
const NAME: &str = "linux: events[2]";
const OUTPUT: &str = "20 calls\n";
const BEGIN: Event = Event(Event::USER.0 + 1);
const END: Event = Event(Event::USER.0 + 2);
const CALLS: usize = 20;
const GETPPID: u64 = 110;

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// What is true of every complete profile.
fn check_whole(recorded: &Profile) -> Result<(), String> {
    ensure(recorded.header.records, || "the kernel has no trace points".into())?;
    for end in &recorded.trailer.rings {
        let records = recorded.rings.get(&end.ring).map_or(&[][..], Vec::as_slice);
        ensure(records.len() as u64 == end.records && end.dropped + end.incomplete == 0, || {
            format!("{end:?}, {} records are there", records.len())
        })?;
        let in_order = records.iter().map(Record::sequence).eq(1..=records.len() as u32);
        ensure(in_order, || format!("a record of {:?} is missing or twice there", end.ring))?;
    }
    check_clocks(recorded)
}

/// The host's records are made by another clock: it has to have entered the guest before anything was recorded there, and left it afterwards.
fn check_clocks(recorded: &Profile) -> Result<(), String> {
    let alignment = recorded.trailer.certificate.alignment.ok_or("the clocks are not aligned")?;
    let first = recorded.guest().map(|record| record.tsc).min().ok_or("the guest has recorded nothing")?;
    let last = recorded.guest().map(|record| record.tsc).max().unwrap_or(0);
    let entered = recorded.host(Event::VM_ENTRY).map(|record| record.tsc).min().ok_or("no VM entry")?;
    let left = recorded.host(Event::VM_EXIT).map(|record| record.tsc).max().ok_or("no VM exit")?;
    let error = alignment.error;
    ensure(entered <= first + error && last <= left + error, || {
        format!(
            "the guest was entered at {entered}, it recorded from {first} to {last}, it was left at {left}; ±{error}"
        )
    })
}

/// The profile of [`EVENTS`].
fn check_events(recorded: &Profile, ticks: Ticks) -> Result<(), String> {
    check_whole(recorded)?;
    let (begin, end) = (recorded.only(BEGIN)?, recorded.only(END)?);
    // The server's records, by its own clock, around the kernel's.
    let is_call = |record: &&Record| {
        record.event() == Event::ENTER_SYSCALL
            && (record.thread, record.argument) == (begin.thread, GETPPID)
            && (begin.tsc..end.tsc).contains(&record.tsc)
    };
    let calls = recorded.guest().filter(is_call).count();
    ensure(calls == CALLS, || format!("{calls} calls between the program's events, not {CALLS}"))?;
    for name in ["sigma0", "root", "linux", NAME] {
        ensure(recorded.names.iter().any(|known| known == name), || {
            format!("no task is called {name:?}: {:?}", recorded.names)
        })?;
    }
    let certificate = &recorded.trailer.certificate;
    ensure(certificate.ticks == ticks && certificate.vcpus.len() == usize::from(recorded.header.cpus), || {
        format!("{certificate:?}")
    })
}

/// Those that were taken are there, and it is said what they have cost.
fn check_samples(recorded: &Profile) -> Result<(), String> {
    let sampling = recorded.trailer.certificate.sampling.ok_or("nothing is said of samples")?;
    let count = recorded.stacks.total();
    let is_good = count > 0 && count <= sampling.taken && sampling.stopped_ns > 0;
    ensure(is_good, || format!("{count} samples, and {sampling:?}"))
}

/// The command line that profiles [`EVENTS`].
fn events(context: &Context, options: &[&str], profile: &str) -> Result<Boot, String> {
    profiled(context, options, profile, &format!("{EVENTS}; true"))
}

/// The one that profiles what a shell runs.
fn profiled(context: &Context, options: &[&str], profile: &str, script: &str) -> Result<Boot, String> {
    let boot = Boot::linux(&context.build, &programs::image(&context.build)?)?.with(options);
    Ok(boot.with(&["--profile", profile]).timeout(LIMIT).program(&["/bin/busybox", "sh", "-c", script]))
}

fn check_output(outcome: &Outcome) -> Result<(), String> {
    let is_good = outcome.end == End::Exited(0) && outcome.stdout.starts_with(OUTPUT.as_bytes());
    ensure(is_good, || compare::describe(outcome))
}

fn folder() -> Result<tempfile::TempDir, String> {
    tempfile::tempdir().map_err(|e| e.to_string())
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Several CPUs, and a debugger that may come: other ways through `ukvmm`.
fn by_all_ways(context: &Context) -> Result<(), String> {
    let folder = folder()?;
    let (path, socket) = (folder.path().join("p"), format!("unix:{}", text(&folder.path().join("gdb"))));
    for options in [&[][..], &["--cpus", "2"], &["--gdb", &socket]] {
        let outcome = events(context, options, &format!("{},hz=499", text(&path)))?.run_kvm(b"", LIMIT)?;
        check_output(&outcome)?;
        let checked = Profile::read(&path).and_then(|recorded| {
            check_samples(&recorded)?;
            check_events(&recorded, Ticks::Cycles)
        });
        checked.map_err(|error| format!("{options:?}: {error}"))?;
    }
    Ok(())
}

/// A machine that is stopped before its time leaves a complete profile.
fn cut_short(context: &Context) -> Result<(), String> {
    let folder = folder()?;
    let path = folder.path().join("p");
    let boot = Boot::linux(&context.build, &context.build.initrd()?)?.with(&["--profile", &text(&path)]);
    let boot = boot.with(&["--timeout", "1"]).program(&["/bin/busybox", "sleep", "100"]);
    let outcome = boot.run_kvm(b"", LIMIT)?;
    ensure(outcome.end == End::Exited(exit::TIMEOUT.into()), || compare::describe(&outcome))?;
    let recorded = Profile::read(&path)?;
    check_whole(&recorded)?;
    let ending = &recorded.trailer.ending;
    ensure(ending.status == Some(exit::TIMEOUT), || format!("{ending:?}"))
}

/// Behind what the program prints: its calls, its events, and what lies between them.
fn on_standard_output(context: &Context) -> Result<(), String> {
    let outcome = events(context, &[], "-,format=jsonl")?.run_kvm(b"", LIMIT)?;
    check_output(&outcome)?;
    let stdout = String::from_utf8_lossy(&outcome.stdout);
    for (kind, name) in [("linux", "getppid"), ("between-events", &format!("1 → 2, {NAME}")), ("event", NAME)]
    {
        let is_it = |line: &str| {
            line.contains(&format!("\"kind\":\"{kind}\"")) && line.contains(&format!("\"name\":\"{name}\""))
        };
        ensure(stdout.lines().any(is_it), || format!("no {kind} {name}: {stdout}"))?;
    }
    Ok(())
}

/// What was recorded in the lab is here, and each tick is an instruction.
fn in_lab(context: &Context) -> Result<(), String> {
    let folder = folder()?;
    let path = folder.path().join("p");
    // With samples: where the time of the programs behind it is.
    let profile = format!("{},hz=5000", text(&path));
    let script = format!("{EVENTS} && {}", samples::line(100, 50));
    let outcome = profiled(context, &[], &profile, &script)?.run_lab(b"", LAB_LIMIT)?;
    check_output(&outcome)?;
    let recorded = Profile::read(&path)?;
    check_events(&recorded, Ticks::Instructions)?;
    let folded = recorded.stacks.folded().into_iter();
    samples::check(
        &folded.map(|(path, count)| (path.into_iter().map(String::from).collect(), count)).collect(),
    )
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        on_kvm("profile::by-all-ways", context, by_all_ways),
        on_kvm("profile::cut-short", context, cut_short),
        on_kvm("profile::on-standard-output", context, on_standard_output),
        plain("lab::profile".to_owned(), context, in_lab),
    ]
}
