//! Memory for the tasks: pages of this server's image that Rust makes no references into.

use crate::places::{CENSUS, CONTEXTS, DATA, DATA_PAGES, STACK_PAGES, STACKS, THREADS};
use core::cell::UnsafeCell;
use core::ptr;
use ukernel_abi::layout::PAGE;
use userlib::{Fpage, MapItem, Rights};

const WORDS: usize = PAGE as usize / 8;
/// Pages of a task with all threads.
const MOST: usize = (THREADS + THREADS * STACK_PAGES + 1 + DATA_PAGES) as usize;
/// Pages of a victim.
const FEW: usize = (1 + STACK_PAGES + DATA_PAGES) as usize;
const VICTIMS: usize = crate::victims::COUNT;

#[repr(C, align(4096))]
struct Pages(UnsafeCell<[[u64; WORDS]; MOST + VICTIMS * FEW]>);

// SAFETY: the words are only accessed by volatile copies, below, and by other tasks.
unsafe impl Sync for Pages {}

static PAGES: Pages = Pages(UnsafeCell::new([[0; WORDS]; MOST + VICTIMS * FEW]));

/// The memory of one task.
#[derive(Clone, Copy)]
pub struct Memory {
    first: usize,
    threads: u64,
}

/// A page of it.
#[derive(Clone, Copy)]
pub struct Page(usize);

impl Memory {
    pub const FUZZER: Self = Self { first: 0, threads: THREADS };

    /// That of a victim, which has one thread.
    pub const fn victim(number: usize) -> Self {
        Self { first: MOST + number % VICTIMS * FEW, threads: 1 }
    }

    pub fn context(self, thread: u64) -> Page {
        Page(self.first + thread as usize)
    }

    pub fn census(self) -> Page {
        Page(self.first + (self.threads * (1 + STACK_PAGES) + DATA_PAGES) as usize)
    }

    /// What the task has at `address`, with its rights.
    pub fn at(self, address: u64) -> Option<(Page, Rights)> {
        let within = |start, pages| {
            let page = address.checked_sub(start)? / PAGE;
            (page < pages).then_some(page)
        };
        let stacks = self.threads * STACK_PAGES;
        if let Some(page) = within(CONTEXTS, self.threads) {
            return Some((Page(self.first + page as usize), Rights::RW));
        }
        if let Some(page) = within(STACKS, stacks) {
            return Some((Page(self.first + (self.threads + page) as usize), Rights::RW));
        }
        if let Some(page) = within(DATA, DATA_PAGES) {
            return Some((Page(self.first + (self.threads + stacks + page) as usize), Rights::RW));
        }
        (self.threads == THREADS && within(CENSUS, 1).is_some()).then(|| (self.census(), Rights::R))
    }
}

impl Page {
    fn word(self, index: u64) -> *mut u64 {
        let base = PAGES.0.get().expose_provenance();
        ptr::with_exposed_provenance_mut(base + self.0 * PAGE as usize + index as usize % WORDS * 8)
    }

    pub fn read(self, index: u64) -> u64 {
        // SAFETY: in `PAGES`, which has this page, aligned; nobody has a reference to it.
        unsafe { self.word(index).read_volatile() }
    }

    pub fn write(self, index: u64, value: u64) {
        // SAFETY: as in `read`; the memory is in an `UnsafeCell`.
        unsafe { self.word(index).write_volatile(value) }
    }

    /// The item that maps it to `address`.
    pub fn item(self, rights: Rights, address: u64) -> MapItem {
        MapItem::map(Fpage::memory(self.word(0).addr() as u64, 12, rights), address & !(PAGE - 1))
    }
}
