//! Memory: mmap and its sisters.

use super::args::Arg::{Fd, Flags, Hex, Ptr, Uint};
use super::{Ctx, Entry, SysResult};
use crate::errno::Errno;
use crate::fs::FileKind;
use crate::mm::PAGE;
use crate::mm::file::{InodePages, MappedFile};
use crate::mm::map::{Place, Request};
use crate::mm::span::Span;
use crate::mm::vma::{Backing, Prot};
use alloc::rc::Rc;
use alloc::vec;
use linux_raw_sys::general::*;

pub const PROT_NAMES: &[(u64, &str)] =
    &[(PROT_READ as u64, "PROT_READ"), (PROT_WRITE as u64, "PROT_WRITE"), (PROT_EXEC as u64, "PROT_EXEC")];
const MAP_NAMES: &[(u64, &str)] = &[
    (MAP_SHARED as u64, "MAP_SHARED"),
    (MAP_PRIVATE as u64, "MAP_PRIVATE"),
    (MAP_FIXED as u64, "MAP_FIXED"),
    (MAP_ANONYMOUS as u64, "MAP_ANONYMOUS"),
    (MAP_GROWSDOWN as u64, "MAP_GROWSDOWN"),
    (MAP_DENYWRITE as u64, "MAP_DENYWRITE"),
    (MAP_NORESERVE as u64, "MAP_NORESERVE"),
    (MAP_POPULATE as u64, "MAP_POPULATE"),
    (MAP_STACK as u64, "MAP_STACK"),
    (MAP_FIXED_NOREPLACE as u64, "MAP_FIXED_NOREPLACE"),
];
const MREMAP_NAMES: &[(u64, &str)] =
    &[(MREMAP_MAYMOVE as u64, "MREMAP_MAYMOVE"), (MREMAP_FIXED as u64, "MREMAP_FIXED")];

pub const CALLS: &[Entry] = &[
    Entry::sync(__NR_brk, "brk", &[Hex], brk),
    Entry::sync(__NR_mmap, "mmap", &[Ptr, Uint, Flags(PROT_NAMES), Flags(MAP_NAMES), Fd, Hex], mmap)
        .partial("MAP_HUGETLB, MAP_SYNC and MAP_LOCKED are ignored; device files cannot be mapped"),
    Entry::sync(__NR_munmap, "munmap", &[Ptr, Uint], munmap),
    Entry::sync(__NR_mprotect, "mprotect", &[Ptr, Uint, Flags(PROT_NAMES)], mprotect)
        .partial("no PROT_GROWSDOWN, PROT_GROWSUP"),
    Entry::sync(__NR_mremap, "mremap", &[Ptr, Uint, Uint, Flags(MREMAP_NAMES), Ptr], mremap)
        .partial("no MREMAP_DONTUNMAP"),
    Entry::sync(__NR_madvise, "madvise", &[Ptr, Uint, Uint], madvise)
        .partial("MADV_DONTNEED and MADV_FREE discard; other advice is taken note of and does nothing"),
    Entry::sync(__NR_mincore, "mincore", &[Ptr, Uint, Ptr], mincore),
    Entry::sync(__NR_msync, "msync", &[Ptr, Uint, Hex], msync),
    Entry::sync(__NR_mlock, "mlock", &[Ptr, Uint], locked),
    Entry::sync(__NR_munlock, "munlock", &[Ptr, Uint], locked),
    Entry::sync(__NR_mlockall, "mlockall", &[Hex], |_| Ok(0)),
    Entry::sync(__NR_munlockall, "munlockall", &[], |_| Ok(0)),
];

fn brk(c: &Ctx) -> SysResult {
    Ok(c.proc.mm().space.borrow_mut().set_brk(c.args[0]))
}

fn prot(bits: u64) -> Result<Prot, Errno> {
    u8::try_from(bits).ok().and_then(Prot::from_bits).ok_or(Errno::EINVAL)
}

/// What `flags` say about the place.
fn place(addr: u64, flags: u32) -> Place {
    if flags & MAP_FIXED_NOREPLACE != 0 {
        Place::FixedNoReplace(addr)
    } else if flags & MAP_FIXED != 0 {
        Place::Fixed(addr)
    } else {
        Place::Hint(addr)
    }
}

fn mmap(c: &Ctx) -> SysResult {
    let [addr, len, prot_bits, _, _, offset] = c.args;
    let flags = c.uint(3);
    if len == 0 {
        return Err(Errno::EINVAL);
    }
    let shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    // Unknown protection bits are ignored, as in Linux.
    let prot = Prot::from_bits_truncate(prot_bits as u8);
    let backing = match (flags & MAP_ANONYMOUS != 0, shared) {
        (true, false) => Backing::Anonymous,
        (true, true) => Backing::Shared { pages: Rc::default(), offset: 0 },
        (false, _) => file_backing(c, c.int(4), offset, len, shared, prot)?,
    };
    let mm = c.proc.mm();
    let mut space = mm.space.borrow_mut();
    let at = space.mmap(Request {
        place: place(addr, flags),
        len,
        prot,
        backing,
        grows_down: flags & MAP_GROWSDOWN != 0,
        no_reserve: flags & MAP_NORESERVE != 0,
        label: "",
    })?;
    if flags & MAP_POPULATE != 0
        && let Some(span) = Span::new(at, len)
    {
        space.populate_span(span);
    }
    Ok(at)
}

