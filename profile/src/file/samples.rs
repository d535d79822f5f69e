//! Where vCPUs were found when somebody looked: samples, and the tree of calls that they are in.
//!
//! A sample is short because its stack is a number: that of the innermost call, in a tree in which each call knows its caller. Most stacks have nearly everything in common with
//! others. Names are resolved when a sample is taken: afterwards programs and their files may be gone.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Samples, and what is new of the tree.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Samples {
    /// Names that are new. The first of a file is number 0.
    pub names: Vec<String>,
    /// Calls that are new: number of the caller, number of the name. The first of a file is number 1; 0 is the machine, which calls tasks, which call functions.
    pub calls: Vec<(u32, u32)>,
    pub taken: Vec<Sample>,
}

/// A vCPU was here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Sample {
    /// The guest's TSC.
    pub tsc: u64,
    pub cpu: u16,
    /// The innermost call.
    pub call: u32,
}

impl Samples {
    pub fn is_empty(&self) -> bool {
        self.taken.is_empty()
    }

    /// Adds what came later.
    pub fn append(&mut self, mut later: Self) {
        self.names.append(&mut later.names);
        self.calls.append(&mut later.calls);
        self.taken.append(&mut later.taken);
    }
}

/// Gives stacks their numbers.
#[derive(Clone, Default)]
pub struct Tree {
    names: HashMap<String, u32>,
    calls: HashMap<(u32, u32), u32>,
    /// What has happened since it was taken out.
    news: Samples,
}

/// Calls that a tree has at most: some hundred megabytes. A stack that would need more ends where it does.
const CALLS: usize = 1 << 22;

impl Tree {
    /// Adds a sample with this stack, the outermost frame first.
    pub fn add<'a>(&mut self, tsc: u64, cpu: u16, stack: impl IntoIterator<Item = &'a str>) {
        let call = stack.into_iter().try_fold(0, |caller, name| self.call(caller, name).ok_or(caller));
        let (Ok(call) | Err(call)) = call;
        self.news.taken.push(Sample { tsc, cpu, call });
    }

    /// What is new since the last time.
    pub fn take(&mut self) -> Samples {
        std::mem::take(&mut self.news)
    }

    fn call(&mut self, caller: u32, name: &str) -> Option<u32> {
        let name = self.name(name);
        if let Some(known) = self.calls.get(&(caller, name)) {
            return Some(*known);
        }
        let number = u32::try_from(self.calls.len() + 1).ok().filter(|_| self.calls.len() < CALLS)?;
        self.calls.insert((caller, name), number);
        self.news.calls.push((caller, name));
        Some(number)
    }

    fn name(&mut self, name: &str) -> u32 {
        if let Some(known) = self.names.get(name) {
            return *known;
        }
        // There are at most as many as calls, and one.
        let number = self.names.len() as u32;
        self.names.insert(name.to_owned(), number);
        self.news.names.push(name.to_owned());
        number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_share_what_they_have_in_common() {
        let mut tree = Tree::default();
        tree.add(10, 0, ["sh", "main", "read"]);
        tree.add(20, 1, ["sh", "main", "write"]);
        let first = tree.take();
        assert_eq!(first.names, ["sh", "main", "read", "write"]);
        assert_eq!(first.calls, [(0, 0), (1, 1), (2, 2), (2, 3)]);
        assert_eq!(first.taken[1], Sample { tsc: 20, cpu: 1, call: 4 });
        tree.add(30, 0, ["sh", "main"]);
        tree.add(40, 0, []);
        let then = tree.take();
        assert!(then.names.is_empty() && then.calls.is_empty());
        assert_eq!([then.taken[0].call, then.taken[1].call], [2, 0]);
        assert!(tree.take().is_empty());
    }
}
