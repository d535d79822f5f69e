//! What is counted of a round.

use std::collections::{BTreeMap, BTreeSet};

const LINE: u64 = 64;
const PAGE: u64 = 4096;
/// End of user space; what lies above is the same in all tasks.
const USER_END: u64 = 1 << 47;

/// How the kernel was entered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entry {
    Syscall,
    /// An exception or interrupt.
    Event,
}

/// How many instructions are of which function.
#[derive(Default)]
pub struct Functions(BTreeMap<String, u64>);

impl Functions {
    pub fn count(&mut self, function: &str) {
        *self.0.entry(function.to_owned()).or_default() += 1;
    }

    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }
}

impl std::fmt::Display for Functions {
    /// A line a function, those with most first.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut functions: Vec<_> = self.0.iter().collect();
        functions.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        functions.iter().try_for_each(|(name, count)| writeln!(f, "{count:>8} {name}"))
    }
}

/// A stay in the kernel.
pub struct Visit {
    pub entry: Entry,
    /// Instructions; a repeated string instruction is one.
    pub instructions: u64,
    /// The same, every repetition counted: what the time stamp counter of an emulated CPU counts.
    pub ticks: u64,
    pub functions: Functions,
    code: BTreeSet<u64>,
    data: BTreeSet<(u64, u64)>,
}

impl Visit {
    pub fn new(entry: Entry) -> Self {
        let (functions, code, data) = (Functions::default(), BTreeSet::new(), BTreeSet::new());
        Self { entry, instructions: 0, ticks: 0, functions, code, data }
    }

    pub fn code_lines(&self) -> usize {
        self.code.len()
    }
    pub fn data_lines(&self) -> usize {
        self.data.len()
    }
    pub fn code_pages(&self) -> usize {
        self.code.iter().map(|line| line / PAGE).collect::<BTreeSet<_>>().len()
    }

    /// An instruction of `length` bytes is executed.
    pub fn execute(&mut self, rip: u64, length: u64) {
        self.code.extend(lines(rip, length));
    }

    /// `size` bytes are read or written.
    pub fn touch(&mut self, cr3: u64, address: u64, size: u64) {
        let space = if address < USER_END { cr3 } else { 0 };
        self.data.extend(lines(address, size).map(|line| (space, line)));
    }
}

/// A round.
#[derive(Default)]
pub struct Round {
    pub visits: Vec<Visit>,
    /// Instructions of the loop and its partners in user mode.
    pub user: u64,
    /// What was executed, for people to read.
    pub listing: String,
}

impl Round {
    /// What the time stamp counter of an emulated CPU counts.
    pub fn ticks(&self) -> u64 {
        self.user + self.visits.iter().map(|visit| visit.ticks).sum::<u64>()
    }
}

/// The lines that `size` bytes (none counts as one) from `address` on lie in.
fn lines(address: u64, size: u64) -> impl Iterator<Item = u64> {
    let last = address.saturating_add(size.max(1) - 1);
    (address & !(LINE - 1)..=last).step_by(LINE as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_once() {
        let mut visit = Visit::new(Entry::Syscall);
        visit.execute(0x1000, 4);
        visit.execute(0x103e, 4);
        assert_eq!((visit.code_lines(), visit.code_pages()), (2, 1));
        visit.execute(0x1fff, 2);
        assert_eq!((visit.code_lines(), visit.code_pages()), (4, 2));
    }

    #[test]
    fn user_memory_of_two_tasks_is_not_the_same() {
        let mut visit = Visit::new(Entry::Syscall);
        for cr3 in [0x1000, 0x2000] {
            visit.touch(cr3, 0x5000, 8);
            visit.touch(cr3, u64::MAX - 0xfff, 8);
        }
        assert_eq!(visit.data_lines(), 3);
        visit.touch(0x1000, u64::MAX, 8);
        assert_eq!(visit.data_lines(), 4);
    }
}
