//! What was called by whom when samples were taken.
//!
//! The tree comes out of a file, which may be anybody's: a call whose caller does not come before it is taken for one of the machine's, and a name that is not there is `?`. So
//! going from a call to its caller ends, whatever the file says.

use crate::file::Samples;
use crate::names::harmless;
use std::collections::{BTreeMap, BTreeSet};

/// What calls everything: the machine.
pub const MACHINE: &str = "vm";
/// Task in whose place samples are in which nothing ran.
pub const IDLE: &str = "idle";
/// What names of functions that run in kernel mode end with.
pub const KERNEL_MARK: &str = "_[k]";
/// Letters of a name.
const LETTERS: usize = 400;
/// Frames of a stack; those further in count for the last one that is shown.
const DEPTH: usize = 300;

/// All stacks of a file, and how often each was found.
#[derive(Clone, Debug, Default)]
pub struct Stacks {
    names: Vec<String>,
    calls: Vec<Call>,
    /// Samples of the machine, of which nothing more is known.
    bare: u64,
}

#[derive(Clone, Copy, Debug)]
struct Call {
    /// 0 is the machine, `n` the call `n - 1`.
    caller: usize,
    name: usize,
    depth: usize,
    /// Samples that were here, and in nothing that is called here.
    own: u64,
}

/// How often a function was found: itself, and it or something that it has called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Share {
    pub own: u64,
    pub total: u64,
}

impl Stacks {
    /// Adds what comes next in a file.
    pub fn add(&mut self, samples: Samples) {
        // In folded stacks a semicolon ends a frame.
        let clean = |name: String| harmless(&name, LETTERS).replace(';', ":");
        self.names.extend(samples.names.into_iter().map(clean));
        for (caller, name) in samples.calls {
            let caller = Some(caller as usize).filter(|caller| *caller <= self.calls.len()).unwrap_or(0);
            let depth = caller.checked_sub(1).map_or(1, |n| self.calls[n].depth + 1);
            self.calls.push(Call { caller, name: name as usize, depth, own: 0 });
        }
        for sample in samples.taken {
            match (sample.call as usize).checked_sub(1).and_then(|n| self.calls.get_mut(n)) {
                Some(call) => call.own += 1,
                None => self.bare += 1,
            }
        }
    }

    /// Number of samples.
    pub fn total(&self) -> u64 {
        self.calls.iter().map(|call| call.own).sum::<u64>() + self.bare
    }

    /// The stacks in which something was found, the outermost frame first, and how often. Ordered, each once.
    pub fn folded(&self) -> BTreeMap<Vec<&str>, u64> {
        let mut all = BTreeMap::new();
        if self.bare > 0 {
            all.insert(vec![MACHINE], self.bare);
        }
        for (number, call) in self.calls.iter().enumerate().filter(|(_, call)| call.own > 0) {
            *all.entry(self.path(number + 1)).or_default() += call.own;
        }
        all
    }

    /// Functions and how often they were found, those first that were found most often by themselves. A function that calls itself is counted once.
    pub fn functions(&self) -> Vec<(&str, Share)> {
        let mut shares: BTreeMap<&str, Share> = BTreeMap::new();
        for (path, count) in self.folded() {
            // The machine and the task are no functions, unless nothing else is known.
            let functions = path.get(2..).filter(|functions| !functions.is_empty()).unwrap_or(&path[1..]);
            if let Some(innermost) = functions.last() {
                shares.entry(innermost).or_default().own += count;
            }
            for function in functions.iter().collect::<BTreeSet<_>>() {
                shares.entry(function).or_default().total += count;
            }
        }
        let mut all: Vec<_> = shares.into_iter().collect();
        all.sort_by_key(|(_, share)| std::cmp::Reverse((share.own, share.total)));
        all
    }

    fn path(&self, call: usize) -> Vec<&str> {
        let mut path = Vec::new();
        let mut at = call;
        while let Some(call) = at.checked_sub(1).and_then(|n| self.calls.get(n)) {
            if call.depth < DEPTH {
                path.push(self.names.get(call.name).map_or("?", String::as_str));
            }
            at = call.caller;
        }
        path.push(MACHINE);
        path.reverse();
        path
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::Sample;
    use crate::file::samples::Tree;

    fn stacks(all: &[&str]) -> Stacks {
        let mut tree = Tree::default();
        all.iter().for_each(|stack| tree.add(0, 0, stack.split(' ').filter(|name| !name.is_empty())));
        let mut stacks = Stacks::default();
        stacks.add(tree.take());
        stacks
    }

    #[test]
    fn equal_stacks_are_one() {
        let stacks = stacks(&["sh main read", "sh main", "sh main read", "linux run", ""]);
        let folded: Vec<_> = stacks.folded().into_iter().map(|(path, n)| (path.join(";"), n)).collect();
        let want = [("vm", 1), ("vm;linux;run", 1), ("vm;sh;main", 1), ("vm;sh;main;read", 2)];
        assert_eq!(folded, want.map(|(path, n)| (path.to_owned(), n)));
        assert_eq!(stacks.total(), 5);
    }

    #[test]
    fn a_function_that_calls_itself_is_counted_once() {
        let stacks = stacks(&["sh f f g", "sh f f", "sh g", "idle"]);
        let share = |own, total| Share { own, total };
        assert_eq!(stacks.functions(), [("g", share(2, 2)), ("f", share(1, 2)), ("idle", share(1, 1))]);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_no_danger() {
        let mut stacks = Stacks::default();
        let taken = [1, 2, 3, u32::MAX].map(|call| Sample { call, ..Sample::default() }).to_vec();
        stacks.add(Samples { names: vec!["a;\n".into()], calls: vec![(9, 0), (2, 7), (1, 0)], taken });
        let folded: Vec<_> = stacks.folded().into_keys().map(|path| path.join(";")).collect();
        assert_eq!(folded, ["vm", "vm;?", "vm;a:\u{fffd}", "vm;a:\u{fffd};a:\u{fffd}"]);
        // A chain that is as long as the file.
        let mut stacks = Stacks::default();
        let calls = (0..100_000).map(|caller| (caller, 0)).collect();
        let taken = vec![Sample { call: 100_000, ..Sample::default() }];
        stacks.add(Samples { names: vec!["f".into()], calls, taken });
        assert_eq!(stacks.folded().into_keys().map(|path| path.len()).max(), Some(DEPTH));
    }
}
