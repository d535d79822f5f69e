//! A kernel's memory, looked at through the monitor: a small machine in which some words are others.

use super::Seed;
use ukvmm::debug::thread::Thread;
use ukvmm::debug::view::View;
use ukvmm::inspect::mock::Machine;
use ukvmm::inspect::names::{Names, Tables};
use ukvmm::monitor::{self, Scene};

/// A change: which word, what sort of value, and the value.
const CHANGE: usize = 2 + 1 + 8;
const COMMANDS: [&str; 10] =
    ["tasks", "threads", "space 3", "space 4", "mappings 4 0x400000", "ipc", "irqs", "trace", "caps", "tsc"];

pub fn run(bytes: &[u8]) {
    let mut machine = Machine::small();
    let words = machine.end() / 8;
    for change in bytes.as_chunks::<CHANGE>().0 {
        let [low, high, sort, value @ ..] = *change;
        let value = match (sort % 3, u64::from_le_bytes(value)) {
            // A word that is somewhere else: as a rule it leads to something.
            (0, value) => machine.read_u64(value % words * 8).unwrap_or(0),
            // The address of something.
            (1, value) => value % words * 8,
            (_, value) => value,
        };
        machine.set(u64::from(u16::from_le_bytes([low, high])) % words * 8, value);
    }
    let kernel = machine.kernel();
    let names = Names::read(&machine, &kernel, &Tables::default());
    let scene = Scene { view: &machine, kernel: Some(&kernel), names: &names, exits: &[] };
    for command in COMMANDS {
        assert!(monitor::run(&scene, &[], command).ends_with('\n'));
    }
    for thread in [Thread::vcpu(0), Thread::l4(3, 1), Thread::l4(4, 0)] {
        let there = kernel.thread(&machine, thread).is_some() || thread.as_vcpu().is_some();
        assert_eq!(kernel.registers(&machine, thread).is_some(), there);
        assert_eq!(kernel.describe(&machine, &names, thread).is_some(), there);
    }
}

pub fn seeds() -> Vec<Seed> {
    let change =
        |word: u16, sort: u8, value: u64| [&word.to_le_bytes()[..], &[sort], &value.to_le_bytes()].concat();
    vec![
        ("small", Vec::new()),
        // The bitmap of tasks is at the beginning of the kernel's state, in the fifth frame.
        ("more tasks", change(4 * 512, 2, u64::MAX)),
        ("words elsewhere", (0..40).flat_map(|n| change(n * 1031, 0, u64::from(n) * 97)).collect()),
        ("wrong addresses", (0..40).flat_map(|n| change(n * 977, 1, u64::from(n) * 389)).collect()),
    ]
}
