//! Open files: an offset and flags around what an inode gave when it was opened.
//!
//! A [`File`] is what dup and fork share. Its operations never wait; [`File::read`] and [`File::write`] do, around them.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::fmt;

use super::context::{Caller, FsContext};
use super::dentry::Dentry;
use super::inode::DirEntry;
use super::metadata::FileKind;
use super::poll::{self, Events};
use super::vfs::OpenSlot;
use crate::buf::{Limited, Sink, Source};
use crate::disk::{self, Disk};
use crate::errno::{Errno, Result};
use crate::exec::WaitQueue;
use crate::tty::Terminal;
use linux_raw_sys::general as raw;

/// What one read or write needs to know.
pub struct Io<'a> {
    pub caller: &'a dyn Caller,
    /// Position in the file; without meaning for streams.
    pub offset: u64,
    /// The deadline of [`FileOps::read_deadline`] has passed.
    pub timed_out: bool,
}

/// The operations of an open file. None of them waits: EAGAIN says that they would have to.
pub trait FileOps {
    fn read(&self, _io: &Io<'_>, _sink: &mut dyn Sink) -> Result<usize> {
        Err(Errno::EINVAL)
    }
    /// May take less than all; the caller comes again with the rest.
    fn write(&self, _io: &Io<'_>, _source: &mut dyn Source) -> Result<usize> {
        Err(Errno::EINVAL)
    }
    /// What the file is ready for. Reports the queues that are woken when that changes.
    fn poll(&self, _queue: &mut dyn FnMut(&WaitQueue)) -> Events {
        Events::READABLE | Events::WRITABLE
    }
    /// Whether it has positions (lseek, pread); ESPIPE otherwise.
    fn is_seekable(&self) -> bool {
        true
    }
    /// Whether opening it is complete; a FIFO's is when its other end was opened too. [`poll`](Self::poll)'s queues tell.
    fn is_open(&self) -> bool {
        true
    }
    /// For a read that began at `started` (monotonic ns): when it ends even without data. Read again then, with `timed_out`.
    fn read_deadline(&self, _started: u64) -> Option<u64> {
        None
    }
    /// Bytes that can be read at once (FIONREAD). ENOTTY where that has no meaning.
    fn readable_bytes(&self) -> Result<usize> {
        Err(Errno::ENOTTY)
    }
    /// Bytes that the pipe that this is can hold (F_GETPIPE_SZ).
    fn pipe_capacity(&self) -> Option<usize> {
        None
    }
    /// The terminal that this is.
    fn terminal(&self) -> Option<&Terminal> {
        None
    }
    /// The disk that this is. It is read and written by [`disk::file`], which waits for it.
    fn disk(&self) -> Option<&Disk> {
        None
    }
    /// The first position at or behind `from` that has data (`data`) or has none. ENXIO beyond the end.
    fn seek_data(&self, _from: u64, _data: bool) -> Result<u64> {
        Err(Errno::EINVAL)
    }
    /// fallocate of a regular file: makes sure that the range has memory, or (`punch`) that it has none and reads as zeros.
    fn allocate(&self, _range: core::ops::Range<u64>, _punch: bool) -> Result<()> {
        Err(Errno::ENODEV)
    }
}

/// An open file description.
pub struct File {
    dentry: Rc<Dentry>,
    ops: Rc<dyn FileOps>,
    kind: FileKind,
    flags: Cell<u32>,
    offset: Cell<u64>,
    _slot: OpenSlot,
}

/// Flags that F_SETFL can change.
const SETTABLE: u32 = raw::O_APPEND | raw::O_NONBLOCK | raw::FASYNC | raw::O_DIRECT | raw::O_NOATIME;
/// Flags that only matter while a file is opened; F_GETFL does not show them.
const OPENING: u32 = raw::O_CREAT | raw::O_EXCL | raw::O_NOCTTY | raw::O_TRUNC | raw::O_CLOEXEC;

impl File {
    pub fn new(dentry: Rc<Dentry>, ops: Rc<dyn FileOps>, flags: u32, slot: OpenSlot) -> Rc<Self> {
        let kind = dentry.inode().metadata().kind;
        let flags = Cell::new(flags & !OPENING);
        Rc::new(Self { dentry, ops, kind, flags, offset: Cell::new(0), _slot: slot })
    }

