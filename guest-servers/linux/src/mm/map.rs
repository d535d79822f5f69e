//! Changing what is mapped: mmap, munmap, mprotect, mremap, brk, madvise.

use super::space::Space;
use super::span::Span;
use super::vma::{Backing, Prot, Vma};
use super::{MMAP_MIN, PAGE, TASK_SIZE};
use crate::errno::Errno;
use alloc::vec::Vec;
use ukernel_abi::Rights;

/// End of a program's memory on Linux: up to here it may say that it wants nothing there.
const LINUX_TASK_SIZE: u64 = 0x7fff_ffff_f000;

/// Where a new mapping goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// There if it is free, else anywhere.
    Hint(u64),
    /// There, in place of what is there now.
    Fixed(u64),
    /// There, or EEXIST.
    FixedNoReplace(u64),
}

/// A mapping that is asked for.
pub struct Request {
    pub place: Place,
    pub len: u64,
    pub prot: Prot,
    pub backing: Backing,
    pub grows_down: bool,
    /// Do not check that there is memory for it.
    pub no_reserve: bool,
    pub label: &'static str,
}

fn page_align(len: u64) -> Result<u64, Errno> {
    len.checked_next_multiple_of(PAGE).filter(|l| *l > 0).ok_or(Errno::ENOMEM)
}

impl Space {
    /// Adds a mapping. Returns its address.
    pub fn mmap(&mut self, r: Request) -> Result<u64, Errno> {
        let len = page_align(r.len)?;
        let span = match r.place {
            Place::Fixed(addr) | Place::FixedNoReplace(addr) => fixed_span(addr, len)?,
            Place::Hint(addr) => self.hinted_span(addr, len).ok_or(Errno::ENOMEM)?,
        };
        if matches!(r.place, Place::FixedNoReplace(_)) && self.vmas_in(span).next().is_some() {
            return Err(Errno::EEXIST);
        }
        let commits = r.prot.contains(Prot::WRITE)
            && !r.no_reserve
            && !matches!(r.backing, Backing::File { shared: true, .. });
        if commits {
            self.check_commit(len)?;
        }
        if matches!(r.place, Place::Fixed(_)) {
            self.remove(span);
        }
        let vma = Vma { span, prot: r.prot, backing: r.backing, grows_down: r.grows_down, label: r.label };
        self.insert(vma)?;
        Ok(span.start())
    }

