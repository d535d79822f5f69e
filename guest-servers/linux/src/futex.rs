//! Futexes: waiting for a word of memory to change.
//!
//! A futex is found by its address space and address. Futexes in memory that several processes share are found only within one
//! process: `FUTEX_PRIVATE_FLAG` is taken for granted.

use crate::exec::WaitQueue;
use crate::mm::Mm;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};

/// One thread that waits.
pub struct Waiter {
    mm: Rc<Mm>,
    addr: Cell<u64>,
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
    fn is_at(&self, mm: &Rc<Mm>, addr: u64) -> bool {
        self.addr.get() == addr && Rc::ptr_eq(&self.mm, mm)
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
    pub fn register(&self, mm: Rc<Mm>, addr: u64, bits: u32) -> Registration<'_> {
        let key = self.next.get();
        self.next.set(key + 1);
        let waiter = Rc::new(Waiter {
            mm,
            addr: Cell::new(addr),
            bits,
            woken: Cell::new(false),
            queue: WaitQueue::new(),
        });
        self.waiters.borrow_mut().insert(key, waiter.clone());
        Registration { futexes: self, key, waiter }
    }

    /// Wakes up to `count` waiters that share a bit with `bits`. Returns how many.
    pub fn wake(&self, mm: &Rc<Mm>, addr: u64, count: u32, bits: u32) -> u32 {
        let mut woken = 0;
        for waiter in self.at(mm, addr) {
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

    /// Makes up to `count` waiters wait at another address. Returns how many.
    pub fn requeue(&self, mm: &Rc<Mm>, from: u64, to: u64, count: u32) -> u32 {
        let mut moved = 0;
        for waiter in self.at(mm, from) {
            if moved == count {
                break;
            }
            if !waiter.is_woken() {
                waiter.addr.set(to);
                moved += 1;
            }
        }
        moved
    }

    fn at(&self, mm: &Rc<Mm>, addr: u64) -> Vec<Rc<Waiter>> {
        self.waiters.borrow().values().filter(|w| w.is_at(mm, addr)).cloned().collect()
    }
}
