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
pub struct Stat(File);

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
        File::open("/proc/self/stat").ok().map(Self)
    }

    /// Of the thread that calls.
    pub fn of_thread() -> Option<Self> {
        File::open("/proc/thread-self/stat").ok().map(Self)
    }

    pub fn read(&self) -> Option<Seen> {
        let mut bytes = [0; LENGTH];
        let count = self.0.read_at(&mut bytes, 0).ok()?;
        parse(&String::from_utf8_lossy(&bytes[..count]))
    }
}

fn parse(stat: &str) -> Option<Seen> {
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |number: usize| fields.get(number - FIRST_BEHIND_NAME)?.parse::<u64>().ok();
    let seconds =
        |number| Some(field(number)? as f64 / rustix::param::clock_ticks_per_second().max(1) as f64);
    let guest = seconds(GUEST_TIME)?;
    // The one is counted at other moments than the other.
    let times = Times { guest, user: (seconds(UTIME)? - guest).max(0.0), system: seconds(STIME)? };
    let resident_bytes = field(RESIDENT)? * rustix::param::page_size() as u64;
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
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seen = parse(&line).unwrap();
        let times = Times { guest: 100.0 / ticks, user: 200.0 / ticks, system: 50.0 / ticks };
        assert_eq!((seen.times, seen.started), (times, 1000.0 / ticks));
        assert_eq!(seen.resident_bytes, 7 * rustix::param::page_size() as u64);
        assert_eq!((parse(""), parse("1 (x) S 1 2")), (None, None));
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