    /// Refuses what could not be had even if everybody else went away (Linux's heuristic overcommit).
    fn check_commit(&self, len: u64) -> Result<(), Errno> {
        if len / PAGE > self.frames.total() as u64 { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    fn hinted_span(&self, hint: u64, len: u64) -> Option<Span> {
        let hint = hint & !(PAGE - 1);
        if hint >= MMAP_MIN
            && let Some(span) = Span::new(hint, len)
            && self.vmas_in(span).next().is_none()
        {
            return Some(span);
        }
        self.find_free(len)
    }

    pub fn munmap(&mut self, addr: u64, len: u64) -> Result<(), Errno> {
        if !addr.is_multiple_of(PAGE) || len == 0 {
            return Err(Errno::EINVAL);
        }
        let end = addr.checked_add(len).filter(|end| *end <= LINUX_TASK_SIZE).ok_or(Errno::EINVAL)?;
        if let Some(span) = Span::between(addr, end.next_multiple_of(PAGE).min(TASK_SIZE)) {
            self.remove(span);
        }
        Ok(())
    }

    pub fn mprotect(&mut self, addr: u64, len: u64, prot: Prot) -> Result<(), Errno> {
        if !addr.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        if len == 0 {
            return Ok(());
        }
        let span = Span::new(addr, len).ok_or(Errno::ENOMEM)?;
        let denied = |v: &Vma| match &v.backing {
            Backing::File { file, shared: true, .. } => prot.contains(Prot::WRITE) && !file.writable,
            _ => false,
        };
        if self.vmas_in(span).any(denied) {
            return Err(Errno::EACCES);
        }
        if !self.is_covered(span) {
            return Err(Errno::ENOMEM);
        }
        for mut vma in self.take_vmas(span) {
            let lost = vma.prot.rights().without(prot.rights());
            if !lost.is_empty() {
                self.revoke(vma.span, lost);
            }
            vma.prot = prot;
            self.insert(vma)?;
        }
        Ok(())
    }

    /// Moves the end of the heap. Returns where it is now, which is where it was if the wish cannot be granted.
    pub fn set_brk(&mut self, wish: u64) -> u64 {
        if wish < self.brk_start {
            return self.brk;
        }
        let (Some(old), Some(new)) =
            (self.brk.checked_next_multiple_of(PAGE), wish.checked_next_multiple_of(PAGE))
        else {
            return self.brk;
        };
        if let Some(gone) = Span::between(new, old) {
            self.remove(gone);
        }
        if let Some(more) = Span::between(old, new) {
            let mut vma = Vma::anonymous(more, Prot::READ | Prot::WRITE);
            vma.label = "[heap]";
            let taken = self.vmas_in(more).next().is_some();
            if taken || self.check_commit(more.bytes()).is_err() || self.insert(vma).is_err() {
                return self.brk;
            }
        } else if new > old {
            return self.brk;
        }
        self.brk = wish;
        wish
    }

    /// `mremap`: `to` is the new address if the caller fixes it, `may_move` whether it may be any other.
    pub fn mremap(
        &mut self,
        addr: u64,
        old_len: u64,
        new_len: u64,
        may_move: bool,
        to: Option<u64>,
    ) -> Result<u64, Errno> {
        if !addr.is_multiple_of(PAGE) {
            return Err(Errno::EINVAL);
        }
        let (old_len, new_len) = (
            page_align(old_len).map_err(|_| Errno::EINVAL)?,
            page_align(new_len).map_err(|_| Errno::EINVAL)?,
        );
        let old = Span::new(addr, old_len).ok_or(Errno::EINVAL)?;
        let vma = self.vma_at(addr).ok_or(Errno::EFAULT)?.clone();
        if !vma.span.covers(old) {
            return Err(Errno::EFAULT);
        }
        if let Some(to) = to {
            let target = fixed_span(to, new_len).map_err(|_| Errno::EINVAL)?;
            if target.intersection(old).is_some() {
                return Err(Errno::EINVAL);
            }
            self.remove(target);
            return self.move_mapping(&vma, old, target);
        }
        if new_len <= old_len {
            if let Some(tail) = Span::between(addr + new_len, old.end()) {
                self.remove(tail);
            }
            return Ok(addr);
        }
        self.check_commit(new_len - old_len)?;
        let grown = Span::new(old.end(), new_len - old_len);
        if let Some(grown) = grown
            && old.end() == vma.span.end()
            && self.vmas_in(grown).next().is_none()
        {
            let whole = Span::between(vma.span.start(), grown.end()).ok_or(Errno::ENOMEM)?;
            self.take_vmas(vma.span);
            self.insert(Vma { span: whole, ..vma })?;
            return Ok(addr);
        }
        if !may_move {
            return Err(Errno::ENOMEM);
        }
        let target = self.find_free(new_len).ok_or(Errno::ENOMEM)?;
        self.move_mapping(&vma, old, target)
    }

    /// Moves the pages of `old` to the start of the free range `target`.
    fn move_mapping(&mut self, vma: &Vma, old: Span, target: Span) -> Result<u64, Errno> {
        self.revoke(old, Rights::RWX);
        self.take_vmas(old);
        let backing = vma.backing.advanced(old.start() - vma.span.start());
        let numbers: Vec<u64> = self.pages.range(old.numbers()).map(|(number, _)| number).collect();
        for from in numbers {
            if let Some(page) = self.pages.remove(from)
                && let Some(to) = target.start().checked_add(from * PAGE - old.start())
                && target.contains(to)
            {
                self.pages.insert(to / PAGE, page);
            }
        }
        self.insert(Vma { span: target, backing, ..vma.clone() })?;
        Ok(target.start())
    }

    /// `madvise(MADV_DONTNEED)`: private anonymous memory is zero again, files are as they are on disk.
    pub fn discard(&mut self, span: Span) -> Result<(), Errno> {
        if !self.is_covered(span) {
            return Err(Errno::ENOMEM);
        }
        self.drop_pages(span);
        Ok(())
    }

    /// Makes the pages of `span` present as far as there is memory for them (`MAP_POPULATE`).
    pub fn populate_span(&mut self, span: Span) {
        let Some(vma) = self.vma_at(span.start()) else { return };
        let access = if vma.prot.contains(Prot::WRITE) { Rights::W } else { Rights::R };
        let mut at = span.start();
        while at < span.end() {
            match self.ensure(at, access) {
                Ok(made) => {
                    self.flush_stale(made);
                    at = made.end().max(at + PAGE);
                }
                Err(_) => return,
            }
        }
    }
}

fn fixed_span(addr: u64, len: u64) -> Result<Span, Errno> {
    if !addr.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if addr < MMAP_MIN {
        return Err(Errno::EPERM);
    }
    Span::new(addr, len).ok_or(Errno::ENOMEM)
}
