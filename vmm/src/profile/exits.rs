//! What the threads of the vCPUs record: that the guest was left, and entered again.
//!
//! Each has a log of its own, which the thread that drains looks at; so a lock is never contended for longer than a copy takes. The times are the guest's: the
//! host's TSC, and what the guest's is ahead of it.

use super::clock::Offset;
use super::procfs::ThreadFiles;
use super::sampling::booth::Booth;
use crate::vcpu::kick::Kicker;
use crate::vm::host_tsc;
use kvm_bindings::{
    KVM_EXIT_DEBUG, KVM_EXIT_FAIL_ENTRY, KVM_EXIT_HLT, KVM_EXIT_INTERNAL_ERROR, KVM_EXIT_INTR, KVM_EXIT_IO,
    KVM_EXIT_IRQ_WINDOW_OPEN, KVM_EXIT_MMIO, KVM_EXIT_SHUTDOWN, KVM_EXIT_SYSTEM_EVENT, KVM_EXIT_UNKNOWN,
};
use kvm_ioctls::{Error, VcpuExit, VcpuFd};
use profile::file;
use std::cell::Cell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use vmm_abi::trace::{CAPACITY, Event, Record};

/// The log of one vCPU.
pub struct Log {
    cpu: u16,
    /// The guest's TSC minus the host's.
    offset: u64,
    pending: Mutex<Pending>,
    end: Mutex<Option<End>>,
    /// If samples are taken.
    booth: Option<Booth>,
}

/// What has not been taken out yet.
#[derive(Default)]
struct Pending {
    records: Vec<u8>,
    /// Records so far, with those that were taken out.
    count: u64,
    dropped: u64,
    /// How many of these were told.
    told: u64,
}

/// What a vCPU's thread says when it has run for the last time.
#[derive(Clone, Copy)]
pub struct End {
    pub offset: Option<Offset>,
    pub vcpu: file::Vcpu,
}

impl Log {
    /// Of vCPU `cpu`, whose TSC is ahead of the host's by this.
    pub fn new(cpu: u16, offset: u64) -> Self {
        Self { cpu, offset, pending: Mutex::default(), end: Mutex::default(), booth: None }
    }

    /// The same with a place where samples are given.
    pub fn with_booth(self, booth: Booth) -> Self {
        Self { booth: Some(booth), ..self }
    }

    pub fn booth(&self) -> Option<&Booth> {
        self.booth.as_ref()
    }

    pub fn cpu(&self) -> u16 {
        self.cpu
    }

    /// Records `event`, of a moment of the host's TSC.
    pub fn record(&self, event: Event, host_tsc: u64, argument: u64) {
        let tsc = host_tsc.wrapping_add(self.offset);
        let mut pending = lock(&self.pending);
        if pending.records.len() >= CAPACITY as usize * Record::SIZE {
            pending.dropped += 1;
            return;
        }
        pending.count += 1;
        let record = Record::new(event, self.cpu, pending.count, 0, tsc, argument);
        pending.records.extend(record.to_words().into_iter().flat_map(u64::to_le_bytes));
    }

    /// Takes out what is there, in exchange for `buffer`, which is empty; returns how many records were dropped behind it.
    pub fn take(&self, buffer: &mut Vec<u8>) -> u64 {
        let mut pending = lock(&self.pending);
        std::mem::swap(&mut pending.records, buffer);
        let dropped = pending.dropped;
        dropped - std::mem::replace(&mut pending.told, dropped)
    }

    /// What has become of the records, when all have been taken out.
    pub fn ring_end(&self) -> file::RingEnd {
        let pending = lock(&self.pending);
        file::RingEnd {
            ring: file::Ring::Host(self.cpu),
            records: pending.count,
            dropped: pending.dropped,
            incomplete: 0,
        }
    }

    /// What its thread has said at its end.
    pub fn end(&self) -> Option<End> {
        *lock(&self.end)
    }
}

/// Of a thread that has panicked, the records are as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A vCPU's thread's hold of its log, if there is one.
pub struct Exits<'a> {
    log: Option<&'a Log>,
    /// Why the guest was left last.
    reason: Cell<u64>,
    /// The host's CPU at the last exit, and how often it was another one than before.
    place: Cell<usize>,
    migrations: Cell<u64>,
    files: Option<ThreadFiles>,
}

impl<'a> Exits<'a> {
    /// To be called by the thread, which `kicker` gets out of the guest.
    pub fn new(log: Option<&'a Log>, kicker: &Arc<Kicker>) -> Self {
        if let Some(booth) = log.and_then(Log::booth) {
            booth.open(kicker);
        }
        let place = Cell::new(log.map_or(0, |_| rustix::thread::sched_getcpu()));
        let files = log.map(|_| ThreadFiles::open());
        Self { log, reason: Cell::default(), place, migrations: Cell::default(), files }
    }

