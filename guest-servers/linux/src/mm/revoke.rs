//! Taking rights to pages back from the program.

use super::PAGE;
use super::space::{Page, Space};
use super::span::Span;
use alloc::vec::Vec;
use core::ops::Range;
use ukernel_abi::{Fpage, Rights};

/// In the time that one more call to the µ-kernel takes, it looks at more than this many pages that are not there.
const PAGES_A_CALL: u64 = 64;
/// And at this many for each page that it finds, without its being much.
const PAGES_A_PAGE: u64 = 16;

impl Space {
    /// Takes `rights` to `span` back from the program.
    ///
    /// A flexpage may well be larger than the span: what matters is only that no page outside of it has such
    /// rights to lose.
    pub fn revoke(&mut self, span: Span, rights: Rights) {
        if let Some(thread) = self.task.thread() {
            let mut fpages = Vec::new();
            self.cover(span.numbers(), rights, &mut fpages);
            for fpage in fpages {
                self.task.machine.unmap(thread, fpage);
            }
        }
        for (_, page) in self.pages.range_mut(span.numbers()) {
            // Taking away the right to read takes away everything.
            page.mapped = if rights.contains(Rights::R) { Rights::NONE } else { page.mapped.without(rights) };
        }
    }

    /// Takes frames from the program that have been replaced and that it still has.
    pub(super) fn flush_stale(&mut self, span: Span) {
        let mut stale = self.pages.range(span.numbers()).filter(|(_, page)| page.stale);
        let Some((first, _)) = stale.next() else { return };
        let last = stale.last().map_or(first, |(number, _)| number);
        // Pages between them that are not stale lose their mappings too: one call is cheaper than several.
        if let Some(span) = Span::between(first * PAGE, (last + 1) * PAGE) {
            self.revoke(span, Rights::RWX);
        }
    }

    /// Finds flexpages that hold all pages of a range of numbers with some of `rights` mapped, and no such page outside of it: as few as
    /// possible, but the µ-kernel is not to look at large parts of an address space where nothing is.
    fn cover(&self, range: Range<u64>, rights: Rights, out: &mut Vec<Fpage>) {
        let loses = |page: &Page| !page.mapped.intersection(rights).is_empty();
        let mut losers = self.pages.range(range.clone()).filter(|(_, page)| loses(page));
        let Some((first, _)) = losers.next() else { return };
        let (count, last) = losers.fold((1, first), |(count, _), (number, _)| (count + 1, number));
        // The smallest flexpage that holds them all.
        let log2 = (first ^ last).checked_ilog2().map_or(0, |highest| highest + 1);
        let (base, pages) = (first >> log2 << log2, 1 << log2);
        let is_free = |range: Range<u64>| !self.pages.range(range).any(|(_, page)| loses(page));
        if pages <= PAGES_A_CALL.max(count * PAGES_A_PAGE)
            && is_free(base..range.start)
            && is_free(range.end..base + pages)
        {
            out.push(Fpage::memory(base * PAGE, log2 + PAGE.ilog2(), rights));
            return;
        }
        let half = base + pages / 2;
        self.cover(first..half, rights, out);
        self.cover(half..last + 1, rights, out);
    }
}
