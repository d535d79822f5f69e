//! The kernel's fast path, as it is, under an interpreter.
//!
//! `kernel/src/arch/fast.rs` is assembled into this program, where none of it can be executed. Its instructions are read back from the program's file and
//! interpreted one by one, against the same threads that the Rust code works on.

mod border;
mod code;
#[path = "../../kernel/src/arch/fast.rs"]
mod entry;
mod machine;
mod memory;

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use ukernel_abi::utcb::Regs;
use ukernel_core::thread::ThreadRef;

use crate::rig::Kernel;
use code::Code;

/// How the fast path has ended.
pub enum Exit {
    /// User mode goes on with these registers, as this thread.
    User(Regs, ThreadRef),
    /// At `syscall_slow` or `page_fault_slow`, with these registers of the thread's; nothing is changed yet but what is changed in any case.
    Slow(Regs),
}

/// The fast path, and which parts of it have been seen at work.
pub struct Fast {
    code: Code,
    /// Conditional jumps and moves that have gone this way.
    taken: RefCell<BTreeSet<(u64, bool)>>,
    /// Ways out that have been taken.
    exits: RefCell<BTreeSet<u64>>,
    cost: Cell<Cost>,
    /// A conditional jump or move that is to be forced to go one way.
    broken: Cell<Option<(u64, bool)>>,
}

impl Fast {
    pub fn load() -> Self {
        Self {
            code: Code::load(),
            taken: RefCell::default(),
            exits: RefCell::default(),
            cost: Cell::default(),
            broken: Cell::new(None),
        }
    }

    /// SYSCALL by `me`, which runs, with these registers.
    pub fn syscall(&self, kernel: &Kernel, me: ThreadRef, regs: &Regs) -> Exit {
        border::syscall(self, kernel, me, regs)
    }

    /// Page fault of `me`, which runs, at `addr`. Among the registers is the error code. Before that, the same fault as if it were another's.
    pub fn page_fault(&self, kernel: &Kernel, me: ThreadRef, regs: &Regs, addr: u64) -> Exit {
        border::page_fault_in_kernel(self, kernel, me, regs, addr);
        border::page_fault_in_stub(self, kernel, me, regs, addr);
        border::page_fault(self, kernel, me, regs, addr)
    }

    /// Where SYSCALL leads if it does not change the privilege level: what faults there with such a jump is a system call.
    pub fn first_syscall(&self) -> u64 {
        self.code.first_syscall
    }

    /// Whether it has been decided this way.
    pub fn is_seen(&self, decision: &Decision, taken: bool) -> bool {
        self.taken.borrow().contains(&(decision.at, taken))
    }

    /// What it has been worth so far.
    pub fn cost(&self) -> Cost {
        self.cost.get()
    }

    /// From now on let the conditional jump or move at `at` always or never be taken, whatever the flags say.
    pub fn break_decision(&self, at: u64, taken: bool) {
        self.broken.set(Some((at, taken)));
    }

    /// Every conditional jump and move of the fast path.
    pub fn decisions(&self) -> Vec<Decision> {
        self.code.decisions()
    }

    /// What has not been seen yet: decisions with the way that they have not gone, and ways out.
    pub fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for decision in self.code.decisions() {
            for taken in [false, true] {
                if !self.is_seen(&decision, taken) {
                    unseen.push(format!(
                        "{} is {}taken",
                        decision.name,
                        if taken { "never " } else { "always " }
                    ));
                }
            }
        }
        for exit in self.code.exits() {
            if !self.exits.borrow().contains(&exit) {
                unseen.push(format!("{} is never reached", self.code.show(exit)));
            }
        }
        unseen
    }
}

/// How often the fast path has been of use, and how often CR3 was written.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cost {
    pub calls: usize,
    pub cr3_writes: usize,
}

impl std::ops::Sub for Cost {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self { calls: self.calls - other.calls, cr3_writes: self.cr3_writes - other.cr3_writes }
    }
}

/// A conditional jump or move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Decision {
    pub at: u64,
    /// For messages.
    pub name: String,
}
