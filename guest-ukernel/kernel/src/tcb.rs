//! The TCB array.
//!
//! A thread's identifier gives the address of its TCB by a shift and a mask. The whole array is always mapped: where there is no
//! thread, to one page of zeroes that is read-only, through tables that are all the same two. So a thread is found, or
//! found not to be, by comparing one word, and no list of living threads is ever searched.
//!
//! TCBs of dead threads go to a list of their own and become TCBs again: clearing a page costs more than setting one up.
//! Tables of the array stay once made; they are shared by 512 tasks each.

use core::cell::Cell;

use ukernel_abi::ThreadId;
use ukernel_core::mem::Machine;
use ukernel_core::thread::{Thread, ThreadRef};

use crate::arch::insn::invlpg;
use crate::arch::layout::*;
use crate::kernel::kernel;
use crate::mem::tlb;
use crate::mem::{MEM, NoMemory, PhysAddr, Physmap, Space};
use crate::task::Task;

/// A page of the array. The task's own structure lies in the page of its first thread.
#[repr(C, align(4096))]
pub struct Tcb {
    pub thread: Thread,
    _pad: [u8; TASK_OFFSET - size_of::<Thread>()],
    pub task: Task,
}

const TASK_OFFSET: usize = 2048;
const _: () = assert!(size_of::<Tcb>() == PAGE as usize);

fn address(index: usize) -> u64 {
    TCB_BASE + index as u64 * PAGE
}

fn page(index: usize) -> &'static Tcb {
    debug_assert!(index < ThreadId::TASKS * ThreadId::LTHREADS);
    // SAFETY: every page of the array is mapped, to a TCB that `create` has initialised or to the zero page. All zeroes are a valid
    // `Thread` and `Task` (identifier nil; all else None, 0, false), and nothing writes to one whose identifier is nil.
    unsafe { &*(address(index) as *const Tcb) }
}

/// The living thread `id`.
#[inline(always)]
pub fn find(id: ThreadId) -> Option<ThreadRef> {
    if !id.is_valid() {
        return None;
    }
    let t = &page(id.index()).thread;
    (t.id.get() == id).then_some(t)
}

/// The living thread at the place that `id` names, whatever its version.
pub fn find_any_version(id: ThreadId) -> Option<ThreadRef> {
    let t = &page(id.index()).thread;
    (!t.id.get().is_nil()).then_some(t)
}

/// The task of `t`.
#[inline]
pub fn task_of(t: &Thread) -> &'static Task {
    &page(t.id.get().task() as usize).task
}

#[inline]
pub fn space_of(t: &Thread) -> Space {
    task_of(t).space()
}

/// The task structure in the TCB of `number`'s first thread.
pub fn task_at(number: u16) -> &'static Task {
    &page(number as usize).task
}

/// TCBs of dead threads, and the version of the next thread.
pub struct Array {
    free: Cell<PhysAddr>,
    version: Cell<u32>,
}

impl Array {
    pub const fn new() -> Self {
        Self { free: Cell::new(PhysAddr::NULL), version: Cell::new(1) }
    }

    /// Make the thread `lthread` of `task`. Its page is initialised, its identifier set; it is in no queue.
    pub fn create(&self, task: u16, lthread: u16) -> Result<ThreadRef, NoMemory> {
        let version = self.version.get();
        let id = ThreadId::new(task, lthread, version);
        let slot = self.slot(id.index())?;
        let frame = self.take_frame()?;
        self.version.set(version.checked_add(1).unwrap_or(1));
        store(slot, frame.0 | PTE_P | PTE_W | PTE_A | PTE_D | PTE_G | PTE_NX);
        invlpg(address(id.index()));
        kernel().smp.array_changed();
        let tcb = address(id.index()) as *mut Tcb;
        // SAFETY: the page has just been mapped, writable, and nobody has a reference into it: the thread that had this
        // place before died with all references to it (`destroy`).
        unsafe {
            (&raw mut (*tcb).thread).write(Thread::default());
            if lthread == 0 {
                (&raw mut (*tcb).task).write(Task::new());
            }
        }
        let t = &page(id.index()).thread;
        t.id.set(id);
        Ok(t)
    }

    /// Remove `t`, to which nothing refers any more and whose identifier was `id`.
    pub fn destroy(&self, id: ThreadId) {
        let index = id.index();
        if let Ok(slot) = self.slot(index) {
            let frame = PhysAddr(load(slot) & PTE_ADDR);
            store(slot, load(PhysAddr(zero_table())));
            invlpg(address(index));
            kernel().smp.array_changed();
            store(frame, self.free.replace(frame).0);
        }
    }

    fn take_frame(&self) -> Result<PhysAddr, NoMemory> {
        let frame = self.free.get();
        if frame.is_null() {
            return MEM.frames.alloc_dirty();
        }
        self.free.set(PhysAddr(load(frame)));
        Ok(frame)
    }

    /// The page-table entry of TCB `index`, in a table that is not the shared one.
    fn slot(&self, index: usize) -> Result<PhysAddr, NoMemory> {
        let va = address(index);
        let directory = own_table(PhysAddr(pdpt() + (va >> 30 & 0x1ff) * 8), zero_directory())?;
        let table = own_table(PhysAddr(directory.0 + (va >> 21 & 0x1ff) * 8), zero_table())?;
        Ok(PhysAddr(table.0 + (va >> 12 & 0x1ff) * 8))
    }
}

/// The table that `entry` points to; where that is the shared one at `shared`, a copy of it.
fn own_table(entry: PhysAddr, shared: u64) -> Result<PhysAddr, NoMemory> {
    let table = load(entry) & PTE_ADDR;
    if table != shared {
        return Ok(PhysAddr(table));
    }
    let copy = MEM.frames.alloc()?;
    Physmap.fill(copy, 512, load(PhysAddr(shared)));
    store(entry, copy.0 | PTE_P | PTE_W);
    tlb::flush_upper_levels();
    Ok(copy)
}

fn load(at: PhysAddr) -> u64 {
    Physmap.load(at)
}
fn store(at: PhysAddr, value: u64) {
    Physmap.store(at, value)
}

unsafe extern "C" {
    static boot_pdpt_tcb: [u64; 512];
    static boot_pd_zero: [u64; 512];
    static boot_pt_zero: [u64; 512];
}

fn pdpt() -> u64 {
    &raw const boot_pdpt_tcb as u64 - KERNEL_BASE
}
fn zero_directory() -> u64 {
    &raw const boot_pd_zero as u64 - KERNEL_BASE
}
fn zero_table() -> u64 {
    &raw const boot_pt_zero as u64 - KERNEL_BASE
}
