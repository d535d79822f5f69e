//! The TSC channel: rings of records that the guest writes and the host reads.
//!
//! They are in a boot module named [`MODULE`], so they are RAM like any other module: the kernel's physmap covers them, σ0 gives them to root alone, and
//! the host has them mapped anyway. Without the module nothing is recorded, and nothing is slower.
//!
//! ```text
//! offset
//! 0                    ring of CPU 0, written by the kernel alone
//! RING_SIZE            ring of CPU 1
//! …
//! cpus · RING_SIZE     first ring for user level; root gives each task that asks one of its own
//! …                    the module's end
//! ```
//!
//! A ring is a page that begins with [`Ring`], and records from [`RECORDS`] on. Who writes and who reads never wait for each other: a record that finds the ring
//! full is dropped and counted. The host believes nothing that it reads.
//!
//! **To record**: take place `n` = `claimed`, if `n - read` is less than [`CAPACITY`] (else count it in `dropped`), by adding 1 to `claimed`
//! (atomically, where several threads share the ring); write `thread`, `tsc`, `argument` of the record in slot `n % CAPACITY`, then, last, its `tag` with the
//! low 32 bits of `n + 1` as sequence number. By that the reader sees that the record is complete, and whose turn it was.
//!
//! **Doorbell**: who has filled slot `n` with `(n + 1) % DOORBELL_EVERY == 0`, or is about to fill the next one, writes the ring's number to
//! [`crate::ports::TRACE`], if it may use that port (the kernel may). It is an `ioeventfd`: the guest does not wait for it. Nobody has to: the host looks from time to time, and when the machine ends.

use core::sync::atomic::AtomicU64;

/// Name of the module that the rings are in.
pub const MODULE: &str = "trace";
/// Bytes of a ring, and its alignment: one flexpage.
pub const RING_SIZE: u64 = 4 << 20;
/// Offset of the records in a ring.
pub const RECORDS: u64 = RING_SIZE / 2;
/// Records that a ring has room for.
pub const CAPACITY: u64 = (RING_SIZE - RECORDS) / Record::SIZE as u64;
/// Records from one ring of the doorbell to the next.
pub const DOORBELL_EVERY: u64 = CAPACITY / 4;
/// Rings for user level, behind those of the CPUs.
pub const USER_RINGS: u64 = 8;

/// What a ring begins with. Each word has a cache line of its own, for each has another writer or another rhythm.
#[repr(C)]
pub struct Ring {
    /// Slots that have been taken so far: the writers'.
    pub claimed: AtomicU64,
    _0: [u64; 7],
    /// Records that the reader is done with: the host's.
    pub read: AtomicU64,
    _1: [u64; 7],
    /// Records for which there was no room: the writers'.
    pub dropped: AtomicU64,
    _2: [u64; 7],
}

/// One event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Record {
    /// Bits 0–15 [`Event`], 16–31 vCPU (of a ring for user level: [`ANY_CPU`]), 32–63 sequence number.
    pub tag: u64,
    /// Identifier of the thread that it is about ([`Event`] says which).
    pub thread: u64,
    /// Reading of the guest's TSC.
    pub tsc: u64,
    pub argument: u64,
}

/// In place of a vCPU's number, where the writer does not know it.
pub const ANY_CPU: u16 = 0xffff;

const _: () = assert!(size_of::<Record>() == Record::SIZE);
const _: () = assert!(size_of::<Ring>() == 192);
const _: () = assert!(CAPACITY.is_power_of_two());

impl Record {
    pub const SIZE: usize = 32;

    /// `sequence` is the number of the slot plus 1; what is above 32 bits of it is left out.
    pub const fn new(event: Event, cpu: u16, sequence: u64, thread: u64, tsc: u64, argument: u64) -> Self {
        Self { tag: event.0 as u64 | (cpu as u64) << 16 | sequence << 32, thread, tsc, argument }
    }
    pub const fn event(&self) -> Event {
        Event(self.tag as u16)
    }
    pub const fn cpu(&self) -> u16 {
        (self.tag >> 16) as u16
    }
    pub const fn sequence(&self) -> u32 {
        (self.tag >> 32) as u32
    }

    /// As it is in memory.
    pub const fn from_words([tag, thread, tsc, argument]: [u64; 4]) -> Self {
        Self { tag, thread, tsc, argument }
    }
    pub const fn to_words(self) -> [u64; 4] {
        [self.tag, self.thread, self.tsc, self.argument]
    }
}

/// What has happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Event(pub u16);

