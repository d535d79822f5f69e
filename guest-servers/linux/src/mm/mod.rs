//! Address spaces: what a program may touch, and which frames are behind it.
//!
//! The server is the pager of every process. It keeps, per address space, the areas that the program has asked for ([`vma`]) and
//! the pages that are there ([`space::Page`]), each with the rights that the µ-kernel has been given for it. The
//! second is what makes the first cheap to change: rights are only taken back where some were given.
//!
//! - [`span`]: page-aligned ranges of addresses
//! - [`vma`]: areas; [`file`]: the files behind them
//! - [`space`]: the areas and pages of one address space; `revoke`: taking rights back
//! - [`fault`]: making a page present; [`around`]: answering with its neighbours as well
//! - [`map`]: mmap, munmap, mprotect, mremap, brk, madvise
//! - [`fork`]: copying an address space
//! - [`user`]: how the server itself reads and writes a program's memory

pub mod around;
pub mod fault;
pub mod file;
pub mod fork;
pub mod map;
mod revoke;
pub mod space;
pub mod span;
pub mod user;
pub mod vma;

use crate::frames::FramePool;
use crate::machine::Machine;
use alloc::collections::BTreeSet;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use space::Space;
use ukernel_abi::ThreadId;

/// Bytes in a page.
pub const PAGE: u64 = 4096;
/// End of the memory that a Linux program may use: what lies above, up to the canonical hole, is the µ-kernel's.
pub const TASK_SIZE: u64 = 0x7eff_f000_0000;
/// Lowest address that a program may map (`vm.mmap_min_addr`).
pub const MMAP_MIN: u64 = 0x1_0000;

/// An address space, shared by the threads of a process and by a parent and its vfork child.
pub struct Mm {
    pub space: RefCell<Space>,
    /// Processes that run in it.
    users: Cell<u32>,
    /// Numbers of the L4 threads in it.
    lthreads: RefCell<BTreeSet<u16>>,
}

impl Mm {
    pub fn new(frames: FramePool, machine: Rc<dyn Machine>) -> Rc<Self> {
        Self::from_space(Space::new(frames, TaskHandle::new(machine)))
    }
    pub fn from_space(space: Space) -> Rc<Self> {
        Rc::new(Self {
            space: RefCell::new(space),
            users: Cell::new(0),
            lthreads: RefCell::new(BTreeSet::from([0])),
        })
    }
    /// One more process runs in it.
    pub fn enter(&self) {
        self.users.set(self.users.get() + 1);
    }
    /// One process fewer. Returns whether there are others.
    pub fn leave(&self) -> bool {
        self.users.set(self.users.get().saturating_sub(1));
        self.users.get() > 0
    }
    /// Whether more than one process runs in it.
    pub fn is_shared(&self) -> bool {
        self.users.get() > 1
    }
    /// The one L4 thread in it has this number.
    pub fn adopt_lthread(&self, number: u16) {
        *self.lthreads.borrow_mut() = BTreeSet::from([number]);
    }
    /// A number for one more L4 thread. Number 0 is that of a task's first thread for ever.
    pub fn take_lthread(&self) -> Option<u16> {
        let mut taken = self.lthreads.borrow_mut();
        let free = (1..ThreadId::LTHREADS as u16).find(|n| !taken.contains(n))?;
        taken.insert(free);
        Some(free)
    }
    pub fn release_lthread(&self, number: u16) {
        self.lthreads.borrow_mut().remove(&number);
    }
    /// Says which task has this address space. Until then nothing is mapped anywhere.
    pub fn set_task(&self, thread: ThreadId) {
        self.space.borrow().task().thread.set(Some(thread));
    }
}

/// The L4 task that an address space belongs to, if it has one yet.
pub struct TaskHandle {
    pub machine: Rc<dyn Machine>,
    thread: Cell<Option<ThreadId>>,
}

impl TaskHandle {
    pub fn new(machine: Rc<dyn Machine>) -> Self {
        Self { machine, thread: Cell::new(None) }
    }
    /// A thread of the task.
    pub fn thread(&self) -> Option<ThreadId> {
        self.thread.get()
    }
    /// The task is gone, and with it everything that was mapped.
    pub fn clear(&self) {
        self.thread.set(None);
    }
}
