//! Several CPUs: the lock, and what they ask of each other.
//!
//! With one CPU all of this is one predicted branch. The protocol is [`ukernel_core::smp`].

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, Ordering};

use ukernel_core::mem::{Machine, PhysAddr};
use ukernel_core::smp::{Lock, MAX_CPUS};
use ukernel_core::thread::{Thread, ThreadRef};

use crate::arch::entry::{self, VECTOR_IPI};
use crate::arch::layout::{PTE_ADDR, SLOT_CPUS};
use crate::arch::{boot, features, insn};
use crate::cpu::{Cpu, cpu};
use crate::mem::Physmap;

/// Save the FPU's state in its owner's copy.
const SAVE_FPU: u32 = 1;
/// Load another page-table root than [`Smp::dying`].
const LEAVE_SPACE: u32 = 2;
/// Enable the features that have been chosen.
const ENABLE: u32 = 8;
/// Load the FPU's state from its owner's copy, which has been changed.
const LOAD_FPU: u32 = 4;

pub struct Smp {
    lock: Lock<MAX_CPUS>,
    /// CPUs that run or are about to.
    pub count: AtomicU32,
    /// Root of a space that is about to be destroyed.
    dying: Cell<u64>,
}

impl Smp {
    pub const fn new() -> Self {
        Self { lock: Lock::new(), count: AtomicU32::new(1), dying: Cell::new(0) }
    }

