//! Arguments as text.

use crate::bytes::{u32_at, u64_at};
use crate::errno::Errno;
use crate::mm::user::UserMemory;
use crate::signal::set::{SigSet, Signal};
use crate::syscall::args::Arg;
use crate::syscall::{Ctx, SysResult};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use linux_raw_sys::general as raw;

/// Bytes of a string or buffer that are shown.
const SHOWN: usize = 32;
/// Elements of an array that are shown.
const ELEMENTS: u64 = 16;

/// An argument that the call reads; `None` if it can only be shown when the call has ended.
pub fn before(c: &Ctx, kinds: &[Arg], i: usize) -> Option<String> {
    let value = c.args[i];
    let memory = c.user();
    Some(match kinds[i] {
        Arg::Int => (value as i32).to_string(),
        Arg::Uint => value.to_string(),
        Arg::Hex => format!("{value:#x}"),
        Arg::Mode => format!("{value:#05o}").replacen("0o", "0", 1),
        Arg::Ptr => pointer(value),
        Arg::Fd => (value as i32).to_string(),
        Arg::DirFd if value as i32 == raw::AT_FDCWD => "AT_FDCWD".into(),
        Arg::DirFd => (value as i32).to_string(),
        Arg::Str => string(&memory, value),
        Arg::StrVec => string_vec(&memory, value),
        Arg::In => buffer(&memory, value, c.args.get(i + 1).copied().unwrap_or(0)),
        Arg::Iovec => iovec(&memory, value, c.args.get(i + 1).copied().unwrap_or(0)),
        Arg::Timespec => or_pointer(value, timespec(&memory, value)),
        Arg::Signal => {
            Signal::new(value & 0xffff_ffff).map_or_else(|| (value as i32).to_string(), |s| s.to_string())
        }
        Arg::SigSet => or_pointer(value, sigset(&memory, value)),
        Arg::SigAction => or_pointer(value, sigaction(&memory, value)),
        Arg::PollFds => poll_fds(&memory, value, c.args.get(i + 1).copied().unwrap_or(0)),
        Arg::Enum(names) => one_of(value & 0xffff_ffff, names),
        Arg::Flags(names) => flags(value, names),
        Arg::Out
        | Arg::StrOut
        | Arg::Stat
        | Arg::IntOut
        | Arg::FdPair
        | Arg::Status
        | Arg::TimespecOut
        | Arg::SigSetOut
        | Arg::SigActionOut => return None,
    })
}

/// An argument that the call has written; its address if the call has failed.
pub fn after(c: &Ctx, kinds: &[Arg], i: usize, result: &SysResult) -> String {
    let value = c.args[i];
    let Ok(returned) = result else { return pointer(value) };
    let memory = c.user();
    let text = match kinds[i] {
        Arg::Out => Ok(buffer(&memory, value, *returned)),
        Arg::StrOut => Ok(string(&memory, value)),
        Arg::Stat => stat(&memory, value),
        Arg::IntOut => memory.read_u32(value).map(|v| format!("[{}]", v as i32)),
        Arg::FdPair => memory.read_u64(value).map(|v| format!("[{}, {}]", v as u32, v >> 32)),
        Arg::Status => memory.read_u32(value).map(status),
        Arg::TimespecOut => timespec(&memory, value),
        Arg::SigSetOut => sigset(&memory, value),
        Arg::SigActionOut => sigaction(&memory, value),
        _ => Err(Errno::EINVAL),
    };
    or_pointer(value, text)
}

fn pointer(value: u64) -> String {
    if value == 0 { "NULL".into() } else { format!("{value:#x}") }
}

fn or_pointer(value: u64, text: Result<String, Errno>) -> String {
    text.unwrap_or_else(|_| pointer(value))
}

/// In quotes, with what cannot be printed escaped.
fn quoted(bytes: &[u8], more: bool) -> String {
    format!("\"{}\"{}", bytes.escape_ascii(), if more { "..." } else { "" })
}

fn string(memory: &UserMemory, addr: u64) -> String {
    match memory.read_str(addr, 4096) {
        Ok(s) => quoted(&s[..s.len().min(4 * SHOWN)], s.len() > 4 * SHOWN),
        Err(_) => pointer(addr),
    }
}

fn string_vec(memory: &UserMemory, addr: u64) -> String {
    let mut parts = Vec::new();
    for i in 0..ELEMENTS {
        match addr.checked_add(8 * i).ok_or(Errno::EFAULT).and_then(|at| memory.read_u64(at)) {
            Ok(0) => return format!("[{}]", parts.join(", ")),
            Ok(at) => parts.push(string(memory, at)),
            Err(_) => return pointer(addr),
        }
    }
    format!("[{}, ...]", parts.join(", "))
}

fn buffer(memory: &UserMemory, addr: u64, len: u64) -> String {
    let mut bytes = [0; SHOWN];
    let n = usize::try_from(len).unwrap_or(SHOWN).min(SHOWN);
    match memory.read(addr, &mut bytes[..n]) {
        Ok(()) => quoted(&bytes[..n], len > n as u64),
        Err(_) => pointer(addr),
    }
}

