//! Capabilities, and descriptors that are not ours.

use rustix::io::{FdFlags, fcntl_getfd};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use std::os::fd::{BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::{fs, io};

/// What root's threads keep that make, change or share files: who owns a file, and who may use it, does not matter to them.
const ABOUT_FILES: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID);

/// Gives up the calling thread's capabilities, except those about files for one that `changes` some.
pub fn drop(changes: bool) -> io::Result<()> {
    let now = capabilities(None)?;
    let kept = if changes { now.permitted & ABOUT_FILES } else { CapabilitySet::empty() };
    let sets = CapabilitySets {
        effective: now.effective & kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    if sets == now { Ok(()) } else { Ok(set_capabilities(None, sets)?) }
}

/// Closes what our parent has left open for us, standard streams apart. Whatever we open ourselves is not for programs that we would start, which is how
/// the two are told apart: what came to us by execve(2) lacks FD_CLOEXEC.
pub fn close_inherited() -> io::Result<()> {
    let numbers: Vec<RawFd> = match fs::read_dir("/proc/self/fd") {
        Ok(entries) => entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect(),
        Err(error) => {
            tracing::debug!(%error, "jail: without /proc, descriptors of the parent stay open");
            return Ok(());
        }
    };
    for number in numbers.into_iter().filter(|&number| number > libc::STDERR_FILENO) {
        // SAFETY: it is borrowed for one call, which at worst says that there is no such descriptor, as of the folder that was just read.
        let flags = fcntl_getfd(unsafe { BorrowedFd::borrow_raw(number) });
        if flags.is_ok_and(|flags| !flags.contains(FdFlags::CLOEXEC)) {
            tracing::debug!("jail: descriptor {number} is none of ours");
            // SAFETY: nothing of this process opened it (all that we open has FD_CLOEXEC), so nothing of it owns it.
            std::mem::drop(unsafe { OwnedFd::from_raw_fd(number) });
        }
    }
    Ok(())
}