    /// Whether there are other CPUs.
    #[inline(always)]
    pub fn several(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 1
    }

    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Relaxed)
    }

    /// There will be `count` CPUs: the only one that runs so far takes the lock, and has it while `start` starts the others. It tells how
    /// many there really are then.
    pub fn begin(&self, count: u32, start: impl FnOnce() -> u32) {
        self.lock.enter(0, |_| ());
        self.count.store(count, Ordering::Relaxed);
        self.count.store(start(), Ordering::Relaxed);
    }

    /// The first system call of all has shown that kernel mode is the processor's own: all CPUs use what they have.
    #[cold]
    pub fn kernel_mode_is_native(&self) {
        let me = cpu();
        self.enter_alone(me);
        features::kernel_mode_is_native();
        for index in (0..self.count()).filter(|&index| index != me.index()) {
            self.ask(self.at(index), ENABLE);
        }
        self.leave(me);
    }

    /// The kernel has been entered from user mode, for something that `me` did by the instruction whose last `rewind` bytes lie before its rip. False
    /// if another CPU has changed `me` meanwhile: then that has not happened, and `me` does it again when it goes on.
    #[inline(always)]
    pub fn enter(&self, cpu: &Cpu, me: ThreadRef, rewind: u64) -> bool {
        !self.several() || self.enter_locked(cpu, me, rewind)
    }

    #[cold]
    fn enter_locked(&self, cpu: &Cpu, me: ThreadRef, rewind: u64) -> bool {
        if self.lock.try_enter(cpu.index() as usize) {
            cpu.flush_owed();
            return true;
        }
        let rip = &me.frame.rip;
        rip.set(rip.get().wrapping_sub(rewind));
        cpu.trap_void.set(false);
        self.wait(cpu);
        let same = cpu.sched.current().is_some_and(|t| core::ptr::eq(t, me));
        if !same || !me.is_runnable() || cpu.trap_void.get() {
            return false;
        }
        rip.set(rip.get().wrapping_add(rewind));
        true
    }

    /// Take the lock for something that is no thread's.
    pub fn enter_alone(&self, cpu: &Cpu) {
        if self.several() {
            self.wait(cpu);
        }
    }

    fn wait(&self, cpu: &Cpu) {
        self.lock.enter(cpu.index() as usize, |asked| self.serve(cpu, asked));
        cpu.flush_owed();
    }

    /// Go to user mode.
    #[inline(always)]
    pub fn leave(&self, cpu: &Cpu) {
        if self.several() {
            self.lock.leave(cpu.index() as usize);
        }
    }

    /// Wait for an interrupt, which is handled.
    pub fn idle(&self, cpu: &Cpu) {
        if !self.several() {
            return entry::wait_for_interrupt();
        }
        // The space of the thread that ran last may go away meanwhile.
        cpu.set_space(boot::template_root());
        self.lock.idle(cpu.index() as usize);
        entry::wait_for_interrupt();
        self.wait(cpu);
    }

    /// This CPU, which has just been started, waits until somebody wants it; then it has the lock. `arrived` tells the first CPU, which has the lock
    /// until the system runs, that this one is ready. It does not wait for the lock: a host with fewer CPUs would have its hands full with that.
    pub fn join(&self, cpu: &Cpu, arrived: impl FnOnce()) {
        self.lock.begin_idle(cpu.index() as usize);
        arrived();
        entry::wait_for_interrupt();
        self.wait(cpu);
    }

    /// Let `handle` do what an interrupt during [`Self::idle`] asks for.
    pub fn while_idle(&self, cpu: &Cpu, handle: impl FnOnce()) {
        self.enter_alone(cpu);
        handle();
        if self.several() {
            self.lock.idle(cpu.index() as usize);
        }
    }

    /// The CPU `index`, which has been started.
    pub fn at(&self, index: u32) -> &'static Cpu {
        if index >= self.count() {
            panic!("there is no CPU {index}");
        }
        Cpu::at(index)
    }

    /// See that the CPU of `t` does not touch it until the lock is given back. Returns that CPU.
    #[inline]
    pub fn own(&self, t: &Thread) -> &'static Cpu {
        let cpu = cpu();
        if t.cpu.get() == cpu.index() { cpu } else { self.quiet(t.cpu.get()) }
    }

    fn quiet(&self, index: u32) -> &'static Cpu {
        let other = self.at(index);
        self.lock.own(index as usize, || self.interrupt(other));
        other
    }

    /// `t`, which is owned and runnable, is to run on its CPU.
    #[inline]
    pub fn wake(&self, t: ThreadRef) {
        let home = self.own(t);
        home.sched.wake(t);
        if self.several() {
            self.rouse(home);
        }
    }

    /// If `other`, which is quiet, idles, have it look at what there is to do.
    fn rouse(&self, other: &Cpu) {
        if self.lock.is_idle(other.index() as usize) {
            self.interrupt(other);
        }
    }

    /// What the CPU of `t`, which is owned, has entered the kernel for on behalf of `t` is not to happen: `t` is being changed.
    pub fn void_trap(&self, t: &Thread) {
        let home = self.own(t);
        if home.sched.current().is_some_and(|current| core::ptr::eq(current, t)) {
            home.trap_void.set(true);
        }
    }

    /// Bring the copy of `t`'s FPU state in memory up to date. Returns its CPU, which may have to forget it.
    pub fn sync_fpu(&self, t: ThreadRef) -> &'static Cpu {
        let home = self.own(t);
        if home.index() == cpu().index() {
            home.fpu.sync(t);
        } else if home.fpu.is(t) {
            self.ask(home, SAVE_FPU);
        }
        home
    }

    /// Have `change` change the copy of `t`'s FPU state in memory. The registers follow.
    pub fn change_fpu(&self, t: ThreadRef, change: impl FnOnce(&Thread)) {
        let home = self.sync_fpu(t);
        change(t);
        match home.fpu.is(t) {
            true if home.index() == cpu().index() => home.fpu.reload_owner(),
            true => self.ask(home, LOAD_FPU),
            false => {}
        }
    }

    /// The space of root `root` gets a thread that runs on `home`.
    pub fn space_used_on(&self, root: u64, home: &Cpu) {
        let (word, bit) = used_word(root, home.index());
        if Physmap.load(word) & bit == 0 {
            Physmap.store(word, Physmap.load(word) | bit);
            // Processors that tag translations may remember some of an earlier space with the same tag.
            home.owe_flush();
        }
    }

    /// Let `t`, which is owned, run on CPU `to` from now on.
    pub fn migrate(&self, t: ThreadRef, to: u32) {
        let from = self.own(t);
        if from.index() == to {
            return;
        }
        let target = if to == cpu().index() { cpu() } else { self.quiet(to) };
        self.sync_fpu(t);
        if from.fpu.evict(t) {
            t.moving.set(true);
            from.sched.touch();
            self.rouse(from);
        }
        self.void_trap(t);
        from.sched.forget(t);
        t.cpu.set(to);
        self.space_used_on(t.cr3.get(), target);
        target.owe_flush();
        if t.is_runnable() {
            self.wake(t);
        }
    }

    /// Translations of the space of root `root` have changed: other CPUs must forget them before they run it again.
    pub fn flush_others(&self, root: u64) {
        self.others_that_use(root, |smp, other| {
            smp.quiet(other.index());
            other.owe_flush();
        });
    }

    /// Another TCB, or none, lies at an address: other CPUs must forget what they remember of it before they look at any TCB but those of their
    /// own threads. On the fast path they may see the old one, which has an identifier that does not fit.
    pub fn array_changed(&self) {
        let me = cpu().index();
        for index in (0..self.count()).filter(|&index| index != me) {
            Cpu::at(index).owe_flush();
        }
    }

    /// The space of root `root` goes away: no other CPU may have it loaded.
    pub fn leave_space(&self, root: u64) {
        self.dying.set(root);
        self.others_that_use(root, |smp, other| {
            smp.quiet(other.index());
            if !smp.lock.is_idle(other.index() as usize) {
                smp.ask(other, LEAVE_SPACE);
            }
        });
        // Frames are given back zeroed.
        for index in (0..MAX_CPUS as u32).step_by(CPUS_A_WORD as usize) {
            Physmap.store(used_word(root, index).0, 0);
        }
    }

    fn others_that_use(&self, root: u64, mut each: impl FnMut(&Self, &'static Cpu)) {
        let me = cpu().index();
        for index in (0..self.count()).filter(|&index| index != me) {
            let (word, bit) = used_word(root, index);
            if Physmap.load(word) & bit != 0 {
                each(self, self.at(index));
            }
        }
    }

    fn ask(&self, other: &'static Cpu, what: u32) {
        self.lock.ask(other.index() as usize, what, || self.interrupt(other));
    }

    /// What the lock's holder asks of this CPU, which waits for the lock.
    fn serve(&self, cpu: &Cpu, asked: u32) {
        if asked & SAVE_FPU != 0 {
            cpu.fpu.sync_owner();
        }
        if asked & LOAD_FPU != 0 {
            cpu.fpu.reload_owner();
        }
        if asked & ENABLE != 0 {
            features::enable();
        }
        if asked & LEAVE_SPACE != 0 && (insn::cr3() ^ self.dying.get()) & PTE_ADDR == 0 {
            cpu.set_space(boot::template_root());
        }
    }

    fn interrupt(&self, other: &Cpu) {
        // Index and identifier of the APIC are the same (`arch::ap`).
        cpu().apic.send_fixed_ipi(other.index(), VECTOR_IPI);
    }
}

/// CPUs in one of the words of [`used_word`].
const CPUS_A_WORD: u32 = 32;

/// Where it is noted that the space of root `root` may be loaded on CPU `index`: in entries of its top-level table that are not present, so
/// that the processor does not look at them.
fn used_word(root: u64, index: u32) -> (PhysAddr, u64) {
    let slot = SLOT_CPUS as u64 + u64::from(index / CPUS_A_WORD);
    (PhysAddr((root & PTE_ADDR) + slot * 8), 2 << (index % CPUS_A_WORD))
}
