//! Futexes: waiting for a word of memory to change.
//!
//! In memory that processes share, a futex is found by that memory and the place in it, so that each may have it mapped elsewhere; else by
//! its address space and address (futex(2), `FUTEX_PRIVATE_FLAG`).

use crate::exec::WaitQueue;
use crate::mm::Mm;
use crate::mm::vma::{Backing, SharedPages};
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// What a futex is known by.
#[derive(Clone)]
pub enum Place {
    /// An address of an address space.
    Private(Rc<Mm>, u64),
    /// A byte of memory without a file.
    Memory(SharedPages, u64),
    /// A byte of the file with this device and inode number.
    File((u64, u64), u64),
}

impl Place {
    /// That of a futex of which the program says that it is its own alone.
    pub fn private(mm: &Rc<Mm>, addr: u64) -> Self {
        Self::Private(mm.clone(), addr)
    }

    /// That of any futex.
    pub fn of(mm: &Rc<Mm>, addr: u64) -> Self {
        let space = mm.space.borrow();
        let Some(vma) = space.vma_at(addr) else { return Self::private(mm, addr) };
        let delta = addr - vma.span.start();
        match &vma.backing {
            Backing::Shared { pages, offset } => Self::Memory(pages.clone(), offset.wrapping_add(delta)),
            Backing::File { file, offset, shared: true } => {
                Self::File(file.source.identity(), offset.wrapping_add(delta))
            }
            _ => Self::private(mm, addr),
        }
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Private(a, at), Self::Private(b, there)) => at == there && Rc::ptr_eq(a, b),
            (Self::Memory(a, at), Self::Memory(b, there)) => at == there && Rc::ptr_eq(a, b),
            (Self::File(a, at), Self::File(b, there)) => at == there && a == b,
            _ => false,
        }
    }
}

/// One thread that waits.
pub struct Waiter {
    place: RefCell<Place>,
    bits: u32,
    woken: Cell<bool>,
    queue: WaitQueue,
}

impl Waiter {
    pub fn is_woken(&self) -> bool {
        self.woken.get()
    }
    pub fn queue(&self) -> &WaitQueue {
        &self.queue
    }
}

/// All waiting threads, in the order in which they came.
#[derive(Default)]
pub struct Futexes {
    waiters: RefCell<BTreeMap<u64, Rc<Waiter>>>,
    next: Cell<u64>,
}

/// Takes a waiter off the list when it is dropped, however the wait ended.
pub struct Registration<'a> {
    futexes: &'a Futexes,
    key: u64,
    pub waiter: Rc<Waiter>,
}

impl Drop for Registration<'_> {
    fn drop(&mut self) {
        self.futexes.waiters.borrow_mut().remove(&self.key);
    }
}

impl Futexes {
    pub fn register(&self, place: Place, bits: u32) -> Registration<'_> {
        let key = self.next.get();
        self.next.set(key + 1);
        let waiter = Rc::new(Waiter {
            place: RefCell::new(place),
            bits,
            woken: Cell::new(false),
            queue: WaitQueue::new(),
        });
        self.waiters.borrow_mut().insert(key, waiter.clone());
        Registration { futexes: self, key, waiter }
    }

    /// Wakes up to `count` waiters that share a bit with `bits`. Returns how many.
    pub fn wake(&self, place: &Place, count: u32, bits: u32) -> u32 {
        let mut woken = 0;
        for waiter in self.at(place) {
            if woken == count {
                break;
            }
            if waiter.bits & bits != 0 && !waiter.woken.replace(true) {
                waiter.queue.wake_all();
                woken += 1;
            }
        }
        woken
    }

    /// Makes up to `count` waiters wait at another place. Returns how many.
    pub fn requeue(&self, from: &Place, to: &Place, count: u32) -> u32 {
        let mut moved = 0;
        for waiter in self.at(from) {
            if moved == count {
                break;
            }
            if !waiter.is_woken() {
                *waiter.place.borrow_mut() = to.clone();
                moved += 1;
            }
        }
        moved
    }

    fn at(&self, place: &Place) -> Vec<Rc<Waiter>> {
        self.waiters.borrow().values().filter(|w| *w.place.borrow() == *place).cloned().collect()
    }
}
