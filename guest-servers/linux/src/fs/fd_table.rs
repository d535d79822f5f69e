//! A process's file descriptors.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

use super::file::File;
use crate::errno::{Errno, Result};
use linux_raw_sys::general as raw;

/// Descriptors that a new table may have: RLIMIT_NOFILE's usual soft limit.
pub const DEFAULT_LIMIT: usize = 1024;
/// Descriptors that a table can ever have: RLIMIT_NOFILE's hard limit here.
pub const MAX_LIMIT: usize = 4096;

#[derive(Clone)]
struct Slot {
    file: Rc<File>,
    close_on_exec: bool,
}

/// Shared by the threads of a process.
pub struct FdTable {
    slots: RefCell<Vec<Option<Slot>>>,
    limit: Cell<usize>,
}

impl Default for FdTable {
    fn default() -> Self {
        Self { slots: RefCell::default(), limit: Cell::new(DEFAULT_LIMIT) }
    }
}

impl FdTable {
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy for a child: the same open files.
    pub fn copy(&self) -> Self {
        Self { slots: RefCell::new(self.slots.borrow().clone()), limit: self.limit.clone() }
    }

    /// RLIMIT_NOFILE, at most [`MAX_LIMIT`]. Descriptors above it stay open.
    pub fn set_limit(&self, limit: usize) {
        self.limit.set(limit.min(MAX_LIMIT));
    }
    pub fn limit(&self) -> usize {
        self.limit.get()
    }

    /// EBADF.
    pub fn get(&self, fd: i32) -> Result<Rc<File>> {
        let slots = self.slots.borrow();
        let slot = usize::try_from(fd).ok().and_then(|fd| slots.get(fd)?.as_ref());
        slot.map(|s| s.file.clone()).ok_or(Errno::EBADF)
    }

    /// As [`get`](Self::get), for calls that do something with the content: O_PATH files are EBADF too.
    pub fn get_open(&self, fd: i32) -> Result<Rc<File>> {
        self.get(fd).and_then(|file| if file.is_path_only() { Err(Errno::EBADF) } else { Ok(file) })
    }

    /// Puts a file into the lowest free descriptor from `from` on. EMFILE; EINVAL if `from` is beyond the limit.
    pub fn insert(&self, file: Rc<File>, from: usize, close_on_exec: bool) -> Result<i32> {
        let limit = self.limit.get();
        if from >= limit {
            return Err(if from == 0 { Errno::EMFILE } else { Errno::EINVAL });
        }
        let mut slots = self.slots.borrow_mut();
        let free = (from..slots.len()).find(|&fd| slots[fd].is_none()).unwrap_or(slots.len().max(from));
        if free >= limit {
            return Err(Errno::EMFILE);
        }
        if free >= slots.len() {
            slots.resize(free + 1, None);
        }
        slots[free] = Some(Slot { file, close_on_exec });
        Ok(free as i32)
    }

    /// Puts a file into descriptor `fd`, in place of what is there. Returns that. EBADF beyond the limit.
    pub fn replace(&self, fd: i32, file: Rc<File>, close_on_exec: bool) -> Result<Option<Rc<File>>> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        if fd >= self.limit.get() {
            return Err(Errno::EBADF);
        }
        let mut slots = self.slots.borrow_mut();
        if fd >= slots.len() {
            slots.resize(fd + 1, None);
        }
        Ok(slots[fd].replace(Slot { file, close_on_exec }).map(|s| s.file))
    }

    /// Takes a file out. EBADF.
    pub fn remove(&self, fd: i32) -> Result<Rc<File>> {
        let mut slots = self.slots.borrow_mut();
        let slot = usize::try_from(fd).ok().and_then(|fd| slots.get_mut(fd)?.take());
        slot.map(|s| s.file).ok_or(Errno::EBADF)
    }

    /// FD_CLOEXEC of a descriptor.
    pub fn close_on_exec(&self, fd: i32) -> Result<bool> {
        let slots = self.slots.borrow();
        let slot = usize::try_from(fd).ok().and_then(|fd| slots.get(fd)?.as_ref());
        slot.map(|s| s.close_on_exec).ok_or(Errno::EBADF)
    }

    pub fn set_close_on_exec(&self, fd: i32, value: bool) -> Result<()> {
        let mut slots = self.slots.borrow_mut();
        let slot = usize::try_from(fd).ok().and_then(|fd| slots.get_mut(fd)?.as_mut());
        slot.map(|s| s.close_on_exec = value).ok_or(Errno::EBADF)
    }

    /// Closes what execve closes.
    pub fn exec(&self) {
        self.remove_if(|slot| slot.close_on_exec);
    }

    /// Closes everything (exit).
    pub fn clear(&self) {
        self.remove_if(|_| true);
    }

    fn remove_if(&self, condition: impl Fn(&Slot) -> bool) {
        let mut closed = Vec::new();
        for slot in self.slots.borrow_mut().iter_mut() {
            if slot.as_ref().is_some_and(&condition) {
                closed.extend(slot.take());
            }
        }
        // Dropped only here: closing a pipe's end wakes others and may look at this table.
        drop(closed);
    }

    /// The descriptors that are in use.
    pub fn numbers(&self) -> Vec<i32> {
        let slots = self.slots.borrow();
        (0..).zip(slots.iter()).filter(|(_, s)| s.is_some()).map(|(fd, _)| fd).collect()
    }

    /// dup2 and dup3 (`flags`: O_CLOEXEC or none).
    pub fn duplicate(&self, old: i32, new: i32, flags: u32) -> Result<i32> {
        let file = self.get(old)?;
        self.replace(new, file, flags & raw::O_CLOEXEC != 0)?;
        Ok(new)
    }
}
