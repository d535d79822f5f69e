//! The kernel's fast path, as it is, under an interpreter.
//!
//! `kernel/src/arch/fast.rs` is assembled into this program, where none of it can be executed. Its instructions are read back from the program's file and
//! interpreted one by one, against the same threads that the Rust code works on.

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
use machine::Machine;

/// How the fast path has ended.
pub enum Exit {
    /// User mode goes on with these registers, as this thread.
    User(Regs, ThreadRef),
    /// At `syscall_slow`, with these registers of the caller's; its frame has nothing yet but what is changed in any case.
    Slow(Regs),
}

/// The fast path, and which parts of it have been seen at work.
pub struct Fast {
    code: Code,
    /// Conditional jumps that have gone this way.
    taken: RefCell<BTreeSet<(u64, bool)>>,
    /// Ways out that have been taken.
    exits: RefCell<BTreeSet<u64>>,
    cost: Cell<Cost>,
    /// A conditional jump that is to be forced to go one way.
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
    pub fn enter(&self, kernel: &Kernel, me: ThreadRef, regs: &Regs) -> Exit {
        Machine::new(self, kernel, me, regs).run()
    }

    /// Whether the jump has gone this way.
    pub fn is_seen(&self, jump: &Jump, taken: bool) -> bool {
        self.taken.borrow().contains(&(jump.at, taken))
    }

    /// What it has been worth so far.
    pub fn cost(&self) -> Cost {
        self.cost.get()
    }

    /// From now on let the conditional jump at `at` always or never be taken, whatever the flags say.
    pub fn break_jump(&self, at: u64, taken: bool) {
        self.broken.set(Some((at, taken)));
    }

    /// Every conditional jump of the fast path.
    pub fn jumps(&self) -> Vec<Jump> {
        self.code.jumps()
    }

    /// What has not been seen yet: conditional jumps with the way that they have not gone, and ways out.
    pub fn unseen(&self) -> Vec<String> {
        let mut unseen = Vec::new();
        for jump in self.code.jumps() {
            for taken in [false, true] {
                if !self.is_seen(&jump, taken) {
                    unseen.push(format!(
                        "{} is {}taken",
                        self.code.show(jump.at),
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

/// A conditional jump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Jump {
    pub at: u64,
    /// Taken, it leads to `syscall_slow`: it is a check.
    pub is_check: bool,
    /// For messages.
    pub name: String,
}