fn iovec(memory: &UserMemory, addr: u64, count: u64) -> String {
    let mut parts = Vec::new();
    for i in 0..count.min(ELEMENTS) {
        let Ok(b) = memory.read_array::<16>(addr.wrapping_add(16 * i)) else { return pointer(addr) };
        let (base, len) = (u64_at(&b, 0), u64_at(&b, 8));
        parts.push(format!("{{iov_base={}, iov_len={len}}}", buffer(memory, base, len)));
    }
    format!("[{}]", parts.join(", "))
}

fn timespec(memory: &UserMemory, addr: u64) -> Result<String, Errno> {
    let b: [u8; 16] = memory.read_array(addr)?;
    Ok(format!("{{tv_sec={}, tv_nsec={}}}", u64_at(&b, 0) as i64, u64_at(&b, 8)))
}

fn sigset(memory: &UserMemory, addr: u64) -> Result<String, Errno> {
    Ok(set_text(SigSet(memory.read_u64(addr)?)))
}

fn set_text(set: SigSet) -> String {
    let names = |set: SigSet| {
        let names: Vec<String> =
            set.iter().map(|s| s.to_string()).map(|s| s.replacen("SIG", "", 1)).collect();
        names.join(" ")
    };
    // A set with most signals is shown by those that are not in it.
    if set.0.count_ones() > 32 {
        format!("~[{}]", names(SigSet(!set.0)))
    } else {
        format!("[{}]", names(set))
    }
}

fn sigaction(memory: &UserMemory, addr: u64) -> Result<String, Errno> {
    let b: [u8; 32] = memory.read_array(addr)?;
    let handler = match u64_at(&b, 0) {
        0 => "SIG_DFL".into(),
        1 => "SIG_IGN".into(),
        h => format!("{h:#x}"),
    };
    let mask = set_text(SigSet(u64_at(&b, 24)));
    Ok(format!("{{sa_handler={handler}, sa_mask={mask}, sa_flags={:#x}}}", u64_at(&b, 8)))
}

fn poll_fds(memory: &UserMemory, addr: u64, count: u64) -> String {
    let mut parts = Vec::new();
    for i in 0..count.min(ELEMENTS) {
        let Ok(b) = memory.read_array::<8>(addr.wrapping_add(8 * i)) else { return pointer(addr) };
        parts.push(format!("{{fd={}, events={:#x}}}", u32_at(&b, 0) as i32, u32_at(&b, 4) as u16));
    }
    format!("[{}]", parts.join(", "))
}

fn stat(memory: &UserMemory, addr: u64) -> Result<String, Errno> {
    let b: [u8; 144] = memory.read_array(addr)?;
    Ok(format!("{{st_mode=0{:o}, st_size={}, ...}}", u32_at(&b, 24), u64_at(&b, 48)))
}

fn status(status: u32) -> String {
    let text = match (status & 0x7f, status >> 8 & 0xff) {
        (0, code) => format!("WIFEXITED(s) && WEXITSTATUS(s) == {code}"),
        (0x7f, signal) => format!("WIFSTOPPED(s) && WSTOPSIG(s) == {signal}"),
        (signal, _) => format!("WIFSIGNALED(s) && WTERMSIG(s) == {signal}"),
    };
    format!("[{{{text}}}]")
}

fn one_of(value: u64, names: &[(u64, &str)]) -> String {
    match names.iter().find(|(v, _)| *v == value) {
        Some((_, name)) => (*name).into(),
        None => format!("{value:#x}"),
    }
}

/// Names or-ed together; what has no name in hexadecimal. A name of several bits stands before the names of its parts.
fn flags(value: u64, names: &[(u64, &str)]) -> String {
    let mut rest = value;
    let mut parts: Vec<String> = Vec::new();
    for (bits, name) in names.iter().filter(|(bits, _)| *bits != 0) {
        if rest & bits == *bits {
            parts.push((*name).into());
            rest &= !bits;
        }
    }
    if parts.is_empty() && rest == 0 {
        return names.iter().find(|(v, _)| *v == 0).map_or("0".into(), |(_, name)| (*name).into());
    }
    if rest != 0 {
        parts.push(format!("{rest:#x}"));
    }
    parts.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_sets() {
        const NAMES: &[(u64, &str)] = &[(0, "NONE"), (1, "A"), (6, "BC"), (2, "B")];
        assert_eq!(flags(0, NAMES), "NONE");
        assert_eq!(flags(7, NAMES), "A|BC");
        assert_eq!(flags(3, NAMES), "A|B");
        assert_eq!(flags(0x11, NAMES), "A|0x10");
        assert_eq!(set_text(SigSet::of(&[Signal::SIGINT, Signal::SIGCHLD])), "[INT CHLD]");
        assert_eq!(set_text(SigSet(!1)), "~[HUP]");
        assert_eq!(quoted(b"a\n\"", true), "\"a\\n\\\"\"...");
        assert_eq!(status(0x100), "[{WIFEXITED(s) && WEXITSTATUS(s) == 1}]");
    }
}
