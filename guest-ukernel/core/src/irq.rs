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
    /// Bit n: something has come on line n. Every open receive asks.
    waiting: Cell<u64>,
}

impl Default for Irqs {
    fn default() -> Self {
        Self::new()
    }
}

impl Irqs {
    pub const fn new() -> Self {
        Self {
            lines: [const { Line { owner: Cell::new(None), pending: Cell::new(0) } }; LINES],
            waiting: Cell::new(0),
        }
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
                self.clear(n as u8);
                each(n as u8);
            }
        }
    }

    /// Count one interrupt.
    pub fn raise(&self, line: u8) {
        if let Some(l) = self.line(line) {
            l.pending.set(l.pending.get().saturating_add(1));
            self.waiting.set(self.waiting.get() | 1 << line);
        }
    }

    /// Forget what has come on `line`. Returns how often something had.
    fn clear(&self, line: u8) -> u64 {
        self.waiting.set(self.waiting.get() & !(1 << line));
        self.line(line).map_or(0, |l| l.pending.take())
    }

    /// Number of interrupts of `line` since this was last asked.
    pub fn take(&self, line: u8) -> Option<u64> {
        if self.line(line)?.pending.get() == 0 { None } else { Some(self.clear(line)) }
    }

    /// A line of `t`'s on which something has come, and how often.
    #[inline]
    pub fn take_any(&self, t: ThreadRef) -> Option<(u8, u64)> {
        if self.waiting.get() == 0 { None } else { self.find_any(t) }
    }

    #[cold]
    fn find_any(&self, t: ThreadRef) -> Option<(u8, u64)> {
        let is_ours = |l: &Line| l.pending.get() != 0 && l.owner.get().is_some_and(|o| core::ptr::eq(o, t));
        let line = self.lines.iter().position(is_ours)? as u8;
        Some((line, self.clear(line)))
    }
}
