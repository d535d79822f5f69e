//! When pages are taken from a program, a breakpoint may go with them, and is to be there again in the pages that come in their place: by `execve`
//! above all.
//!
//! Only a system call of the kernel's takes pages away. While there are breakpoints in tasks we hear of it: when it begins, and when the kernel is left next, which
//! is when it is over.

use super::guest::Guest;
use super::points::{For, Points};
use crate::debug::debuggee::Error;
use crate::debug::thread::Process;
use crate::symbols;
use std::path::Path;

/// The kernel's function that takes pages away.
const FUNCTION: &str = "ukernel::syscall::fpage_unmap::call";

pub struct Unmaps {
    function: Option<u64>,
    listens: bool,
    under_way: bool,
}

impl Unmaps {
    /// Of the kernel that is the ELF file `elf`.
    pub fn new(elf: &Path) -> Self {
        Self { function: symbols::find_function(elf, FUNCTION), listens: false, under_way: false }
    }

    /// Hears of them while that matters.
    pub fn listen(&mut self, guest: &mut Guest, points: &mut Points) -> Result<(), Error> {
        let matters = points.has_some_in_tasks();
        let Some(at) = self.function.filter(|_| guest.ours.is_some() && matters != self.listens) else {
            return Ok(());
        };
        self.listens = matters;
        if matters {
            points.insert(guest, Process::KERNEL, at, For::Us)
        } else {
            points.remove(guest, Process::KERNEL, at, For::Us)
        }
    }

    /// The kernel is at `at`.
    pub fn met(&mut self, at: u64) {
        self.under_way |= self.function == Some(at);
    }

    /// Whether one has begun.
    pub fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// The kernel is left. Whether one was under way.
    pub fn is_over(&mut self) -> bool {
        std::mem::take(&mut self.under_way)
    }
}
