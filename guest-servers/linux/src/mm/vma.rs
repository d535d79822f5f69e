//! Areas of an address space: a range with one kind of memory and one protection.

use super::file::MappedFile;
use super::span::Span;
use crate::frames::Frame;
use alloc::collections::BTreeMap;
use alloc::rc::Rc;
use bitflags::bitflags;
use core::cell::RefCell;
use ukernel_abi::Rights;

bitflags! {
    /// Protection, with the bits of `PROT_*`.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Prot: u8 {
        const READ = 1;
        const WRITE = 2;
        const EXEC = 4;
    }
}

impl Prot {
    /// What the processor can express: whatever may be written or executed may be read.
    pub fn rights(self) -> Rights {
        let mut rights = if self.is_empty() { Rights::NONE } else { Rights::R };
        if self.contains(Self::WRITE) {
            rights = rights.union(Rights::W);
        }
        if self.contains(Self::EXEC) {
            rights = rights.union(Rights::X);
        }
        rights
    }
}

/// Pages of an anonymous mapping that several processes share, by page index.
pub type SharedPages = Rc<RefCell<BTreeMap<u64, Frame>>>;

/// Where the pages of an area come from.
#[derive(Clone)]
pub enum Backing {
    /// Zeros, private.
    Anonymous,
    /// Zeros, shared with children. `offset` is that of the area's start.
    Shared { pages: SharedPages, offset: u64 },
    /// A file from byte `offset` on.
    File { file: MappedFile, offset: u64, shared: bool },
}

impl Backing {
    /// The same, seen from `delta` bytes further on.
    pub fn advanced(&self, delta: u64) -> Self {
        let mut moved = self.clone();
        match &mut moved {
            Self::Anonymous => {}
            Self::Shared { offset, .. } | Self::File { offset, .. } => *offset = offset.wrapping_add(delta),
        }
        moved
    }
    /// Whether writes are seen by others.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Shared { .. } | Self::File { shared: true, .. })
    }
}

/// One area.
#[derive(Clone)]
pub struct Vma {
    pub span: Span,
    pub prot: Prot,
    pub backing: Backing,
    /// The stack: grows downwards when touched below its start.
    pub grows_down: bool,
    /// What `/proc/PID/maps` calls it, where there is no file.
    pub label: &'static str,
}

impl Vma {
    pub fn anonymous(span: Span, prot: Prot) -> Self {
        Self { span, prot, backing: Backing::Anonymous, grows_down: false, label: "" }
    }

    /// The part of this area that is in `span`.
    pub fn part(&self, span: Span) -> Self {
        let delta = span.start().wrapping_sub(self.span.start());
        Self { span, backing: self.backing.advanced(delta), ..self.clone() }
    }

    /// Whether `next`, which starts where this ends, could be the same area.
    pub fn merges_with(&self, next: &Self) -> bool {
        matches!((&self.backing, &next.backing), (Backing::Anonymous, Backing::Anonymous))
            && self.span.end() == next.span.start()
            && self.prot == next.prot
            && self.grows_down == next.grows_down
            && self.label == next.label
    }

    /// Rights that a page may be mapped with. `is_exclusive`: whether nobody else has the frame, which matters only where it may be written.
    pub fn page_rights(&self, is_exclusive: impl FnOnce() -> bool) -> Rights {
        let rights = self.prot.rights();
        if !rights.contains(Rights::W) || self.backing.is_shared() || is_exclusive() {
            rights
        } else {
            rights.without(Rights::W)
        }
    }
}