impl Event {
    // The kernel's. Its sites are found by `ukernel_abi::debug`; with no profile they are ordinary instructions.
    /// A thread has entered the kernel by SYSCALL (or the gate page). Argument: its rax (a Linux system call's number, or an L4 call and tag).
    pub const ENTER_SYSCALL: Self = Self(0x01);
    /// … by an exception or an interrupt. Argument: the vector, and the error code above bit 32.
    pub const ENTER_TRAP: Self = Self(0x02);
    /// … by a page fault. Argument: the address (CR2).
    pub const ENTER_PAGE_FAULT: Self = Self(0x03);
    /// On the fast path: all has been checked, the partner gets the message now. Thread: the sender. Argument: the partner.
    pub const COMMIT: Self = Self(0x04);
    /// The kernel is left. Thread: who goes on. Argument: its rax.
    pub const EXIT: Self = Self(0x05);
    /// An interrupt while no thread was running. Argument: the vector. Thread: 0.
    pub const IDLE_INTERRUPT: Self = Self(0x06);
    /// Written when the machine starts, by each CPU, in the same way as others. Argument: the event whose record it is like; or this one: a *bare* record, which
    /// reads the TSC by its first instruction. Three follow each other, *event*, *event*, *bare*, with no instruction in between but theirs: from the first to
    /// the second is what a record of that event costs in all; from the second to *bare* what it costs from its reading of the TSC on.
    pub const CALIBRATE: Self = Self(0x0f);

    // A server's: thread is the server's own.
    /// A message has been received. Argument: the client.
    pub const RECEIVED: Self = Self(0x100);
    /// It is known what it asks for. Argument: the client's request: of a Linux program the system call's number; [`Self::NO_CALL`] and the vector for a fault.
    pub const HANDLER_START: Self = Self(0x101);
    /// It has been done, or has to wait. Argument: the result (of a Linux system call: its rax), or [`Self::WAITS`].
    pub const HANDLER_END: Self = Self(0x102);
    /// The answer is about to be sent. Argument: the client.
    pub const REPLY: Self = Self(0x103);
    /// A driver is asked for something. Argument: the driver's thread.
    pub const DRIVER_REQUEST: Self = Self(0x104);
    /// … and has answered. Argument: the same.
    pub const DRIVER_DONE: Self = Self(0x105);
    /// A driver hands a request to its device. Argument: the number of the queue and, above bit 32, of the request's first descriptor.
    pub const DEVICE_REQUEST: Self = Self(0x106);
    /// … and finds it done. Argument: the same.
    pub const DEVICE_DONE: Self = Self(0x107);
    /// The server has named a task, as it does for debuggers (`ukernel_abi::names`); but who reads what those read may come too late for a task that does not live long.
    /// Thread: one of that task, with the number of a piece of the name for its lthread. Argument: the eight bytes of that piece, the last ones padded with zeroes. All
    /// pieces come in a row, from 0 on.
    pub const NAMED: Self = Self(0x108);
    /// As [`Self::CALIBRATE`], by a server.
    pub const SERVER_CALIBRATE: Self = Self(0x10f);

    // Programs' and servers' own, 0x200 to 0x2ff: meaning and argument are theirs. Thread: theirs, also where the Linux server writes it for them.
    pub const USER: Self = Self(0x200);
    pub const USER_END: Self = Self(0x300);

    // The host's: thread is 0.
    /// The vCPU has left the guest. Argument: KVM's exit reason.
    pub const VM_EXIT: Self = Self(0x400);
    /// … and is about to enter it again. Argument: the same.
    pub const VM_ENTRY: Self = Self(0x401);
    /// The host has emptied the rings, and had a CPU for that, which may have been the guest's. The time is that of its beginning. Argument: its ticks.
    pub const DRAIN: Self = Self(0x402);

    /// Argument of [`Self::HANDLER_START`]: bit 63, for what is no system call.
    pub const NO_CALL: u64 = 1 << 63;
    /// Argument of [`Self::HANDLER_END`]: the client gets no answer yet.
    pub const WAITS: u64 = 0x8000_0000_0000_0000;

    /// Event `number` of a program or server: what [`Event::USER`] begins.
    pub const fn user(number: u8) -> Self {
        Self(Self::USER.0 + number as u16)
    }

    pub const fn is_user(self) -> bool {
        Self::USER.0 <= self.0 && self.0 < Self::USER_END.0
    }

    /// As it is called in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ENTER_SYSCALL => "enter: system call",
            Self::ENTER_TRAP => "enter: trap",
            Self::ENTER_PAGE_FAULT => "enter: page fault",
            Self::COMMIT => "message",
            Self::EXIT => "exit",
            Self::IDLE_INTERRUPT => "interrupt while idle",
            Self::CALIBRATE | Self::SERVER_CALIBRATE => "calibration",
            Self::RECEIVED => "received",
            Self::HANDLER_START => "handler start",
            Self::HANDLER_END => "handler end",
            Self::REPLY => "reply",
            Self::DRIVER_REQUEST => "driver asked",
            Self::DRIVER_DONE => "driver answered",
            Self::NAMED => "named",
            Self::DEVICE_REQUEST => "device request",
            Self::DEVICE_DONE => "device done",
            Self::VM_EXIT => "VM exit",
            Self::VM_ENTRY => "VM entry",
            Self::DRAIN => "rings emptied",
            event if event.is_user() => "event",
            _ => "unknown",
        }
    }
}

/// Bytes of the module for a machine with `cpus` CPUs.
pub const fn module_size(cpus: u64) -> u64 {
    (cpus + USER_RINGS) * RING_SIZE
}

/// Offset of ring `number` in the module.
pub const fn ring(number: u64) -> u64 {
    number * RING_SIZE
}

/// Offset in the ring of slot `n`.
pub const fn slot(n: u64) -> u64 {
    RECORDS + n % CAPACITY * Record::SIZE as u64
}
