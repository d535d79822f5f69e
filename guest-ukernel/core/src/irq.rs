//! Interrupts as messages.
//!
//! A line belongs to the thread that attached to it. Interrupts that come while that thread does not wait for them are
//! counted and delivered with its next receive, so none is lost and none needs a buffer.

use core::cell::Cell;

use crate::thread::ThreadRef;

pub const LINES: usize = 64;

#[derive(Default)]
struct Line {
    owner: Cell<Option<ThreadRef>>,
    pending: Cell<u64>,
}

pub struct Irqs {
    lines: [Line; LINES],
}

impl Default for Irqs {
    fn default() -> Self {
        Self::new()
    }
}

impl Irqs {
    pub const fn new() -> Self {
        Self { lines: [const { Line { owner: Cell::new(None), pending: Cell::new(0) } }; LINES] }
    }

    fn line(&self, line: u8) -> Option<&Line> {
        self.lines.get(line as usize)
    }

    pub fn owner(&self, line: u8) -> Option<ThreadRef> {
        self.line(line)?.owner.get()
    }

    /// Make `t` the owner. False if another thread is.
    pub fn attach(&self, line: u8, t: ThreadRef) -> bool {
        match self.line(line) {
            Some(l) if l.owner.get().is_none_or(|o| core::ptr::eq(o, t)) => {
                l.owner.set(Some(t));
                true
            }
            _ => false,
        }
    }

    /// Take every line from `t`, which dies or loses its right; `each` hears of them.
    pub fn detach(&self, t: ThreadRef, mut each: impl FnMut(u8)) {
        for (n, l) in self.lines.iter().enumerate() {
            if l.owner.get().is_some_and(|o| core::ptr::eq(o, t)) {
                l.owner.set(None);
                l.pending.set(0);
                each(n as u8);
            }
        }
    }

    /// Count one interrupt.
    pub fn raise(&self, line: u8) {
        if let Some(l) = self.line(line) {
            l.pending.set(l.pending.get().saturating_add(1));
        }
    }

    /// Number of interrupts of `line` since this was last asked.
    pub fn take(&self, line: u8) -> Option<u64> {
        let l = self.line(line)?;
        Some(l.pending.take()).filter(|&n| n != 0)
    }

    /// A line of `t`'s on which something has come, and how often.
    pub fn take_any(&self, t: ThreadRef) -> Option<(u8, u64)> {
        let (n, l) = self
            .lines
            .iter()
            .enumerate()
            .find(|(_, l)| l.pending.get() != 0 && l.owner.get().is_some_and(|o| core::ptr::eq(o, t)))?;
        Some((n as u8, l.pending.take()))
    }
}
