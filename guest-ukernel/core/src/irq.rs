//! Interrupts as messages.
//!
//! A line belongs to the thread that attached to it. Interrupts that come while that thread does not wait for them are
//! counted and delivered with its next receive, so none is lost and none needs a buffer.

use core::cell::Cell;

use crate::thread::ThreadRef;

pub const LINES: usize = 64;

#[derive(Default)]
pub(crate) struct Line {
    pub(crate) owner: Cell<Option<ThreadRef>>,
    pub(crate) pending: Cell<u64>,
}

impl Line {
    /// Forget what has come. Returns how often something had.
    fn clear(&self) -> u64 {
        let count = self.pending.take();
        if let Some(owner) = self.owner.get().filter(|_| count != 0) {
            owner.pending_lines.set(owner.pending_lines.get() - 1);
        }
        count
    }
}

/// Each owner counts its lines on which something has come ([`crate::thread::Thread::pending_lines`]): every open receive asks.
pub struct Irqs {
    pub(crate) lines: [Line; LINES],
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

    /// Take `line` from whoever owns it.
    pub fn release(&self, line: u8) {
        let _forgotten = self.take(line);
        if let Some(l) = self.line(line) {
            l.owner.set(None);
        }
    }

    /// Take every line from `t`, which dies; `each` hears of them.
    pub fn detach(&self, t: ThreadRef, mut each: impl FnMut(u8)) {
        for (n, l) in self.lines.iter().enumerate() {
            if l.owner.get().is_some_and(|o| core::ptr::eq(o, t)) {
                l.clear();
                l.owner.set(None);
                each(n as u8);
            }
        }
    }

    /// Count one interrupt of a line that has an owner.
    pub fn raise(&self, line: u8) {
        let Some(l) = self.line(line) else { return };
        let Some(owner) = l.owner.get() else { return };
        if l.pending.get() == 0 {
            owner.pending_lines.set(owner.pending_lines.get() + 1);
        }
        l.pending.set(l.pending.get().saturating_add(1));
    }

    /// Number of interrupts of `line` since this was last asked.
    pub fn take(&self, line: u8) -> Option<u64> {
        match self.line(line)?.clear() {
            0 => None,
            count => Some(count),
        }
    }

    /// A line of `t`'s on which something has come, and how often.
    #[inline]
    pub fn take_any(&self, t: ThreadRef) -> Option<(u8, u64)> {
        if t.pending_lines.get() == 0 { None } else { self.find_any(t) }
    }

    #[cold]
    fn find_any(&self, t: ThreadRef) -> Option<(u8, u64)> {
        let is_ours = |l: &Line| l.pending.get() != 0 && l.owner.get().is_some_and(|o| core::ptr::eq(o, t));
        let line = self.lines.iter().position(is_ours)?;
        Some((line as u8, self.lines[line].clear()))
    }
}