    pub fn dentry(&self) -> &Rc<Dentry> {
        &self.dentry
    }
    pub fn ops(&self) -> &dyn FileOps {
        &*self.ops
    }
    pub fn kind(&self) -> FileKind {
        self.kind
    }
    /// As F_GETFL gives them.
    pub fn flags(&self) -> u32 {
        self.flags.get()
    }
    /// As F_SETFL takes them.
    pub fn set_flags(&self, flags: u32) {
        self.flags.set(self.flags.get() & !SETTABLE | flags & SETTABLE);
    }
    pub fn offset(&self) -> u64 {
        self.offset.get()
    }
    pub fn set_offset(&self, offset: u64) {
        self.offset.set(offset);
    }
    /// Whether it gives EAGAIN in place of waiting. A disk does not, whatever its flags say.
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & raw::O_NONBLOCK != 0 && self.kind != FileKind::Block
    }
    /// Opened with O_PATH: names a file and can do nothing with its content.
    pub fn is_path_only(&self) -> bool {
        self.flags() & raw::O_PATH != 0
    }
    pub fn is_readable(&self) -> bool {
        !self.is_path_only() && self.flags() & raw::O_ACCMODE != raw::O_WRONLY
    }
    pub fn is_writable(&self) -> bool {
        !self.is_path_only() && matches!(self.flags() & raw::O_ACCMODE, raw::O_WRONLY | raw::O_RDWR)
    }

    /// Reads at the file's offset, or at `at` (pread). Waits if it has to and may.
    pub async fn read(&self, caller: &dyn Caller, sink: &mut dyn Sink, at: Option<u64>) -> Result<usize> {
        match self.try_read(caller, sink, at, false) {
            Err(Errno::EAGAIN) if !self.is_nonblocking() => self.read_later(caller, sink, at).await,
            result => result,
        }
    }

    /// Reads when something has changed: for who has tried and may wait.
    pub async fn read_later(
        &self,
        caller: &dyn Caller,
        sink: &mut dyn Sink,
        at: Option<u64>,
    ) -> Result<usize> {
        if let Some(disk) = self.ops.disk() {
            // In a box of its own: the others are to stay small.
            return Box::pin(disk::file::read(self, disk, sink, at)).await;
        }
        let started = caller.timers().now();
        loop {
            let deadline = self.ops.read_deadline(started);
            let timed_out = poll::wait_for_change(caller, self, deadline).await?;
            match self.try_read(caller, sink, at, timed_out) {
                Err(Errno::EAGAIN) if !self.is_nonblocking() => {}
                result => return result,
            }
        }
    }

    /// As [`read`](Self::read), but gives EAGAIN in place of waiting.
    pub fn try_read(
        &self,
        caller: &dyn Caller,
        sink: &mut dyn Sink,
        at: Option<u64>,
        timed_out: bool,
    ) -> Result<usize> {
        if !self.is_readable() {
            return Err(Errno::EBADF);
        }
        if at.is_some() && !self.ops.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        if self.kind == FileKind::Directory {
            return Err(Errno::EISDIR);
        }
        let offset = at.unwrap_or(self.offset.get());
        let n = self.ops.read(&Io { caller, offset, timed_out }, sink)?;
        if at.is_none() && self.ops.is_seekable() {
            self.offset.set(offset + n as u64);
        }
        Ok(n)
    }

    /// Writes at the file's offset, at `at` (pwrite), or with O_APPEND at the end. Waits if it has to and may, until all is written or
    /// something stops it; what was written before that counts.
    pub async fn write(
        &self,
        caller: &dyn Caller,
        source: &mut dyn Source,
        at: Option<u64>,
    ) -> Result<usize> {
        self.write_rest(caller, source, at, 0).await
    }

    /// As [`write`](Self::write), of which `done` bytes have been written.
    pub async fn write_rest(
        &self,
        caller: &dyn Caller,
        source: &mut dyn Source,
        at: Option<u64>,
        mut done: usize,
    ) -> Result<usize> {
        if let Some(disk) = self.ops.disk() {
            return Box::pin(disk::file::write(self, disk, source, at)).await;
        }
        let mut since_turn = done;
        loop {
            let result = match self.try_write(caller, source, at.map(|at| at + done as u64)) {
                Err(Errno::EAGAIN) if !self.is_nonblocking() => {
                    match poll::wait_for_change(caller, self, None).await {
                        Ok(_) => continue,
                        Err(e) => Err(e),
                    }
                }
                result => result,
            };
            match result {
                Ok(n) => {
                    done += n;
                    since_turn += n;
                }
                Err(e) if done == 0 => return Err(e),
                Err(_) => return Ok(done),
            }
            if source.remaining() == 0 || result == Ok(0) {
                return Ok(done);
            }
            if since_turn >= poll::TURN {
                since_turn = 0;
                if poll::take_turns(caller).await.is_err() {
                    return Ok(done);
                }
            }
        }
    }

    /// Writes once, as much as goes without waiting. EAGAIN if nothing does.
    pub fn try_write(&self, caller: &dyn Caller, source: &mut dyn Source, at: Option<u64>) -> Result<usize> {
        if !self.is_writable() {
            return Err(Errno::EBADF);
        }
        let seekable = self.ops.is_seekable();
        if at.is_some() && !seekable {
            return Err(Errno::ESPIPE);
        }
        if !seekable {
            return self.ops.write(&Io { caller, offset: 0, timed_out: false }, source);
        }
        let append = self.flags() & raw::O_APPEND != 0;
        let offset = match at {
            // Linux's pwrite appends too when O_APPEND is set (pwrite(2), BUGS).
            _ if append => self.dentry.inode().metadata().size,
            Some(at) => at,
            None => self.offset.get(),
        };
        let n = self.write_within_limit(&Io { caller, offset, timed_out: false }, source)?;
        if at.is_none() {
            self.offset.set(offset + n as u64);
        }
        Ok(n)
    }

    fn write_within_limit(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        if self.kind != FileKind::Regular || source.remaining() == 0 {
            return self.ops.write(io, source);
        }
        let limit = io.caller.file_size_limit();
        if io.offset >= limit {
            io.caller.signal_self(raw::SIGXFSZ);
            return Err(Errno::EFBIG);
        }
        let room = usize::try_from(limit - io.offset).unwrap_or(usize::MAX);
        self.ops.write(io, &mut Limited::new(source, room))
    }

    /// lseek.
    pub fn seek(&self, offset: i64, whence: u32) -> Result<u64> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        if !self.ops.is_seekable() {
            return Err(Errno::ESPIPE);
        }
        let disk = self.ops.disk();
        let size = || disk.map_or_else(|| self.dentry.inode().metadata().size, Disk::size);
        let target = match whence {
            raw::SEEK_SET => Some(offset),
            raw::SEEK_CUR => (self.offset.get() as i64).checked_add(offset),
            raw::SEEK_END => (size() as i64).checked_add(offset),
            raw::SEEK_DATA | raw::SEEK_HOLE if disk.is_none() => {
                if offset < 0 || offset as u64 >= size() {
                    return Err(Errno::ENXIO);
                }
                Some(self.ops.seek_data(offset as u64, whence == raw::SEEK_DATA)? as i64)
            }
            _ => return Err(Errno::EINVAL),
        };
        let target = target.ok_or(Errno::EOVERFLOW)?;
        // A disk ends where it ends; other files may be made longer.
        if target < 0 || disk.is_some_and(|disk| target as u64 > disk.size()) {
            return Err(Errno::EINVAL);
        }
        self.offset.set(target as u64);
        Ok(target as u64)
    }

    /// Reads directory entries from the file's offset on, `.` and `..` first, until `each` returns false.
    pub fn read_dir(&self, ctx: &FsContext<'_>, each: &mut dyn FnMut(DirEntry<'_>) -> bool) -> Result<()> {
        if self.is_path_only() {
            return Err(Errno::EBADF);
        }
        super::dirent::read_dir(&self.dentry, &self.offset, ctx, each)
    }

    /// The whole content from the start, whatever the offset. For the server's own use (scripts, programs).
    pub fn read_all(&self, caller: &dyn Caller, limit: usize) -> Result<Vec<u8>> {
        let size = (self.dentry.inode().metadata().size as usize).min(limit);
        let mut content = alloc::vec![0; size];
        let mut done = 0;
        while done < size {
            let n = self.try_read(caller, &mut &mut content[done..], Some(done as u64), false)?;
            if n == 0 {
                break;
            }
            done += n;
        }
        content.truncate(done);
        Ok(content)
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "File({:?}, {:#o} at {})", self.dentry, self.flags(), self.offset())
    }
}
