//! What a name leads to. One object for each file of a file system, however many names it has.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::any::Any;

use super::context::FsContext;
use super::dentry::Dentry;
use super::file::FileOps;
use super::metadata::{Change, DeviceId, Metadata, Time};
use super::statfs::StatFs;
use crate::errno::{Errno, Result};
use crate::frames::Frame;

pub trait Inode: Any {
    fn metadata(&self) -> Metadata;
    /// EPERM where nothing can be changed.
    fn change(&self, change: &Change) -> Result<()>;
    fn statfs(&self) -> StatFs;

    /// The directory that this is.
    fn as_dir(&self) -> Option<&dyn Directory> {
        None
    }
    /// The target of a symbolic link. EINVAL for anything else.
    fn read_link(&self, _ctx: &FsContext<'_>) -> Result<Vec<u8>> {
        Err(Errno::EINVAL)
    }
    /// Where a link leads that does not lead where its text says: those of `/proc/PID/fd` go to the very file.
    fn jump(&self, _ctx: &FsContext<'_>) -> Option<Result<Rc<Dentry>>> {
        None
    }
    /// Makes what an open file works with. Rights have been checked. Regular files are not truncated here.
    fn open(self: Rc<Self>, flags: u32, ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>>;

    /// Sets the size of a regular file. EINVAL for anything else.
    fn truncate(&self, _size: u64, _now: Time) -> Result<()> {
        Err(Errno::EINVAL)
    }
    /// Page `index` of the file, to be mapped. It stays the file's page: what is written to the file is seen in it. ENODEV for what
    /// cannot be mapped; EFAULT (for the program: SIGBUS) beyond the end.
    fn page(&self, _index: u64) -> Result<Frame> {
        Err(Errno::ENODEV)
    }
}

/// What to make in a directory.
pub enum New<'a> {
    File { permissions: u32 },
    Directory { permissions: u32 },
    Symlink { target: &'a [u8] },
    Fifo { permissions: u32 },
    Socket { permissions: u32 },
    Device { character: bool, permissions: u32, rdev: DeviceId },
}

/// An entry that [`Directory::read`] reports.
pub struct DirEntry<'a> {
    pub inode: u64,
    pub kind: super::metadata::FileKind,
    pub name: &'a [u8],
    /// Where to go on reading behind this entry.
    pub next: u64,
}

/// The operations of a directory. Names are not empty, not `.` or `..`, without `/`, and at most 255 bytes;
/// `dir` is the dentry of the directory itself. Rights have been checked.
pub trait Directory {
    /// ENOENT if there is no such name.
    fn lookup(&self, dir: &Rc<Dentry>, name: &[u8], ctx: &FsContext<'_>) -> Result<Rc<Dentry>>;
    /// Adds a name with something new behind it. EEXIST.
    fn create(
        &self,
        _dir: &Rc<Dentry>,
        _name: &[u8],
        _new: New<'_>,
        _ctx: &FsContext<'_>,
    ) -> Result<Rc<Dentry>> {
        Err(Errno::EPERM)
    }
    /// Adds a name for an inode of the same file system that is no directory.
    fn link(
        &self,
        _dir: &Rc<Dentry>,
        _name: &[u8],
        _target: &Rc<dyn Inode>,
        _now: Time,
    ) -> Result<Rc<Dentry>> {
        Err(Errno::EPERM)
    }
    /// Removes `child` from this directory: anything but a directory, or one that is empty. ENOTEMPTY.
    fn remove(&self, _child: &Rc<Dentry>, _now: Time) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// Moves `child` from this directory to `name` in `to`, a directory of the same file system, in place of `replaced` if there
    /// is something. The kinds fit. ENOTEMPTY.
    fn rename(
        &self,
        _child: &Rc<Dentry>,
        _to: &Rc<Dentry>,
        _name: &[u8],
        _replaced: Option<&Rc<Dentry>>,
        _now: Time,
    ) -> Result<()> {
        Err(Errno::EPERM)
    }
    /// Makes two names of directories of the same file system change places.
    fn exchange(&self, _child: &Rc<Dentry>, _other: &Rc<Dentry>, _now: Time) -> Result<()> {
        Err(Errno::EINVAL)
    }
    /// Reports the entries from position `from` on, without `.` and `..`, until `each` returns false.
    /// Positions start at [`FIRST_ENTRY`] and stay valid while entries come and go.
    fn read(&self, from: u64, ctx: &FsContext<'_>, each: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()>;
}

/// Position of the first entry behind `.` (0) and `..` (1).
pub const FIRST_ENTRY: u64 = 2;
