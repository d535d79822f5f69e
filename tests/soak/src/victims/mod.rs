//! The victims: programs that notice when something happens to them.
//!
//! Each has a task of its own in the fuzzer's clan, so the fuzzer can send to them, and nothing else. Each counts its rounds
//! where the supervisor sees it, and stops with the first thing that is wrong. They rest between rounds, as their
//! priority is above the fuzzer's (but for [`registers`]).
//!
//! - [`pair`]: two that call each other, also with long messages
//! - [`echo`]: one that answers everybody and takes what it is sent, and its honest client
//! - [`keeper`]: patterns in memory, and timers
//! - [`registers`]: the general registers of a program that is preempted
//! - [`vectors`]: SSE and x87 registers of two programs that sleep

mod echo;
mod keeper;
mod pair;
mod registers;
pub mod vectors;

use crate::places::word;
use crate::program::Program;
use core::arch::asm;
use userlib::Status;

/// A victim to be started.
pub struct Kind {
    pub name: &'static str,
    pub entry: fn() -> u64,
    /// Which other victim it is told of, by number.
    pub partner: usize,
    pub priority: u8,
    /// Whether it rests between its rounds.
    pub rests: bool,
}

/// Of all that rest between rounds: above the fuzzer's.
const PRIORITY: u8 = 150;
pub const COUNT: usize = 8;

pub const VICTIMS: [Kind; COUNT] = [
    resting("caller", || pair::caller as *const () as u64, 1),
    resting("callee", || pair::callee as *const () as u64, 0),
    resting("echo", || echo::echo as *const () as u64, 3),
    resting("client", || echo::client as *const () as u64, 2),
    resting("keeper", || keeper::keeper as *const () as u64, 0),
    resting("vectors-1", vectors::entry, 0),
    resting("vectors-2", vectors::entry, 0),
    Kind {
        name: "registers",
        entry: registers::entry,
        partner: 0,
        priority: crate::fuzz::PRIORITY,
        rests: false,
    },
];

const fn resting(name: &'static str, entry: fn() -> u64, partner: usize) -> Kind {
    Kind { name, entry, partner, priority: PRIORITY, rests: true }
}

/// What a victim starts with, in registers: where its context is, its partner, itself, and how many times as long as on a fast machine
/// it rests.
#[derive(Clone, Copy)]
struct Victim {
    program: Program,
    context: u64,
    partner: u64,
    own: u64,
    pace: u32,
}

impl Victim {
    /// # Safety
    ///
    /// The code runs as a victim, with these arguments.
    unsafe fn new(context: u64, partner: u64, own: u64, pace: u32) -> Self {
        // SAFETY: the caller's promise, and victims do nothing that would hurt their stacks.
        Self { program: unsafe { Program::new() }, context, partner, own, pace }
    }

    /// Stops unless both are the same. `check` tells the checks of a victim apart.
    fn same(self, check: u64, got: u64, want: u64) {
        if got != want {
            for (index, value) in [(word::GOT, got), (word::WANT, want), (word::CHECK, check)] {
                self.program.write(self.context + index * 8, value);
            }
            loop {
                // SAFETY: an exception, after which the supervisor looks at the context.
                unsafe { asm!("ud2") };
            }
        }
    }

    /// Another round is done.
    fn done(self, rounds: u64) {
        self.program.write(self.context + word::DONE * 8, rounds);
    }

    /// Rests for `us` microseconds, if the machine is a fast one.
    fn rest(self, us: u32) {
        let status = self.program.sleep(self.own, us * self.pace);
        self.same(1, status as u64, Status::ReceiveTimeout as u64);
    }
}