    /// Enters the guest.
    pub fn run<'f>(&self, fd: &'f mut VcpuFd) -> Result<VcpuExit<'f>, Error> {
        let Some(log) = self.log else { return fd.run() };
        let set_inside = |inside| log.booth().into_iter().for_each(|booth| booth.set_inside(inside));
        log.record(Event::VM_ENTRY, host_tsc(), self.reason.get());
        set_inside(true);
        let exit = fd.run();
        let tsc = host_tsc();
        set_inside(false);
        self.reason.set(exit.as_ref().map_or(KVM_EXIT_INTR, reason).into());
        log.record(Event::VM_EXIT, tsc, self.reason.get());
        self.look_around();
        exit
    }

    /// To be called when [`Self::run`] was interrupted: gives a sample, if one is wanted.
    pub fn interrupted(&self, fd: &VcpuFd) {
        if let Some(booth) = self.log.and_then(Log::booth) {
            booth.visit(fd);
        }
    }

    /// The guest will not be entered again.
    pub fn end(&self, fd: &VcpuFd) {
        let Some(log) = self.log else { return };
        if let Some(booth) = log.booth() {
            booth.close();
        }
        self.look_around();
        let thread = self.files.as_ref().map(ThreadFiles::read).unwrap_or_default();
        let vcpu = file::Vcpu {
            migrations: self.migrations.get(),
            run_delay_ns: thread.delay_ns,
            preemptions: thread.preemptions,
        };
        *lock(&log.end) = Some(End { offset: Offset::measure(fd).ok(), vcpu });
    }

    fn look_around(&self) {
        let place = rustix::thread::sched_getcpu();
        if self.place.replace(place) != place {
            self.migrations.set(self.migrations.get() + 1);
        }
    }
}

/// KVM's number of an exit. What our machines never cause has none.
fn reason(exit: &VcpuExit<'_>) -> u32 {
    match exit {
        VcpuExit::IoOut(..) | VcpuExit::IoIn(..) => KVM_EXIT_IO,
        VcpuExit::MmioRead(..) | VcpuExit::MmioWrite(..) => KVM_EXIT_MMIO,
        VcpuExit::Debug(_) => KVM_EXIT_DEBUG,
        VcpuExit::Hlt => KVM_EXIT_HLT,
        VcpuExit::IrqWindowOpen => KVM_EXIT_IRQ_WINDOW_OPEN,
        VcpuExit::Shutdown => KVM_EXIT_SHUTDOWN,
        VcpuExit::FailEntry(..) => KVM_EXIT_FAIL_ENTRY,
        VcpuExit::Intr => KVM_EXIT_INTR,
        VcpuExit::InternalError => KVM_EXIT_INTERNAL_ERROR,
        VcpuExit::SystemEvent(..) => KVM_EXIT_SYSTEM_EVENT,
        VcpuExit::Unsupported(number) => *number,
        _ => KVM_EXIT_UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_taken_out_in_their_order() {
        let log = Log::new(3, 100);
        log.record(Event::VM_ENTRY, 1, 0);
        log.record(Event::VM_EXIT, 5, KVM_EXIT_IO.into());
        let mut taken = Vec::new();
        assert_eq!(log.take(&mut taken), 0);
        let words: Vec<_> =
            taken.chunks(8).map(|word| u64::from_le_bytes(word.try_into().unwrap())).collect();
        let exit = Record::from_words(words[4..].try_into().unwrap());
        assert_eq!(exit, Record::new(Event::VM_EXIT, 3, 2, 0, 105, 2));
        taken.clear();
        log.take(&mut taken);
        assert!(taken.is_empty());
        assert_eq!(log.ring_end().records, 2);
    }

    #[test]
    fn a_log_that_nobody_reads_does_not_grow_for_ever() {
        let log = Log::new(0, 0);
        for n in 0..CAPACITY + 3 {
            log.record(Event::VM_EXIT, n, 0);
        }
        let end = log.ring_end();
        assert_eq!((end.records, end.dropped), (CAPACITY, 3));
        let mut taken = Vec::new();
        assert_eq!((log.take(&mut taken), log.take(&mut taken)), (3, 0), "told once");
    }

    #[test]
    fn exits_have_kvm_s_numbers() {
        assert_eq!(reason(&VcpuExit::IoOut(1, &[])), 2);
        assert_eq!(reason(&VcpuExit::MmioWrite(1, &[])), 6);
        assert_eq!(reason(&VcpuExit::Unsupported(77)), 77);
    }
}
