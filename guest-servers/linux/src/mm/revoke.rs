//! Taking rights to pages back from the program.

use super::PAGE;
use super::space::{Page, Space};
use super::span::Span;
use alloc::vec::Vec;
use core::ops::Range;
use ukernel_abi::{Fpage, Rights};

impl Space {
    /// Takes `rights` to `span` back from the program, with as few calls to the µ-kernel as that takes.
    ///
    /// A flexpage may well be larger than the span: what matters is only that no page outside of it has such
    /// rights to lose.
    pub fn revoke(&mut self, span: Span, rights: Rights) {
        if let Some(thread) = self.task.thread() {
            let mut fpages = Vec::new();
            self.cover(span.start()..span.end(), rights, &mut fpages);
            for fpage in fpages {
                self.task.machine.unmap(thread, fpage);
            }
        }
        for (_, page) in self.pages.range_mut(span.start()..span.end()) {
            // Taking away the right to read takes away everything.
            page.mapped = if rights.contains(Rights::R) { Rights::NONE } else { page.mapped.without(rights) };
        }
    }

    /// Takes frames from the program that have been replaced and that it still has.
    pub(super) fn flush_stale(&mut self, span: Span) {
        let mut stale = self.pages.range(span.start()..span.end()).filter(|(_, page)| page.stale);
        let Some((first, _)) = stale.next() else { return };
        let last = stale.last().map_or(first, |(addr, _)| addr);
        // Pages between them that are not stale lose their mappings too: one call is cheaper than several.
        if let Some(span) = Span::between(first, last + PAGE) {
            self.revoke(span, Rights::RWX);
        }
    }

    /// Finds flexpages that hold all pages of `range` with some of `rights` mapped, and no such page outside of it.
    fn cover(&self, range: Range<u64>, rights: Rights, out: &mut Vec<Fpage>) {
        let loses = |page: &Page| !page.mapped.intersection(rights).is_empty();
        let mut losers = self.pages.range(range.clone()).filter(|(_, page)| loses(page));
        let Some((first, _)) = losers.next() else { return };
        let last = losers.last().map_or(first, |(addr, _)| addr);
        // The smallest flexpage that holds them all: no smaller one would do, and the µ-kernel need not look elsewhere.
        let log2 = (first ^ (last | (PAGE - 1))).ilog2() + 1;
        let base = first & !((1 << log2) - 1);
        let end = base + (1 << log2);
        let is_free = |range: Range<u64>| !self.pages.range(range).any(|(_, page)| loses(page));
        if is_free(base..range.start.max(base)) && is_free(range.end.min(end)..end) {
            out.push(Fpage::memory(base, log2, rights));
            return;
        }
        let half = base + (1 << (log2 - 1));
        self.cover(first..half, rights, out);
        self.cover(half..last + PAGE, rights, out);
    }
}
