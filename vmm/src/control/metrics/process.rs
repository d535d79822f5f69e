//! What Linux says of the process: proc_pid_stat(5).
//!
//! The files are opened once, before anything is locked away, and read again and again: reading from their begin makes them anew.

use rustix::fs::Timespec;
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Fields of `stat`, counted from 1; the second one is a name in parentheses, which may contain anything.
const FIRST_BEHIND_NAME: usize = 3;
const UTIME: usize = 14;
const STIME: usize = 15;
const START_TIME: usize = 22;
const RESIDENT: usize = 24;
const GUEST_TIME: usize = 43;
/// More than such a file has.
const LENGTH: usize = 4096;

/// A file about the process, or about a thread of it.
pub struct Stat {
    file: File,
    units: Units,
}

/// What its numbers count. Asked for with the file: it takes a system call.
#[derive(Clone, Copy)]
struct Units {
    ticks_per_second: f64,
    page_bytes: u64,
}

/// Seconds of processor time.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Times {
    /// In the guest's code, which Linux counts as ours.
    pub guest: f64,
    /// In our own.
    pub user: f64,
    /// In Linux, for us.
    pub system: f64,
}

/// What one look at the file tells.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Seen {
    pub times: Times,
    pub resident_bytes: u64,
    /// When it began, in seconds since the host was booted.
    pub started: f64,
}

impl Stat {
    pub fn of_process() -> Option<Self> {
        Self::open("/proc/self/stat")
    }

    /// Of the thread that calls.
    pub fn of_thread() -> Option<Self> {
        Self::open("/proc/thread-self/stat")
    }

    fn open(path: &str) -> Option<Self> {
        Some(Self { file: File::open(path).ok()?, units: Units::here() })
    }

    pub fn read(&self) -> Option<Seen> {
        let mut bytes = [0; LENGTH];
        let count = self.file.read_at(&mut bytes, 0).ok()?;
        parse(&String::from_utf8_lossy(&bytes[..count]), self.units)
    }
}

impl Units {
    fn here() -> Self {
        let ticks_per_second = rustix::param::clock_ticks_per_second().max(1) as f64;
        Self { ticks_per_second, page_bytes: rustix::param::page_size() as u64 }
    }
}

fn parse(stat: &str, units: Units) -> Option<Seen> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - FIRST_BEHIND_NAME)?.parse::<u64>().ok();
    let seconds = |number| Some(field(number)? as f64 / units.ticks_per_second);
    let guest = seconds(GUEST_TIME)?;
    // The one is counted at other moments than the other.
    let times = Times { guest, user: (seconds(UTIME)? - guest).max(0.0), system: seconds(STIME)? };
    let resident_bytes = field(RESIDENT)? * units.page_bytes;
    Some(Seen { times, resident_bytes, started: seconds(START_TIME)? })
}

/// A moment in seconds since the host was booted, in seconds since 1970.
pub fn since_1970(since_boot: f64) -> f64 {
    let Timespec { tv_sec, tv_nsec } = clock_gettime(ClockId::Boottime);
    let up = tv_sec as f64 + tv_nsec as f64 / 1e9;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    now - up + since_boot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_understood() {
        let mut fields = vec!["0"; 50];
        (fields[UTIME - 3], fields[STIME - 3], fields[GUEST_TIME - 3]) = ("300", "50", "100");
        (fields[START_TIME - 3], fields[RESIDENT - 3]) = ("1000", "7");
        let line = format!("12 (a ) b) {}", fields.join(" "));
        let units = Units { ticks_per_second: 100.0, page_bytes: 4096 };
        let seen = parse(&line, units).unwrap();
        let times = Times { guest: 1.0, user: 2.0, system: 0.5 };
        assert_eq!((seen.times, seen.started, seen.resident_bytes), (times, 10.0, 7 * 4096));
        assert_eq!((parse("", units), parse("1 (x) S 1 2", units)), (None, None));
    }

    #[test]
    fn this_process_has_been_there_for_a_while_and_a_file_is_read_anew() {
        let stat = Stat::of_process().unwrap();
        let before = stat.read().unwrap();
        let started = since_1970(before.started);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(started <= now + 1.0 && started > now - 100_000.0, "{started}, it is {now}");
        while stat.read().unwrap().times == before.times {
            std::hint::black_box(vec![1u8; 1 << 20]);
        }
        assert!(Stat::of_thread().unwrap().read().unwrap().resident_bytes > 0);
    }
}
