//! The texts in `/proc/PID` (proc(5)).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use super::info::ProcessInfo;
use crate::frames::FRAME_SIZE;

/// Nanoseconds a clock tick (USER_HZ is 100).
pub(super) const TICK: u64 = 10_000_000;

/// `/proc/PID/stat`. Fields that say something about memory layout or a kernel that there is not are 0.
pub fn stat(p: &ProcessInfo) -> Vec<u8> {
    let (terminal, foreground) = match p.terminal {
        Some((number, group)) => (number as i64, i64::from(group)),
        None => (0, -1),
    };
    let mut text = format!("{} (", p.thread).into_bytes();
    text.extend_from_slice(&p.name);
    let mut rest = format!(
        ") {} {} {} {} {terminal} {foreground} 0 0 0 0 0 {} {} {} {} {} {} {} 0 {} {} {} {}",
        p.state.letter(),
        p.parent,
        p.group,
        p.session,
        p.user_ns / TICK,
        p.system_ns / TICK,
        p.children_user_ns / TICK,
        p.children_system_ns / TICK,
        20 + p.nice,
        p.nice,
        p.threads,
        p.start_ns / TICK,
        p.virtual_bytes,
        p.resident_bytes / FRAME_SIZE as u64,
        u64::MAX,
    );
    // startcode endcode startstack kstkesp kstkeip
    rest += " 0 0 0 0 0";
    // The masks hold the first 31 signals only.
    for mask in [p.pending, p.blocked, p.ignored, p.caught] {
        let _ = write!(rest, " {}", mask & 0x7fff_ffff);
    }
    // wchan nswap cnswap exit_signal processor rt_priority policy delayacct guest_time cguest_time
    rest += " 0 0 0 17 0 0 0 0 0 0";
    // start_data end_data start_brk arg_start arg_end env_start env_end exit_code
    rest += " 0 0 0 0 0 0 0 0\n";
    text.extend_from_slice(rest.as_bytes());
    text
}

/// `/proc/PID/statm`: pages in all, resident, shared, text, library, data, dirty.
pub fn statm(p: &ProcessInfo) -> String {
    let page = FRAME_SIZE as u64;
    let (size, resident) = (p.virtual_bytes / page, p.resident_bytes / page);
    format!("{size} {resident} 0 0 0 {size} 0\n")
}

/// `/proc/PID/status`
pub fn status(p: &ProcessInfo) -> Vec<u8> {
    let mut text = b"Name:\t".to_vec();
    for byte in &p.name {
        match byte {
            b'\n' => text.extend_from_slice(b"\\n"),
            b'\\' => text.extend_from_slice(b"\\\\"),
            other => text.push(*other),
        }
    }
    let ids = |ids: &[u32; 4]| format!("{}\t{}\t{}\t{}", ids[0], ids[1], ids[2], ids[3]);
    let mut groups = String::new();
    for group in &p.groups {
        let _ = write!(groups, "{group} ");
    }
    let rest = format!(
        "\nUmask:\t{:04o}\nState:\t{}\nTgid:\t{pid}\nNgid:\t0\nPid:\t{thread}\nPPid:\t{}\nTracerPid:\t0\n\
         Uid:\t{}\nGid:\t{}\nFDSize:\t64\nGroups:\t{groups}\n\
         VmPeak:\t{virt:8} kB\nVmSize:\t{virt:8} kB\nVmRSS:\t{:8} kB\nThreads:\t{}\n\
         SigPnd:\t{:016x}\nShdPnd:\t{:016x}\nSigBlk:\t{:016x}\nSigIgn:\t{:016x}\nSigCgt:\t{:016x}\n",
        p.umask,
        p.state.description(),
        p.parent,
        ids(&p.uids),
        ids(&p.gids),
        p.resident_bytes / 1024,
        p.threads,
        0,
        p.pending,
        p.blocked,
        p.ignored,
        p.caught,
        pid = p.pid,
        thread = p.thread,
        virt = p.virtual_bytes / 1024,
    );
    text.extend_from_slice(rest.as_bytes());
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::procfs::info::State;

    fn process() -> ProcessInfo {
        ProcessInfo {
            pid: 42,
            thread: 42,
            parent: 7,
            group: 40,
            session: 1,
            name: b"a b) c".to_vec(),
            state: State::Sleeping,
            threads: 1,
            user_ns: 1_230_000_000,
            start_ns: 5_000_000_000,
            virtual_bytes: 8192,
            resident_bytes: 4096,
            nice: -5,
            ..ProcessInfo::default()
        }
    }

    #[test]
    fn stat_has_its_fifty_two_fields_where_they_belong() {
        let text = String::from_utf8(stat(&process())).unwrap();
        // As procps parses it: the name ends at the last parenthesis.
        let (head, tail) = text.trim_end().rsplit_once(") ").unwrap();
        assert_eq!(head, "42 (a b) c");
        let fields: Vec<&str> = tail.split(' ').collect();
        assert_eq!(fields.len(), 50);
        // Numbered as in proc(5), where the state is field 3.
        let field = |n: usize| fields[n - 3];
        assert_eq!((field(3), field(4), field(5), field(6)), ("S", "7", "40", "1"));
        assert_eq!((field(7), field(8)), ("0", "-1"));
        assert_eq!((field(14), field(18), field(19), field(20)), ("123", "15", "-5", "1"));
        assert_eq!((field(22), field(23), field(24)), ("500", "8192", "1"));
        assert_eq!(field(38), "17");
    }

    #[test]
    fn status_has_lines_that_can_be_parsed() {
        let text = String::from_utf8(status(&process())).unwrap();
        assert!(text.lines().all(|l| l.contains(":\t")), "{text}");
        assert!(text.contains("\nState:\tS (sleeping)\n") && text.contains("\nVmRSS:\t       4 kB\n"));
        assert!(text.contains("\nUid:\t0\t0\t0\t0\n"));
    }
}
