//! The kernel's lock in all orders in which two CPUs can come to it, and with all values that the memory model lets them see.
//!
//! Only built with `RUSTFLAGS="--cfg loom"`, as `cargo xtask test` does. Loom's threads play CPUs. (With three of them, two of which wait in loops, it does not come to an end.) What belongs to a CPU's threads is a cell: loom fails the test if two touch one without an order between them.

#![cfg(loom)]

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;
use ukernel_core::smp::Lock;

struct Machine<const CPUS: usize> {
    lock: Lock<CPUS>,
    /// What a CPU's user mode and fast path touch without the lock: its own; and the lock's holder.
    threads: [UnsafeCell<()>; CPUS],
    /// What only the lock's holder touches.
    kernel: UnsafeCell<()>,
    bells: [Bell; CPUS],
}

/// Wakes a CPU whose program does nothing.
struct Bell {
    why: Mutex<Why>,
    rung: Condvar,
}

#[derive(Default)]
struct Why {
    interrupt: bool,
    over: bool,
}

impl Bell {
    fn new() -> Self {
        Self { why: Mutex::default(), rung: Condvar::new() }
    }

    fn ring(&self, interrupt: bool) {
        let mut why = self.why.lock().unwrap();
        *why = Why { interrupt: why.interrupt || interrupt, over: why.over || !interrupt };
        self.rung.notify_one();
    }

    /// Wait for an interrupt. False: it is all over.
    fn wait(&self) -> bool {
        let mut why = self.why.lock().unwrap();
        loop {
            if std::mem::take(&mut why.interrupt) {
                return true;
            }
            if why.over {
                return false;
            }
            why = self.rung.wait(why).unwrap();
        }
    }
}

impl<const CPUS: usize> Machine<CPUS> {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: Lock::new(),
            threads: core::array::from_fn(|_| UnsafeCell::new(())),
            kernel: UnsafeCell::new(()),
            bells: core::array::from_fn(|_| Bell::new()),
        })
    }

    fn touch(&self, cpu: usize) {
        self.threads[cpu].with_mut(|_| ());
    }

    /// A system call of `me` that changes a thread of `other`.
    fn call(&self, me: usize, other: usize) {
        self.lock.enter(me, |_| ());
        self.kernel.with_mut(|_| ());
        self.touch(me);
        self.lock.own(other, || self.bells[other].ring(true));
        self.touch(other);
        self.lock.leave(me);
    }

    /// A program that does nothing but be interrupted, until it is told that all is over.
    fn answer(&self, me: usize) {
        while self.bells[me].wait() {
            // The bell has an order of its own; what comes now has none but the lock's.
            self.touch(me);
            self.lock.enter(me, |_| ());
            self.lock.leave(me);
        }
    }
}

/// So many times a CPU is stopped where it need not wait: all bugs that were put in for a trial show with two.
const PREEMPTIONS: usize = 4;

fn explore(body: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    // CPUs wait in loops.
    model.max_branches = 10_000;
    model.check(body);
}

#[test]
fn one_at_a_time() {
    explore(|| {
        let m = Machine::<2>::new();
        let run = |me: usize, m: Arc<Machine<2>>| {
            m.lock.enter(me, |_| ());
            m.kernel.with_mut(|_| ());
            m.lock.leave(me);
        };
        let other = thread::spawn({
            let m = m.clone();
            move || run(1, m)
        });
        if m.lock.try_enter(0) {
            m.kernel.with_mut(|_| ());
            m.lock.leave(0);
        }
        run(0, m);
        other.join().unwrap();
    });
}

/// The holder changes a thread of a CPU that is in user mode.
#[test]
fn an_owned_cpu_is_quiet() {
    explore(|| {
        let m = Machine::<2>::new();
        let other = thread::spawn({
            let m = m.clone();
            move || {
                m.touch(1);
                m.answer(1);
                m.touch(1);
            }
        });
        m.touch(0);
        m.call(0, 1);
        m.touch(0);
        m.bells[1].ring(false);
        other.join().unwrap();
    });
}

/// The other is on its way into the kernel, or out, by itself.
#[test]
fn a_cpu_is_quiet_only_while_it_waits() {
    explore(|| {
        let m = Machine::<2>::new();
        let other = thread::spawn({
            let m = m.clone();
            move || {
                m.touch(1);
                m.lock.enter(1, |_| ());
                m.touch(1);
                m.lock.leave(1);
                m.touch(1);
                m.answer(1);
            }
        });
        m.call(0, 1);
        m.bells[1].ring(false);
        other.join().unwrap();
    });
}

/// Both want to change the other's threads at the same time.
#[test]
fn two_owners_do_not_wait_for_each_other() {
    explore(|| {
        let m = Machine::<2>::new();
        let run = |me: usize, m: Arc<Machine<2>>| {
            m.touch(me);
            m.call(me, 1 - me);
            m.touch(me);
            m.bells[1 - me].ring(false);
            m.answer(me);
        };
        let other = thread::spawn({
            let m = m.clone();
            move || run(1, m)
        });
        run(0, m);
        other.join().unwrap();
    });
}

/// What is asked of a CPU has been done when `ask` returns, by that CPU, while it waits.
#[test]
fn a_waiting_cpu_does_what_it_is_asked() {
    const WHAT: u32 = 4;
    explore(|| {
        let m = Machine::<2>::new();
        let other = thread::spawn({
            let m = m.clone();
            move || {
                assert!(m.bells[1].wait());
                m.touch(1);
                m.lock.enter(1, |asked| {
                    assert_eq!(asked, WHAT);
                    m.touch(1);
                });
                m.touch(1);
                m.lock.leave(1);
            }
        });
        m.lock.enter(0, |_| ());
        m.lock.own(1, || m.bells[1].ring(true));
        m.lock.ask(1, WHAT, || ());
        m.touch(1);
        m.lock.leave(0);
        other.join().unwrap();
    });
}

/// A CPU that idles is quiet until it has the lock again.
#[test]
fn an_idle_cpu_is_quiet() {
    explore(|| {
        let m = Machine::<2>::new();
        let other = thread::spawn({
            let m = m.clone();
            move || {
                m.lock.enter(1, |_| ());
                m.touch(1);
                m.lock.idle(1);
                m.lock.enter(1, |_| ());
                m.touch(1);
                m.lock.leave(1);
            }
        });
        m.lock.enter(0, |_| ());
        if m.lock.is_idle(1) {
            m.touch(1);
        }
        m.kernel.with_mut(|_| ());
        m.lock.leave(0);
        other.join().unwrap();
    });
}
