//! Answering a page fault: the page, and as many of its neighbours as are cheap to give.
//!
//! A fault costs as much as mapping some five pages and taking them away again, so a neighbour is worth mapping if it is touched one
//! time in five. For programs' text that holds for the nearest pages only: blocks of [`AROUND`] bytes, by one item where
//! their frames follow one another, were as good as any larger ones when shells and small programs were measured.

use super::PAGE;
use super::fault::FaultError;
use super::space::Space;
use super::span::Span;
use super::vma::{Backing, Vma};
use crate::machine::MAX_ITEMS;
use alloc::vec::Vec;
use ukernel_abi::{Fpage, MapItem, Rights};

/// Bytes around a fault within which present pages are mapped too.
pub const AROUND: u64 = 4 * PAGE;
/// Most items that neighbours are given.
const NEIGHBOUR_ITEMS: usize = 8;

const _: () = assert!(NEIGHBOUR_ITEMS < MAX_ITEMS);

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
        let near = vma.span.block_around(addr, AROUND).unwrap_or(made);
        let window =
            Span::between(near.start().min(made.start()), near.end().max(made.end())).unwrap_or(made);
        self.read_ahead(&vma, near);
        let page = addr & !(PAGE - 1);
        let mut items = Vec::new();
        for stretch in self.stretches(&vma, window, page) {
            stretch.cut(&mut items);
        }
        // The one that was asked for goes first; of the others, those that come next in memory.
        if let Some(at) =
            items.iter().position(|i| Fpage::memory(i.base, i.snd.log2(), Rights::NONE).contains(page))
        {
            items.swap(0, at);
        }
        items.truncate(1 + NEIGHBOUR_ITEMS);
        for item in &items {
            self.note_mapped(item);
        }
        self.flush_stale(window);
        Ok(items)
    }

    /// Makes file pages near a fault present if that costs nothing but looking them up.
    fn read_ahead(&mut self, vma: &Vma, near: Span) {
        let Backing::File { file, offset, shared } = &vma.backing else { return };
        if !shared && vma.prot.rights().contains(Rights::W) {
            return;
        }
        for addr in (near.start()..near.end()).step_by(PAGE as usize) {
            let index = (addr - vma.span.start()).wrapping_add(*offset) / PAGE;
            if !self.pages.contains(addr)
                && file.source.is_ready(index)
                && let Ok(frame) = file.source.page(index)
            {
                self.pages.insert(addr, super::space::Page::new(frame));
            }
        }
    }

    /// Present pages in `window` that the program could be given more of. The page at `fault` is among them in any case.
    fn stretches(&self, vma: &Vma, window: Span, fault: u64) -> Vec<Stretch> {
        let mut out: Vec<Stretch> = Vec::new();
        for (addr, page) in self.pages.range(window.start()..window.end()) {
            let rights = vma.page_rights(page.is_exclusive());
            let has_it = page.mapped.contains(rights) && !page.stale;
            if addr != fault && (has_it || rights.is_empty()) {
                continue;
            }
            let frame = page.frame.addr();
            match out.last_mut() {
                Some(s) if s.addr + s.len == addr && s.frame + s.len == frame && s.rights == rights => {
                    s.len += PAGE
                }
                _ => out.push(Stretch { addr, frame, len: PAGE, rights }),
            }
        }
        out
    }

    fn note_mapped(&mut self, item: &MapItem) {
        let end = item.base + item.snd.size();
        for (_, page) in self.pages.range_mut(item.base..end) {
            page.mapped = if page.stale { item.snd.rights() } else { page.mapped.union(item.snd.rights()) };
            page.stale = false;
        }
    }
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
