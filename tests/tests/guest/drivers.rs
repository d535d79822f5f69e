//! Drivers that are killed: the server set `drivers` writes to a disk while the disk's driver dies again and again
//! (`tests/blocktest`). What is on the disk afterwards is compared here with what the guest says that it wrote.
//!
//! On this machine's KVM and in the lab the device is `ukvmm`'s, in QEMU's machine `microvm` it is QEMU's.

use crate::driver_profile::DriverProfile;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{self, Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::qemu::{Qemu, exit_status};
use libtest_mimic::Trial;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Seed, kills, failures of each kind.
const WORDS: [&str; 3] = ["1", "100", "2"];
/// In the lab, where a guest is slow.
const WORDS_IN_LAB: [&str; 3] = ["1", "15", "1"];
/// Where only the way to the disk is of interest.
const WORDS_BY_ACCEL: [&str; 3] = ["1", "2", "0"];
const LIMIT: Duration = Duration::from_secs(150);
const DISK_BYTES: u64 = 8 << 20;
/// The part of the disk that the guest writes to and tells the checksum of: `FIRST_SECTOR` and `BLOCKS` of `tests/blocktest`.
const WRITTEN: std::ops::Range<usize> = 0x10_0000..0x30_0000;
/// Longest time that nobody is served, in microseconds. It is held to in the lab, where nothing else takes the processor's time.
const OUTAGE_MAX_US: u64 = 100_000;
/// A machine with virtio-mmio devices of QEMU's, which are named on the command line, and what our kernel needs.
const MICROVM: &str = "microvm,acpi=off,isa-serial=on,rtc=on";

/// An empty disk.
fn disk(context: &Context, name: &str) -> Result<PathBuf, String> {
    let folder = context.build.tests();
    let path = folder.join(format!("disk-{name}.img"));
    let made = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::File::create(&path))
        .and_then(|file| file.set_len(DISK_BYTES));
    made.map_err(|e| format!("cannot make {}: {e}", path.display()))?;
    Ok(path)
}

fn content(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

fn boot(context: &Context, disk: &Path, options: &[&str], words: &[&str]) -> Result<Boot, String> {
    let (kernel, disk) = (context.build.kernel()?, disk.to_string_lossy().into_owned());
    let kernel = kernel.to_string_lossy();
    let boot = Boot::words(&context.build, &["--kernel", &kernel, "--servers", "drivers", "--disk", &disk])?;
    Ok(boot.with(options).timeout(LIMIT).program(words))
}

/// The guest has ended well, and the disk holds what it says. Its report of outages is printed.
fn check(place: &str, outcome: &Outcome, end: End, disk: &[u8]) -> Result<(), String> {
    let log = String::from_utf8_lossy(&outcome.stderr);
    for line in log.lines().filter(|line| line.contains("outage")) {
        println!("{place}: {line}");
    }
    let passed = log.lines().find(|line| line.starts_with("blocktest: passed: "));
    let sum =
        passed.and_then(|line| line.rsplit_once("checksum 0x")).map(|(_, sum)| u64::from_str_radix(sum, 16));
    let Some(Ok(sum)) = sum.filter(|_| outcome.end == end) else { return Err(compare::describe(outcome)) };
    let written = disk.get(WRITTEN).ok_or_else(|| format!("the disk has {} bytes", disk.len()))?;
    let found = checksum(written);
    if found == sum {
        Ok(())
    } else {
        Err(format!("the disk's checksum is {found:#x}, not {sum:#x}; {}", compare::describe(outcome)))
    }
}

/// FNV-1a, 64 bits, as the guest computes it.
fn checksum(bytes: &[u8]) -> u64 {
    let step = |sum: u64, byte: &u8| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

fn on_this_machine(context: &Context) -> Result<(), String> {
    let disk = disk(context, "kvm")?;
    let profile = DriverProfile::new("blocktest", "block")?;
    let outcome = boot(context, &disk, &["--profile", &profile.file()], &WORDS)?.run_kvm(b"", LIMIT)?;
    check("kvm", &outcome, End::Exited(0), &content(&disk)?)?;
    profile.check()
}

fn in_qemu(context: &Context) -> Result<(), String> {
    let disk = disk(context, "qemu")?;
    let drive = format!("if=none,id=disk,format=raw,file={}", disk.display());
    // The clock counts instructions, but waiting takes as long as it takes: the disk is a file of the host's.
    let mut options = vec!["-icount", "shift=3,sleep=on", "-global", "virtio-mmio.force-legacy=off"];
    options.extend(["-drive", &drive, "-device", "virtio-blk-device,drive=disk"]);
    let machine =
        Qemu { machine: MICROVM, memory_mib: 256, cpus: 1, set: "drivers", words: &WORDS, options: &options };
    let outcome = machine.run(&context.build, "drivers", LIMIT)?;
    check("qemu", &outcome, exit_status(0), &content(&disk)?)
}

/// What is written in the lab does not come back, but what its programs print does: the disk comes on standard output.
fn in_lab(context: &Context) -> Result<(), String> {
    let disk = disk(context, "lab")?;
    let script = r#"{boot} >&2; status=$?; busybox cat "$1"; exit $status"#;
    let outcome = guest::run_script_in_lab(
        &context.build,
        "drivers.sh",
        script,
        &[&disk],
        &boot(context, &disk, &[], &WORDS_IN_LAB)?,
        LAB_LIMIT,
    )?;
    check("lab", &outcome, End::Exited(0), &outcome.stdout)?;
    let log = String::from_utf8_lossy(&outcome.stderr);
    match longest_outage(&log) {
        Some(longest) if longest <= OUTAGE_MAX_US => Ok(()),
        found => Err(format!("the longest outage is {found:?} us; {}", compare::describe(&outcome))),
    }
}

fn longest_outage(log: &str) -> Option<u64> {
    let longest = |line: &str| line.split_once(" max ")?.1.strip_suffix(" us")?.parse::<u64>().ok();
    log.lines()
        .filter(|line| line.contains(": outage "))
        .map(longest)
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .max()
}

/// Without a disk every server is told so, and the machine ends as it should.
fn no_disk(context: &Context) -> Result<(), String> {
    let kernel = context.build.kernel()?;
    let boot = Boot::words(&context.build, &["--kernel", &kernel.to_string_lossy(), "--servers", "drivers"])?;
    let outcome = boot.timeout(LIMIT).run_kvm(b"", LIMIT)?;
    let log = String::from_utf8_lossy(&outcome.stderr);
    let told = [
        "block: the machine has no such device",
        "nodisk: the machine has no such device",
        "refused: NoDevice",
    ];
    if outcome.end == End::Exited(1) && told.iter().all(|text| log.contains(text)) {
        Ok(())
    } else {
        Err(compare::describe(&outcome))
    }
}

/// By `ukvmm --accel lab`, whose disk is a file of this machine.
fn by_accel(context: &Context) -> Result<(), String> {
    let disk = disk(context, "accel")?;
    let boot = boot(context, &disk, &["--accel", "lab"], &WORDS_BY_ACCEL)?;
    let outcome = boot.run_kvm(b"", LAB_LIMIT)?;
    check("accel", &outcome, End::Exited(0), &content(&disk)?)
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        on_kvm("drivers::block-killed", context, on_this_machine),
        on_kvm("drivers::no-disk", context, no_disk),
        plain("qemu::drivers::block-killed".to_owned(), context, in_qemu),
        plain("lab::drivers::block-killed".to_owned(), context, in_lab),
        plain("lab::accel::disk".to_owned(), context, by_accel),
    ]
}
