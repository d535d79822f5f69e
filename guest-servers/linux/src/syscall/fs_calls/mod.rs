//! System calls on files. What they do is in [`crate::fs`]; here arguments are taken from the program's memory and results put there.
//!
//! - [`open`]: opening, closing, duplicating descriptors, fcntl
//! - [`transfer`]: reading, writing, positions
//! - [`copy`]: from file to file
//! - [`names`]: making, removing and moving names, and where paths start
//! - [`attributes`]: asking and changing what is known about files
//! - [`listing`]: directory entries and links
//! - [`ready`]: poll and select
//! - [`sockets`]: pairs of sockets
//! - [`durable`]: what outlives the machine: fsync and its like
//! - [`disk_ioctl`]: ioctl of disks; [`ioctl`]: terminals, and what else there is no call for

mod attributes;
mod copy;
mod disk_ioctl;
mod durable;
mod fcntl;
mod ioctl;
mod listing;
mod names;
mod open;
mod ready;
mod sockets;
mod transfer;

#[cfg(test)]
mod tests;

use super::{Ctx, Entry};
use crate::errno::{Errno, Result};
use crate::fs::context::{Caller, Credentials, FsContext, FsInfo};
use crate::fs::path::{self, Base};
use crate::fs::{Dentry, FdTable};
use alloc::rc::Rc;
use alloc::vec::Vec;
use linux_raw_sys::general as raw;

/// The families, for the table.
pub const OPEN: &[Entry] = open::CALLS;
pub const FCNTL: &[Entry] = fcntl::CALLS;
pub const TRANSFER: &[Entry] = transfer::CALLS;
pub const COPY: &[Entry] = copy::CALLS;
pub const NAMES: &[Entry] = names::CALLS;
pub const ATTRIBUTES: &[Entry] = attributes::CALLS;
pub const LISTING: &[Entry] = listing::CALLS;
pub const READY: &[Entry] = ready::CALLS;
pub const IOCTL: &[Entry] = ioctl::CALLS;
pub const SOCKETS: &[Entry] = sockets::CALLS;

/// What a call needs to work on paths: the caller's places, credentials and descriptors, held for as long as the call takes.
struct Files<'a> {
    c: &'a Ctx,
    info: Rc<FsInfo>,
    creds: Credentials,
    table: Rc<FdTable>,
}

impl<'a> Files<'a> {
    fn of(c: &'a Ctx) -> Self {
        Self { c, info: c.proc.fs(), creds: c.proc.credentials.borrow().for_files(), table: c.proc.files() }
    }

    /// As [`of`](Self::of), with the real user and group in place of the effective ones (access).
    fn of_real_user(c: &'a Ctx) -> Self {
        let mut files = Self::of(c);
        let credentials = c.proc.credentials.borrow();
        (files.creds.uid, files.creds.gid) = (credentials.uid, credentials.gid);
        drop(credentials);
        files
    }

    fn ctx(&self) -> FsContext<'_> {
        FsContext {
            vfs: &self.c.server.vfs,
            info: &self.info,
            creds: &self.creds,
            caller: self.c as &dyn Caller,
        }
    }

    /// The `dirfd` in argument `n`.
    fn base(&self, n: usize) -> Base<'_> {
        Base::at(&self.table, self.c.int(n))
    }

    /// The path in argument `n`.
    fn path(&self, n: usize) -> Result<Vec<u8>> {
        self.c.user().read_path(self.c.args[n])
    }

    /// What the path in argument `n` names, from the current directory.
    fn lookup(&self, n: usize, follow: bool) -> Result<Rc<Dentry>> {
        path::lookup(&self.ctx(), Base::Cwd, &self.path(n)?, follow)
    }

    /// What `dirfd` and path in arguments `n` and `n + 1` name.
    fn lookup_at(&self, n: usize, flags: u32) -> Result<Rc<Dentry>> {
        path::lookup_at(&self.ctx(), self.base(n), &self.path(n + 1)?, flags)
    }
}

/// Refuses flags that the call does not know.
fn only(flags: u32, known: u32) -> Result<()> {
    if flags & !known == 0 { Ok(()) } else { Err(Errno::EINVAL) }
}

/// Names of the flags of the `*at` calls.
const AT_NAMES: &[(u64, &str)] = &[
    (raw::AT_SYMLINK_NOFOLLOW as u64, "AT_SYMLINK_NOFOLLOW"),
    (raw::AT_REMOVEDIR as u64, "AT_REMOVEDIR"),
    (raw::AT_SYMLINK_FOLLOW as u64, "AT_SYMLINK_FOLLOW"),
    (raw::AT_NO_AUTOMOUNT as u64, "AT_NO_AUTOMOUNT"),
    (raw::AT_EMPTY_PATH as u64, "AT_EMPTY_PATH"),
];
