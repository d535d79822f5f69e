//! Who a process is: process, thread, user and group numbers.

use super::{Ctx, Entry, SysResult};
use linux_raw_sys::general::*;

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_getpid, "getpid", &[], getpid),
];

fn getpid(c: &Ctx) -> SysResult {
    Ok(c.proc.pid as u64)
}
