//! Everything of which there is a distribution.

use crate::kind::Kind;
use crate::names::NameBook;
use crate::phase::{PHASES, Phase};
use crate::sink::Stretch;
use crate::span::Span;
use crate::stats::Distribution;
use ukernel_abi::call::Call;
use vmm_abi::linux;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Key {
    Request(Kind),
    /// Calls of one thread to another.
    Ipc {
        client: u64,
        server: u64,
    },
    Interrupt(u8),
    Device {
        driver: u64,
        queue: u32,
    },
    VmExit(u32),
    /// From one of a thread's own events to its next one.
    Marks {
        thread: u64,
        from: u8,
        to: u8,
    },
    /// Whatever there was no room for.
    Others(Section),
}

/// Part of a report.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Section {
    Linux,
    Fault,
    L4,
    Ipc,
    Interrupt,
    Device,
    VmExit,
    Marks,
}

impl Section {
    pub const ALL: [Self; 8] = [
        Self::Linux,
        Self::Fault,
        Self::Ipc,
        Self::L4,
        Self::Interrupt,
        Self::Device,
        Self::VmExit,
        Self::Marks,
    ];

    pub const fn title(self) -> &'static str {
        match self {
            Self::Linux => "Linux system calls",
            Self::Fault => "Page faults and exceptions",
            Self::Ipc => "Calls between servers",
            Self::L4 => "L4 system calls",
            Self::Interrupt => "Interrupts, to the kernel's way out",
            Self::Device => "Requests to devices",
            Self::VmExit => "VM exits, to the next entry",
            Self::Marks => "From one of a thread's own events to its next",
        }
    }

    /// For programs.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Linux => "linux",
            Self::Fault => "fault",
            Self::Ipc => "ipc",
            Self::L4 => "l4",
            Self::Interrupt => "interrupt",
            Self::Device => "device",
            Self::VmExit => "vm-exit",
            Self::Marks => "between-events",
        }
    }
}

impl Key {
    pub fn of(span: &Span) -> Self {
        match (span.kind, span.server) {
            (kind, Some(server)) if kind.may_be_ipc() => Self::Ipc { client: span.thread, server },
            (kind, _) => Self::Request(kind),
        }
    }

    pub const fn section(&self) -> Section {
        match self {
            Self::Request(Kind::Linux(_) | Kind::Trampoline(_) | Kind::InPlace(_)) => Section::Linux,
            Self::Request(Kind::PageFault | Kind::Exception(_)) => Section::Fault,
            Self::Request(Kind::L4(_) | Kind::Gate) => Section::L4,
            Self::Ipc { .. } => Section::Ipc,
            Self::Interrupt(_) => Section::Interrupt,
            Self::Device { .. } => Section::Device,
            Self::VmExit(_) => Section::VmExit,
            Self::Marks { .. } => Section::Marks,
            Self::Others(section) => *section,
        }
    }

    /// As it was called at that time.
    pub fn name(&self, names: &NameBook, tsc: u64) -> String {
        let thread = |id| names.thread(id, tsc);
        match *self {
            Self::Request(kind) => kind_name(kind),
            Self::Ipc { client, server } => format!("{} → {}", thread(client), thread(server)),
            Self::Interrupt(vector) => format!("vector {vector:#x}"),
            Self::Device { driver, queue } => format!("{}, queue {queue}", thread(driver)),
            Self::VmExit(reason) => exit_name(reason),
            Self::Marks { thread: id, from, to } => format!("{from} → {to}, {}", thread(id)),
            Self::Others(_) => "others".into(),
        }
    }
}

pub fn kind_name(kind: Kind) -> String {
    let call = |number| linux::name(number).map_or_else(|| format!("call {number}"), str::to_string);
    match kind {
        Kind::Linux(number) => call(number),
        Kind::Trampoline(number) => format!("{} (trampoline)", call(number)),
        Kind::InPlace(number) => format!("{} (in place)", call(number)),
        Kind::PageFault => "page fault".into(),
        Kind::Exception(vector) => format!("exception {vector}"),
        Kind::Gate => "call by the gate".into(),
        Kind::L4(number) => match number {
            n if n == Call::Ipc as u8 => "ipc".into(),
            n if n == Call::IdNearest as u8 => "id_nearest".into(),
            n if n == Call::FpageUnmap as u8 => "fpage_unmap".into(),
            n if n == Call::ThreadSwitch as u8 => "thread_switch".into(),
            n if n == Call::ThreadSchedule as u8 => "thread_schedule".into(),
            n if n == Call::LthreadExRegs as u8 => "lthread_ex_regs".into(),
            n if n == Call::TaskNew as u8 => "task_new".into(),
            n => format!("L4 call {n}"),
        },
    }
}

/// KVM's reasons that a guest on x86 leaves for (`include/uapi/linux/kvm.h`).
pub fn exit_name(reason: u32) -> String {
    let name = match reason {
        1 => "exception",
        2 => "I/O port",
        4 => "debug",
        5 => "halt",
        6 => "MMIO",
        7 => "interrupt window",
        8 => "shutdown",
        9 => "failed entry",
        10 => "signal",
        17 => "internal error",
        24 => "system event",
        29 => "read of an MSR",
        30 => "write to an MSR",
        _ => return format!("reason {reason}"),
    };
    name.into()
}

/// What is known of it. Times are without the cost of measuring.
#[derive(Clone, Default)]
pub struct Metric {
    pub total: Distribution,
    /// TSC when the last one was over.
    pub last: u64,
    phases: [Option<Box<Distribution>>; PHASES],
    /// How many have gone by the kernel's fast path both ways.
    pub fast: u64,
    /// How many were ended by something else than an answer.
    pub unanswered: u64,
    /// Ticks as measured, and what of them measuring was.
    pub measured: u128,
    pub cost: u128,
}

impl Metric {
    pub fn add(&mut self, span: &Span) {
        let corrected = span.corrected();
        self.total.add(corrected.total());
        self.last = span.end;
        for (phase, slot) in Phase::ALL.into_iter().zip(&mut self.phases) {
            if span.ticks.get(phase) > 0 {
                slot.get_or_insert_default().add(corrected.get(phase));
            }
        }
        self.fast += u64::from(span.fast_out && span.fast_back);
        self.unanswered += u64::from(span.server.is_some() && !span.answered);
        self.measured += u128::from(span.ticks.total());
        self.cost += u128::from(span.ticks.total() - corrected.total());
    }

    /// Adds something that has no phases, and of which measuring was so much.
    pub fn add_stretch(&mut self, stretch: Stretch, cost: u64) {
        let ticks = stretch.ticks();
        let rest = ticks.saturating_sub(cost);
        self.total.add(rest);
        self.last = stretch.end;
        self.measured += u128::from(ticks);
        self.cost += u128::from(ticks - rest);
    }

    /// Of those that had it.
    pub fn phase(&self, phase: Phase) -> Option<&Distribution> {
        self.phases[phase as usize].as_deref()
    }

    /// Mean over all, those without it included: means of phases add up to the whole's.
    pub fn mean(&self, phase: Phase) -> f64 {
        let sum = self.phase(phase).map_or(0, Distribution::sum);
        if self.total.count() == 0 { 0.0 } else { sum as f64 / self.total.count() as f64 }
    }
}
