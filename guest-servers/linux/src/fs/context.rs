//! Who makes a request, and what its paths start from.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::dentry::Dentry;
use super::metadata::{FileKind, Metadata, Time};
use super::vfs::Vfs;
use crate::errno::{Errno, Result};
use crate::exec::{Interrupt, Timers};

/// The thread that makes a request, as far as files and terminals need to know it.
pub trait Caller {
    /// Process number (`getpid`): what `/proc/self` leads to.
    fn process(&self) -> u32;
    fn process_group(&self) -> u32;
    fn session(&self) -> u32;
    /// Whether the caller leads its session (and so may take a terminal).
    fn leads_session(&self) -> bool {
        self.process() == self.session()
    }
    /// Time of day.
    fn now(&self) -> Time;
    fn timers(&self) -> &Timers;
    /// Ends the caller's waits when a signal has come.
    fn interrupt(&self) -> &Interrupt;
    /// Whether the caller blocks or ignores the signal.
    fn shuts_out(&self, signal: u32) -> bool;
    /// Whether nobody outside the caller's group could continue it (POSIX: an orphaned process group).
    fn group_is_orphaned(&self) -> bool;
    /// Sends a signal to every process of a group.
    fn signal_group(&self, group: u32, signal: u32);
    /// Sends a signal to the calling thread.
    fn signal_self(&self, signal: u32);
    /// Writes a record of the calling thread's own into the profile, if there is one.
    fn record(&self, event: u8, argument: u64);
    /// RLIMIT_FSIZE in bytes; writing beyond it is EFBIG and SIGXFSZ.
    fn file_size_limit(&self) -> u64 {
        u64::MAX
    }
}

/// Root, current directory and file mode mask: what CLONE_FS shares.
#[derive(Debug)]
pub struct FsInfo {
    pub root: RefCell<Rc<Dentry>>,
    pub cwd: RefCell<Rc<Dentry>>,
    pub umask: Cell<u32>,
}

impl FsInfo {
    pub fn new(root: Rc<Dentry>) -> Self {
        Self { cwd: RefCell::new(root.clone()), root: RefCell::new(root), umask: Cell::new(0o022) }
    }

    /// A copy that changes on its own (fork).
    pub fn copy(&self) -> Self {
        Self {
            root: RefCell::new(self.root.borrow().clone()),
            cwd: RefCell::new(self.cwd.borrow().clone()),
            umask: Cell::new(self.umask.get()),
        }
    }
}

/// User and groups that accesses are checked with (the `fs` ones, which follow the effective ones).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    pub uid: u32,
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// Kinds of access, to be or-ed together; the bits of `access` and of a mode's `rwx`.
pub mod may {
    pub const EXEC: u32 = 1;
    pub const WRITE: u32 = 2;
    pub const READ: u32 = 4;
}

impl Credentials {
    pub const ROOT: Self = Self { uid: 0, gid: 0, groups: Vec::new() };

    pub fn is_root(&self) -> bool {
        self.uid == 0
    }

    pub fn in_group(&self, gid: u32) -> bool {
        self.gid == gid || self.groups.contains(&gid)
    }

    /// Whether the user owns the file or may do as if.
    pub fn owns(&self, meta: &Metadata) -> bool {
        self.is_root() || self.uid == meta.uid
    }

    /// Checks `wanted` (see [`may`]) against the file's mode. EACCES.
    pub fn check(&self, meta: &Metadata, wanted: u32) -> Result<()> {
        let granted = if self.is_root() {
            // Root reads and writes all, but executes only what somebody may execute.
            let exec = meta.kind == FileKind::Directory || meta.permissions & 0o111 != 0;
            may::READ | may::WRITE | if exec { may::EXEC } else { 0 }
        } else if self.uid == meta.uid {
            meta.permissions >> 6
        } else if self.in_group(meta.gid) {
            meta.permissions >> 3
        } else {
            meta.permissions
        };
        if wanted & !granted & 7 == 0 { Ok(()) } else { Err(Errno::EACCES) }
    }

    /// Checks whether an entry for `child` may be removed from or replaced in `dir`, by the sticky bit's rule. EPERM.
    pub fn check_sticky(&self, dir: &Metadata, child: &Metadata) -> Result<()> {
        let sticky = dir.permissions & 0o1000 != 0;
        if !sticky || self.is_root() || self.uid == child.uid || self.uid == dir.uid {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }
}

/// Everything that an operation on paths depends on.
#[derive(Clone, Copy)]
pub struct FsContext<'a> {
    pub vfs: &'a Vfs,
    pub info: &'a FsInfo,
    pub creds: &'a Credentials,
    pub caller: &'a dyn Caller,
}

impl FsContext<'_> {
    pub fn now(&self) -> Time {
        self.caller.now()
    }
    pub fn root(&self) -> Rc<Dentry> {
        self.info.root.borrow().clone()
    }
    pub fn cwd(&self) -> Rc<Dentry> {
        self.info.cwd.borrow().clone()
    }
    /// The permissions of a new file for which the program asked for `mode`.
    pub fn masked(&self, mode: u32) -> u32 {
        mode & 0o7777 & !self.info.umask.get()
    }
}
