//! Answering a page fault: the page, and as many of its neighbours as are cheap to give.
//!
//! A fault costs as much as mapping some five pages and taking them away again, so a neighbour is worth mapping if it is touched one
//! time in five. For programs' text that holds for the nearest pages only: blocks of [`AROUND`] bytes, by one item where
//! their frames follow one another, were as good as any larger ones when shells and small programs were measured. Who comes just behind what it was given last goes
//! through memory in order, though, and will come to the next pages, too: it gets twice as much each time, up to [`AROUND_MOST`].

use super::PAGE;
use super::fault::{FaultError, file_index};
use super::space::{Page, Space};
use super::span::Span;
use super::vma::{Backing, Vma};
use crate::machine::{MAX_ITEMS, REGISTER_ITEMS};
use alloc::vec::Vec;
use ukernel_abi::{Fpage, MapItem, Rights};

/// Bytes around a fault within which present pages are mapped too.
pub const AROUND: u64 = 4 * PAGE;
/// The same for who goes through memory in order.
const AROUND_MOST: u64 = 16 * PAGE;
/// Most items that neighbours are given, but in such a case.
const NEIGHBOUR_ITEMS: usize = 8;

const _: () = assert!(NEIGHBOUR_ITEMS < MAX_ITEMS);

/// Whether a program's faults go through its memory in order.
#[derive(Default)]
pub struct Sequence {
    /// End of what was mapped last.
    end: u64,
    /// How much to map if the next fault is just there.
    ahead: u64,
}

impl Sequence {
    /// Where to map pages for a fault at `page`.
    fn near(&self, vma: &Vma, page: u64) -> Option<Span> {
        if page != self.end {
            return vma.span.block_around(page, AROUND);
        }
        let block = vma.span.block_around(page, self.ahead.max(AROUND))?;
        Span::between(page, block.end())
    }

    /// These have been mapped, of as many as `near` holds.
    fn mapped(items: &[MapItem], near: Span) -> Self {
        let end = items.iter().map(end).max().unwrap_or(0);
        let bytes = items.iter().map(|item| item.snd.size()).sum::<u64>();
        // Otherwise there was little to map, as where pages are there and lose a right now and then.
        let ahead = if bytes >= near.bytes() { (2 * bytes).min(AROUND_MOST) } else { 0 };
        Self { end, ahead }
    }
}

/// Pages that follow one another in the program's space and in the server's, with the same rights.
#[derive(Clone, Copy, Debug)]
struct Stretch {
    addr: u64,
    frame: u64,
    len: u64,
    rights: Rights,
}

impl Space {
    /// Handles a fault of the program: what to map. The first item holds `addr`.
    pub fn fault(&mut self, addr: u64, access: Rights) -> Result<Vec<MapItem>, FaultError> {
        let made = self.ensure(addr, access)?;
        self.fault_count += 1;
        let vma = self.vma_at(addr).ok_or(FaultError::NoMapping)?.clone();
        let page = addr & !(PAGE - 1);
        let near = self.sequence.near(&vma, page).unwrap_or(made);
        let window =
            Span::between(near.start().min(made.start()), near.end().max(made.end())).unwrap_or(made);
        self.read_ahead(&vma, near);
        let mut items = self.items(&vma, window, page);
        // The one that was asked for goes first; of the others, those that come next in memory.
        if let Some(at) =
            items.iter().position(|i| Fpage::memory(i.base, i.snd.log2(), Rights::NONE).contains(page))
        {
            items.swap(0, at);
        }
        items.truncate(if near.bytes() > AROUND { MAX_ITEMS } else { 1 + NEIGHBOUR_ITEMS });
        for run in items.chunk_by(|a, b| end(a) == b.base && a.snd.rights() == b.snd.rights()) {
            self.note_mapped(run);
        }
        self.sequence = Sequence::mapped(&items, near);
        self.flush_stale(window);
        Ok(items)
    }

    /// Makes file pages near a fault present if that costs nothing but looking them up.
    fn read_ahead(&mut self, vma: &Vma, near: Span) {
        let Backing::File { file, offset, shared } = &vma.backing else { return };
        if !shared && vma.prot.rights().contains(Rights::W) {
            return;
        }
        let pages = file.source.pages();
        self.pages.fill(near.numbers(), |number| {
            let index = file_index(vma, *offset, number * PAGE);
            if index < pages { file.source.page(index).ok().map(Page::new) } else { None }
        });
    }

    /// What of the present pages in `window` the program could be given more of. The page at `fault` is there in any case.
    fn items(&self, vma: &Vma, window: Span, fault: u64) -> Vec<MapItem> {
        let most = if window.bytes() > AROUND { MAX_ITEMS } else { REGISTER_ITEMS };
        let mut out = Vec::with_capacity(most);
        let mut stretch: Option<Stretch> = None;
        self.pages.range(window.numbers()).for_each(|(number, page)| {
            let (addr, rights) = (number * PAGE, vma.page_rights(|| page.is_exclusive()));
            let has_it = page.mapped.contains(rights) && !page.stale;
            if addr != fault && (has_it || rights.is_empty()) {
                return;
            }
            let frame = page.frame.addr();
            match &mut stretch {
                Some(s) if s.addr + s.len == addr && s.frame + s.len == frame && s.rights == rights => {
                    s.len += PAGE;
                }
                _ => {
                    if let Some(before) = stretch.replace(Stretch { addr, frame, len: PAGE, rights }) {
                        before.cut(&mut out);
                    }
                }
            }
        });
        if let Some(last) = stretch {
            last.cut(&mut out);
        }
        out
    }

    /// The program has been given pages that follow one another, with the same rights.
    fn note_mapped(&mut self, run: &[MapItem]) {
        let (Some(first), Some(last)) = (run.first(), run.last()) else { return };
        let rights = first.snd.rights();
        self.pages.range_mut(first.base / PAGE..end(last) / PAGE).for_each(|(_, page)| {
            page.mapped = if page.stale { rights } else { page.mapped.union(rights) };
            page.stale = false;
        });
    }
}

/// Behind what an item maps.
fn end(item: &MapItem) -> u64 {
    item.base + item.snd.size()
}

impl Stretch {
    /// Cuts a stretch into flexpages: the largest that are aligned on both sides.
    fn cut(self, out: &mut Vec<MapItem>) {
        let mut done = 0;
        while done < self.len {
            let (addr, frame) = (self.addr + done, self.frame + done);
            let aligned = (addr | frame).trailing_zeros();
            let fits = (self.len - done).ilog2();
            let log2 = aligned.min(fits);
            out.push(MapItem::map(Fpage::memory(frame, log2, self.rights), addr));
            done += 1 << log2;
        }
    }
}
