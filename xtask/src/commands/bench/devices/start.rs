//! From the start of the VMM to the guest's first instruction, and the VMM's memory then: `ukvmm` and QEMU's `microvm`, in turn, on this
//! machine's KVM.
//!
//! The guest is the same, a handful of instructions that write a byte to the UART; the time ends when the byte has come.

use crate::commands::bench::host::{Times, resident};
use crate::commands::bench::image;
use crate::{paths, process};
use anyhow::{Context, Result};
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const RUNS: usize = 25;
/// Longest that a start may take.
const LIMIT: Duration = Duration::from_secs(30);
const MEMORY_MIB: u64 = 256;

/// Of one VMM.
#[derive(Clone, Copy)]
pub struct Start {
    pub time: Times,
    /// Resident bytes without the guest's RAM.
    pub memory: u64,
}

pub struct Starts {
    pub ukvmm: Start,
    pub qemu: Start,
}

/// `None` where there is no KVM.
pub fn measure() -> Result<Option<Starts>> {
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        eprintln!("==> no figures from this machine's KVM: /dev/kvm: {error}");
        return Ok(None);
    }
    let (guest, with_note) = (guest("start", &[])?, guest("start-pvh", &["-DPVH"])?);
    process::step("this machine: starting ukvmm and QEMU's microvm", || {
        let (mut ours, mut qemus) = (Vec::new(), Vec::new());
        // In turn, so that what else the machine does is the same for both.
        for _ in 0..RUNS {
            ours.push(run(ukvmm(&guest))?);
            qemus.push(run(qemu(&with_note))?);
        }
        Ok(Some(Starts { ukvmm: summary(ours), qemu: summary(qemus) }))
    })
}

/// The guest: as `ukvmm` takes it, or with the note by which QEMU knows where to enter (and `ukvmm` a stock kernel).
fn guest(name: &str, flags: &[&str]) -> Result<PathBuf> {
    let bare = ["-nostdlib", "-no-pie", "-Wl,-N,-Ttext=0x200000,--build-id=none,--no-warn-rwx-segments"];
    let program = image::folder("bench")?.join(name);
    image::compile(program, &[image::source("devices/start.S")], &[&bare, flags].concat())
}

fn ukvmm(guest: &Path) -> Command {
    let mut command = Command::new(paths::build().join("ukvmm"));
    command.arg("--kernel").arg(guest).args(["--uart", "--memory", &format!("{MEMORY_MIB}M")]);
    command
}

fn qemu(guest: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-M", "microvm", "-accel", "kvm", "-m", &MEMORY_MIB.to_string()]);
    command
        .args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-kernel"])
        .arg(guest);
    command
}

/// Time until the byte, and resident bytes then.
fn run(mut command: Command) -> Result<(Duration, u64)> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", process::show(&command)))?;
    let result = look(&mut child, start);
    child.kill()?;
    child.wait()?;
    result.with_context(|| process::show(&command))
}

fn look(child: &mut Child, start: Instant) -> Result<(Duration, u64)> {
    let mut stdout = child.stdout.take().context("no standard output")?;
    let (sender, first) = channel();
    // It ends with the child.
    thread::spawn(move || sender.send(stdout.read_exact(&mut [0]).map(|()| start.elapsed())));
    let time = first
        .recv_timeout(LIMIT)
        .context("the guest says nothing")?
        .context("it ended without a guest's word")?;
    let smaps = fs::read_to_string(format!("/proc/{}/smaps", child.id()))?;
    Ok((time, resident(&smaps, MEMORY_MIB << 20)?.1))
}

fn summary(mut runs: Vec<(Duration, u64)>) -> Start {
    runs.sort();
    let (min, median) = (runs[0].0, runs[runs.len() / 2].0);
    Start { time: Times { min, median }, memory: runs.iter().map(|run| run.1).max().unwrap_or_default() }
}
