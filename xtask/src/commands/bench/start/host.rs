//! Starts on this machine's KVM, of one VMM after the other in turn.

use super::{Guest, MEMORY_MIB, Vmm};
use crate::commands::bench::host::{Times, resident};
use anyhow::{Context, Result, ensure};
use lab::process;
use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

const RUNS: usize = 25;
/// Longest that a start may take.
const LIMIT: Duration = Duration::from_secs(30);

/// What the starts of one VMM took.
#[derive(Clone, Copy)]
pub struct Start {
    /// From its start until the guest's byte.
    pub real: Times,
    /// Of its threads until then, the guest's instructions included.
    pub cpu: Times,
    /// Resident bytes without the guest's RAM, then: the most of all runs.
    pub memory: u64,
}

/// One start.
struct Run {
    real: Duration,
    cpu: Duration,
    memory: u64,
}

/// In the order of [`Vmm::ALL`]; `None` where there is no KVM.
pub fn measure(guest: &Guest) -> Result<Option<[Start; 3]>> {
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        eprintln!("==> no figures from this machine's KVM: /dev/kvm: {error}");
        return Ok(None);
    }
    process::step("this machine: starting ukvmm and QEMU's microvm", || {
        let mut runs = [const { Vec::new() }; 3];
        // In turn, so that what else the machine does is the same for all.
        for _ in 0..RUNS {
            for (vmm, runs) in Vmm::ALL.into_iter().zip(&mut runs) {
                runs.push(run(vmm.command(guest)?)?);
            }
        }
        Ok(Some(runs.map(|runs| summary(&runs))))
    })
}

fn run(mut command: Command) -> Result<Run> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("cannot start {}", process::show(&command)))?;
    let result = look(&mut child, start);
    child.kill()?;
    child.wait()?;
    result.with_context(|| process::show(&command))
}

fn look(child: &mut Child, start: Instant) -> Result<Run> {
    let mut stdout = child.stdout.take().context("no standard output")?;
    let (sender, first) = channel();
    // It ends with the child.
    thread::spawn(move || sender.send(stdout.read_exact(&mut [0]).map(|()| start.elapsed())));
    let real = first
        .recv_timeout(LIMIT)
        .context("the guest says nothing")?
        .context("it ended without a guest's word")?;
    let cpu = processor_time(child.id())?;
    let smaps = fs::read_to_string(format!("/proc/{}/smaps", child.id()))?;
    Ok(Run { real, cpu, memory: resident(&smaps, MEMORY_MIB << 20)?.1 })
}

/// What all threads of a process have run so far, to the nanosecond: `/proc/PID/stat` counts in hundredths of a second.
fn processor_time(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = task?.path().join("schedstat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        sum += running(&text).with_context(|| format!("{}: {text:?}", path.display()))?;
    }
    ensure!(!sum.is_zero(), "the kernel does not count what threads run");
    Ok(sum)
}

/// Reads a `schedstat`: nanoseconds on a processor, nanoseconds of waiting for one, turns.
fn running(text: &str) -> Option<Duration> {
    text.split_ascii_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}

fn summary(runs: &[Run]) -> Start {
    let times = |of: fn(&Run) -> Duration| {
        let mut times: Vec<_> = runs.iter().map(of).collect();
        times.sort();
        Times { min: times[0], median: times[times.len() / 2] }
    };
    Start {
        real: times(|run| run.real),
        cpu: times(|run| run.cpu),
        memory: runs.iter().map(|run| run.memory).max().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_no_mean_and_memory_the_most() {
        let run =
            |ms, memory| Run { real: Duration::from_millis(ms), cpu: Duration::from_millis(2 * ms), memory };
        let start = summary(&[run(9, 3), run(1, 1), run(2, 2)]);
        assert_eq!((start.real.min.as_millis(), start.real.median.as_millis()), (1, 2));
        assert_eq!((start.cpu.median.as_millis(), start.memory), (4, 3));
    }

    #[test]
    fn threads_count_what_they_have_run() {
        assert_eq!(running("905600 5035830 2\n"), Some(Duration::from_nanos(905_600)));
        assert_eq!(running(""), None);
        let before = processor_time(std::process::id()).unwrap();
        let end = Instant::now() + Duration::from_millis(20);
        while Instant::now() < end {}
        assert!(processor_time(std::process::id()).unwrap() > before);
    }
}
