//! What Linux says of how it treats a thread, and a host of us: proc(5). Whatever it does not say is [`None`].
//!
//! The files are opened before the jail is entered ([`crate::jail`]), and read when it is time.

use std::fs::File;
use std::io::{Read, Seek};

/// Of a thread, since it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Thread {
    /// Nanoseconds for which it had a CPU.
    pub run_ns: Option<u64>,
    /// Nanoseconds for which it waited for one.
    pub delay_ns: Option<u64>,
    /// How often it was taken off its CPU though it could have gone on.
    pub preemptions: Option<u64>,
}

/// The files about one thread.
#[derive(Debug)]
pub struct ThreadFiles {
    schedstat: Option<File>,
    status: Option<File>,
}

impl ThreadFiles {
    /// Of the thread that calls.
    pub fn open() -> Self {
        let open = |path| File::open(path).ok();
        Self { schedstat: open("/proc/thread-self/schedstat"), status: open("/proc/thread-self/status") }
    }

    /// What they say now.
    pub fn read(&self) -> Thread {
        parse(&content(&self.schedstat), &content(&self.status))
    }
}

/// All that is in the file now; nothing if there is none.
fn content(file: &Option<File>) -> String {
    let mut text = String::new();
    if let Some(mut file) = file.as_ref() {
        // What cannot be read says nothing. A file that is read directly is asked first how long it is: by a call that the jail forbids where it is glibc's.
        let _ = file.rewind().and_then(|()| file.take(u64::MAX).read_to_string(&mut text));
    }
    text
}

fn parse(schedstat: &str, status: &str) -> Thread {
    let mut numbers = schedstat.split_whitespace().map(|word| word.parse().ok());
    let switches = status.lines().find_map(|line| line.strip_prefix("nonvoluntary_ctxt_switches:"));
    Thread {
        run_ns: numbers.next().flatten(),
        delay_ns: numbers.next().flatten(),
        preemptions: switches.and_then(|count| count.trim().parse().ok()),
    }
}

/// The file about the whole machine.
#[derive(Debug)]
pub struct MachineFile(Option<File>);

impl MachineFile {
    pub fn open() -> Self {
        Self(File::open("/proc/stat").ok())
    }

    /// Nanoseconds for which a host of ours gave our CPUs to somebody else, all of them together, since we booted.
    pub fn steal_ns(&self) -> Option<u64> {
        parse_steal(&content(&self.0), rustix::param::clock_ticks_per_second())
    }
}

fn parse_steal(stat: &str, ticks_per_second: u64) -> Option<u64> {
    /// cpu, user, nice, system, idle, iowait, irq, softirq, steal.
    const STEAL: usize = 8;
    let ticks: u64 = stat.lines().next()?.split_whitespace().nth(STEAL)?.parse().ok()?;
    ticks.checked_mul(1_000_000_000 / ticks_per_second.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_understood() {
        let status = "Name:\tvcpu0\nvoluntary_ctxt_switches:\t9\nnonvoluntary_ctxt_switches:\t7\n";
        let thread = Thread { run_ns: Some(5), delay_ns: Some(6), preemptions: Some(7) };
        assert_eq!(parse("5 6 7\n", status), thread);
        assert_eq!(parse("", "nonsense"), Thread::default());
        assert_eq!(parse_steal("cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 1\n", 100), Some(80_000_000));
        assert_eq!((parse_steal("cpu 1 2", 100), parse_steal("", 0)), (None, None));
    }

    #[test]
    fn this_linux_says_something() {
        let files = ThreadFiles::open();
        assert!(files.read().preemptions.is_some());
        assert!(files.read().preemptions.is_some(), "and again");
        assert!(MachineFile::open().steal_ns().is_some());
    }
}
