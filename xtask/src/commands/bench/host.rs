//! Figures from this machine: times, which differ from run to run and from machine to machine, and memory.

use crate::{paths, setup};
use anyhow::{Context, Result, bail, ensure};
use lab::process;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs of which the minimum and the median are taken.
const RUNS: usize = 15;
/// The script takes long, and says little more when it is run more often.
const SCRIPT_RUNS: usize = 3;
/// What it ends with, everywhere.
const SCRIPT_STATUS: i32 = 42;
/// The guest's memory.
const MEMORY: u64 = 256 << 20;
const PAGE: usize = 4096;
/// A program that prints and then waits, so that one can look.
const WAITING: [&str; 4] = ["/bin/busybox", "sh", "-c", "echo here; sleep 60"];

/// Times of several runs.
#[derive(Clone, Copy)]
pub struct Times {
    pub min: Duration,
    pub median: Duration,
}

pub struct Figures {
    /// `ukvmm … -- /bin/busybox true`, from start to exit.
    pub true_program: Times,
    /// The test suite's long shell script, in the guest and on this machine.
    pub script_guest: Times,
    pub script_host: Times,
    /// Memory when a program prints its first byte.
    pub memory: Memory,
}

/// Bytes.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Memory {
    /// Pages of the guest's RAM that hold anything but zeros.
    pub guest: u64,
    /// Resident memory of `ukvmm` less the guest's RAM.
    pub ukvmm: u64,
}

/// The long shell script of the tests.
pub fn script() -> PathBuf {
    paths::root().join("tests/programs/script.sh")
}

/// `None` where there is no KVM to measure.
pub fn measure(initrd: &Path) -> Result<Option<Figures>> {
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        eprintln!("==> no figures from this machine's KVM: /dev/kvm: {error}");
        return Ok(None);
    }
    let busybox = setup::BUSYBOX;
    let figures = || {
        Ok(Figures {
            true_program: times(RUNS, 0, || ukvmm(initrd, &["/bin/busybox", "true"]))?,
            script_guest: times(SCRIPT_RUNS, SCRIPT_STATUS, || {
                ukvmm(initrd, &[busybox, "sh", "/bench/script.sh", "/tmp/case"])
            })?,
            script_host: script_on_host()?,
            memory: memory(initrd)?,
        })
    };
    process::step("this machine: times and memory", figures).map(Some)
}

fn script_on_host() -> Result<Times> {
    let folder = paths::absolute(&paths::build())?.join("bench/case");
    let (script, path) = (script(), folder.clone());
    let times = times(RUNS, SCRIPT_STATUS, move || {
        drop(fs::remove_dir_all(&path));
        let mut command = Command::new(setup::BUSYBOX);
        command.arg("sh").arg(&script).arg(&path).env_clear().env("PATH", "/bin").env("HOME", "/");
        command
    });
    drop(fs::remove_dir_all(&folder));
    times
}

/// A command line of `ukvmm`.
fn ukvmm(initrd: &Path, program: &[&str]) -> Command {
    let build = paths::build();
    let mut command = Command::new(build.join("ukvmm"));
    command.arg("--kernel").arg(build.join("guest.elf")).args(["--servers", "linux", "--initrd"]).arg(initrd);
    command.args(["--memory", &format!("{}M", MEMORY >> 20), "--timeout", "100", "--"]).args(program);
    command
}

/// Real time from start to exit of a command that ends with `status`.
fn times(runs: usize, status: i32, command: impl Fn() -> Command) -> Result<Times> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let mut command = command();
        let start = Instant::now();
        process::status_is(&mut command, status)?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(Times { min: times[0], median: times[times.len() / 2] })
}

/// Boots a program that waits after its first line, and looks.
fn memory(initrd: &Path) -> Result<Memory> {
    let mut command = ukvmm(initrd, &WAITING);
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cannot start ukvmm")?;
    let memory = look(&mut child);
    child.kill()?;
    child.wait()?;
    memory
}

fn look(child: &mut Child) -> Result<Memory> {
    let mut byte = [0];
    let stdout = child.stdout.as_mut().expect("stdout is a pipe");
    stdout.read_exact(&mut byte).context("the guest ended without output")?;
    let smaps = fs::read_to_string(format!("/proc/{}/smaps", child.id()))?;
    let (ram, ukvmm) = resident(&smaps, MEMORY)?;
    Ok(Memory { guest: used(child.id(), ram)?, ukvmm })
}

/// Reads `/proc/PID/smaps`: the mapping of the guest's RAM, which is the only one of its size, and the resident bytes of
/// all others.
pub fn resident(smaps: &str, ram_size: u64) -> Result<(Range<u64>, u64)> {
    let (mut ram, mut current, mut others) = (None, 0..0, 0);
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { continue };
        if let Some(range) = range(first) {
            current = range;
        } else if first == "Rss:" {
            let kib: u64 = words.next().unwrap_or_default().parse().context("smaps: Rss is no number")?;
            if current.end - current.start >= ram_size {
                ensure!(ram.is_none(), "smaps: two mappings could be the guest's RAM");
                ram = Some(current.clone());
            } else {
                others += kib << 10;
            }
        }
    }
    let Some(ram) = ram else { bail!("smaps: no mapping of {ram_size} bytes") };
    Ok((ram, others))
}

/// `START-END` in hexadecimal.
fn range(word: &str) -> Option<Range<u64>> {
    let (start, end) = word.split_once('-')?;
    Some(u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?)
}

/// Bytes in pages that hold anything but zeros. Pages that the process never touched read as zeros.
fn used(pid: u32, range: Range<u64>) -> Result<u64> {
    let mut memory = File::open(format!("/proc/{pid}/mem"))?;
    memory.seek(SeekFrom::Start(range.start))?;
    let (mut page, mut used) = ([0; PAGE], 0);
    for _ in range.step_by(PAGE) {
        memory.read_exact(&mut page).context("cannot read the guest's RAM")?;
        used += if page.iter().any(|&byte| byte != 0) { PAGE as u64 } else { 0 };
    }
    Ok(used)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_ram_is_told_from_the_rest() {
        let smaps = "10000-20000 r-xp 00000000 08:01 1 /x\nSize: 64 kB\nRss:   40 kB\nPss: 1 kB\n\
                     7f0000000000-7f0010000000 rw-p 0 00:00 0\nRss: 9999 kB\n7fff00000000-7fff00001000 rw-p 0 0:0 0\nRss: 4 kB\n";
        let expected = (0x7f00_0000_0000..0x7f00_1000_0000, 44 << 10);
        assert_eq!(resident(smaps, 256 << 20).unwrap(), expected);
        assert!(resident(smaps, 512 << 20).is_err());
    }

    #[test]
    fn used_pages_are_counted() {
        let mut memory = vec![0u8; 16 * PAGE];
        let start = (memory.as_ptr() as u64).next_multiple_of(PAGE as u64);
        let offset = (start - memory.as_ptr() as u64) as usize;
        memory[offset + 5] = 1;
        memory[offset + 3 * PAGE - 1] = 1;
        assert_eq!(used(std::process::id(), start..start + 8 * PAGE as u64).unwrap(), 2 * PAGE as u64);
    }
}