fn file_backing(c: &Ctx, fd: i32, offset: u64, len: u64, shared: bool, prot: Prot) -> Result<Backing, Errno> {
    let file = c.proc.files().get_open(fd)?;
    if !offset.is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    offset.checked_add(len).filter(|end| *end <= i64::MAX as u64).ok_or(Errno::EOVERFLOW)?;
    if !file.is_readable() || shared && prot.contains(Prot::WRITE) && !file.is_writable() {
        return Err(Errno::EACCES);
    }
    if file.kind() != FileKind::Regular {
        return Err(Errno::ENODEV);
    }
    let path = file.dentry().path(&c.proc.fs().root.borrow()).into();
    let source = Rc::new(InodePages(file.dentry().inode().clone()));
    let file = MappedFile { source, path, writable: file.is_writable() };
    Ok(Backing::File { file, offset, shared })
}

fn munmap(c: &Ctx) -> SysResult {
    c.proc.mm().space.borrow_mut().munmap(c.args[0], c.args[1])?;
    Ok(0)
}

fn mprotect(c: &Ctx) -> SysResult {
    c.proc.mm().space.borrow_mut().mprotect(c.args[0], c.args[1], prot(c.args[2])?)?;
    Ok(0)
}

fn mremap(c: &Ctx) -> SysResult {
    let [addr, old_len, new_len, _, to, _] = c.args;
    let flags = c.uint(3);
    let (may_move, fixed) = (flags & MREMAP_MAYMOVE != 0, flags & MREMAP_FIXED != 0);
    if flags & !(MREMAP_MAYMOVE | MREMAP_FIXED) != 0 || fixed && !may_move {
        return Err(Errno::EINVAL);
    }
    c.proc.mm().space.borrow_mut().mremap(addr, old_len, new_len, may_move, fixed.then_some(to))
}

/// A range that an advice is about; `None` if it is empty.
fn range(c: &Ctx) -> Result<Option<Span>, Errno> {
    if !c.args[0].is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    if c.args[1] == 0 {
        return Ok(None);
    }
    Span::new(c.args[0], c.args[1]).map(Some).ok_or(Errno::ENOMEM)
}

fn madvise(c: &Ctx) -> SysResult {
    let advice = c.uint(2);
    if advice > MADV_COLLAPSE {
        return Err(Errno::EINVAL);
    }
    let Some(span) = range(c)? else { return Ok(0) };
    let mm = c.proc.mm();
    let mut space = mm.space.borrow_mut();
    if matches!(advice, MADV_DONTNEED | MADV_FREE) {
        space.discard(span)?;
    } else if !space.is_covered(span) {
        return Err(Errno::ENOMEM);
    }
    Ok(0)
}

fn mincore(c: &Ctx) -> SysResult {
    let Some(span) = range(c)? else { return Ok(0) };
    let mm = c.proc.mm();
    if !mm.space.borrow().is_covered(span) {
        return Err(Errno::ENOMEM);
    }
    let mut at = span.start();
    let mut out = c.args[2];
    let mut block = vec![0u8; 4096];
    while at < span.end() {
        let n = ((span.end() - at) / PAGE).min(block.len() as u64) as usize;
        for (i, byte) in block[..n].iter_mut().enumerate() {
            *byte = mm.space.borrow().page(at + i as u64 * PAGE).is_some() as u8;
        }
        c.user().write(out, &block[..n])?;
        at += n as u64 * PAGE;
        out = out.wrapping_add(n as u64);
    }
    Ok(0)
}

/// There is nothing to write back: shared pages are the file's own.
fn msync(c: &Ctx) -> SysResult {
    let flags = c.uint(2);
    let both = MS_ASYNC | MS_SYNC;
    if flags & !(both | MS_INVALIDATE) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    locked_range(c)
}

/// Memory is never paged out, so it is always locked.
fn locked(c: &Ctx) -> SysResult {
    let start = c.args[0] & !(PAGE - 1);
    let len = c.args[1].checked_add(c.args[0] - start).ok_or(Errno::EINVAL)?;
    covered(c, start, len)
}

fn locked_range(c: &Ctx) -> SysResult {
    if !c.args[0].is_multiple_of(PAGE) {
        return Err(Errno::EINVAL);
    }
    covered(c, c.args[0], c.args[1])
}

fn covered(c: &Ctx, start: u64, len: u64) -> SysResult {
    if len == 0 {
        return Ok(0);
    }
    let span = Span::new(start, len).ok_or(Errno::ENOMEM)?;
    if c.proc.mm().space.borrow().is_covered(span) { Ok(0) } else { Err(Errno::ENOMEM) }
}
