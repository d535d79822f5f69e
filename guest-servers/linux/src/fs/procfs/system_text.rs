//! The texts in `/proc` itself (proc(5)).

use alloc::format;
use alloc::string::String;

use super::info::SystemInfo;
use super::process_text::TICK;
use crate::disk::file;
use crate::frames::{FRAME_SIZE, FramePool};

/// `/proc/uptime`, in seconds.
pub fn uptime(s: &SystemInfo) -> String {
    let seconds = |ns: u64| format!("{}.{:02}", ns / 1_000_000_000, ns / TICK % 100);
    format!("{} {}\n", seconds(s.uptime_ns), seconds(s.idle_ns))
}

/// `/proc/loadavg`. No averages are kept.
pub fn loadavg(s: &SystemInfo) -> String {
    format!("0.00 0.00 0.00 {}/{} {}\n", s.running, s.processes, s.last_pid)
}

/// `/proc/stat`
pub fn stat(s: &SystemInfo) -> String {
    let busy = s.uptime_ns.saturating_sub(s.idle_ns) / TICK;
    let cpu = format!("{busy} 0 0 {} 0 0 0 0 0 0", s.idle_ns / TICK);
    format!(
        "cpu  {cpu}\ncpu0 {cpu}\nintr 0\nctxt {}\nbtime {}\nprocesses {}\nprocs_running {}\nprocs_blocked 0\n",
        s.context_switches, s.boot_seconds, s.processes_made, s.running
    )
}

/// `/proc/meminfo`
pub fn meminfo(pool: &FramePool) -> String {
    let kib = |frames: usize| frames * (FRAME_SIZE / 1024);
    let (total, free) = (kib(pool.total()), kib(pool.free_frames()));
    let lines = [
        ("MemTotal:", total),
        ("MemFree:", free),
        ("MemAvailable:", free),
        ("Buffers:", 0),
        ("Cached:", 0),
        ("SwapCached:", 0),
        ("Active:", 0),
        ("Inactive:", 0),
        ("SwapTotal:", 0),
        ("SwapFree:", 0),
        ("Dirty:", 0),
        ("Writeback:", 0),
        ("AnonPages:", 0),
        ("Mapped:", 0),
        ("Shmem:", 0),
        ("Slab:", 0),
        ("SReclaimable:", 0),
        ("SUnreclaim:", 0),
    ];
    lines.iter().map(|(name, value)| format!("{name:<16}{value:8} kB\n")).collect()
}

/// `/proc/cpuinfo`: what the common programs look for.
pub fn cpuinfo(s: &SystemInfo) -> String {
    format!(
        "processor\t: 0\nmodel name\t: {}\ncpu MHz\t\t: {}.{:03}\n\n",
        s.cpu_model,
        s.cpu_khz / 1000,
        s.cpu_khz % 1000
    )
}

/// `/proc/partitions`: the disk as a whole, in units of 1 KiB.
pub fn partitions(s: &SystemInfo) -> String {
    let line = |bytes: u64| {
        let (major, minor) = (file::NUMBER.major(), file::NUMBER.minor());
        let (blocks, name) = (bytes / 1024, file::NAME);
        format!("major minor  #blocks  name\n\n{major:4}  {minor:7} {blocks:10} {name}\n")
    };
    s.disk.map_or_else(String::new, line)
}

/// `/proc/version`
pub fn version(s: &SystemInfo) -> String {
    format!("Linux version {} (ukvmm) {}\n", s.release, s.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_two_decimals() {
        let s = SystemInfo { uptime_ns: 61_050_000_000, idle_ns: 1_999_999_999, ..SystemInfo::default() };
        assert_eq!(uptime(&s), "61.05 1.99\n");
    }

    #[test]
    fn partitions_are_the_disk_alone() {
        let text = |disk| partitions(&SystemInfo { disk, ..SystemInfo::default() });
        assert_eq!(text(None), "");
        let line = " 254        0       8192 vda";
        assert_eq!(text(Some(8 << 20)), format!("major minor  #blocks  name\n\n{line}\n"));
    }

    #[test]
    fn meminfo_is_what_free_parses() {
        let text = meminfo(&crate::frames::tests::pool(256));
        assert!(text.starts_with("MemTotal:           1024 kB\nMemFree:            1024 kB\n"), "{text}");
    }
}
