//! What Linux says of how it treats a thread, and a host of us: proc(5). Whatever it does not say is [`None`].

use std::fs;

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

/// Of the thread that calls.
pub fn thread() -> Thread {
    let schedstat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let status = fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    parse(&schedstat, &status)
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

/// Nanoseconds for which a host of ours gave our CPUs to somebody else, all of them together, since we booted.
pub fn steal_ns() -> Option<u64> {
    parse_steal(&fs::read_to_string("/proc/stat").ok()?, rustix::param::clock_ticks_per_second())
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
        assert!(thread().preemptions.is_some());
        assert!(steal_ns().is_some());
    }
}
