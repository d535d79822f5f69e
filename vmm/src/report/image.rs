//! The memory of the virtual machine that a server's function runs in, beside the RAM of the debugged machine.
//!
//! It begins at [`BASE`], behind all RAM, and holds the page tables, copies of the pages that the server could write, and what the run needs of its
//! own. Pages are taken from it one after the other; those that are never taken cost nothing.

use vm_memory::{Bytes, GuestAddress, GuestMemoryError, GuestMemoryMmap};

/// Where it begins in guest-physical memory: 256 GiB. All KVMs have 39 bits of it.
pub const BASE: u64 = 1 << 38;
/// Most that one run can need: the heap of a server, and some.
const SIZE: u64 = 768 << 20;
pub const PAGE: u64 = 4096;
const SUPERPAGE: u64 = 2 << 20;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED_DIRTY: u64 = 3 << 5;
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

/// What may be done with a page.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rights {
    Read,
    Write,
    Execute,
}

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("no memory for a copy of it: {0}")]
    Map(String),
    #[error("a copy of it would have more than {} MiB", SIZE >> 20)]
    Full,
    #[error("{0:#x} is mapped twice")]
    Twice(u64),
    #[error("accessing the copy: {0}")]
    Access(#[from] GuestMemoryError),
}

pub struct Image {
    memory: GuestMemoryMmap<()>,
    /// The first page that is not taken.
    next: u64,
    /// The top-level table.
    root: u64,
}

impl Image {
    pub fn new() -> Result<Self, ImageError> {
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(BASE), SIZE as usize)])
            .map_err(|e| ImageError::Map(e.to_string()))?;
        let mut image = Self { memory, next: BASE, root: 0 };
        image.root = image.take(1)?;
        Ok(image)
    }

    pub fn memory(&self) -> &GuestMemoryMmap<()> {
        &self.memory
    }

    /// For CR3.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// `pages` pages of zeros that follow one another; the physical address of the first.
    pub fn take(&mut self, pages: u64) -> Result<u64, ImageError> {
        let first = self.next;
        let next = first + pages * PAGE;
        if next > BASE + SIZE {
            return Err(ImageError::Full);
        }
        self.next = next;
        Ok(first)
    }

    pub fn write(&self, physical: u64, bytes: &[u8]) -> Result<(), ImageError> {
        Ok(self.memory.write_slice(bytes, GuestAddress(physical))?)
    }

    pub fn read(&self, physical: u64, into: &mut [u8]) -> Result<(), ImageError> {
        Ok(self.memory.read_slice(into, GuestAddress(physical))?)
    }

    /// Maps a page of 4 KiB or, if `size` says so, of 2 MiB.
    pub fn map(&mut self, address: u64, physical: u64, size: u64, rights: Rights) -> Result<(), ImageError> {
        let leaf = u32::from(size == SUPERPAGE);
        let mut table = self.root;
        for level in (leaf + 1..4).rev() {
            let at = table + index(address, level) * 8;
            let entry = self.entry(at)?;
            table = entry & ADDRESS;
            if entry == 0 {
                table = self.take(1)?;
                self.write(at, &(table | PRESENT | WRITABLE | USER | ACCESSED_DIRTY).to_le_bytes())?;
            } else if entry & LARGE != 0 {
                return Err(ImageError::Twice(address));
            }
        }
        let at = table + index(address, leaf) * 8;
        if self.entry(at)? != 0 {
            return Err(ImageError::Twice(address));
        }
        let bits = match rights {
            Rights::Read => NO_EXECUTE,
            Rights::Write => NO_EXECUTE | WRITABLE,
            Rights::Execute => 0,
        };
        let large = if leaf == 1 { LARGE } else { 0 };
        self.write(at, &(physical | PRESENT | USER | ACCESSED_DIRTY | large | bits).to_le_bytes())
    }

    /// Maps `pages` new pages of zeros, which follow one another; the physical address of the first.
    pub fn map_new(&mut self, address: u64, pages: u64, rights: Rights) -> Result<u64, ImageError> {
        let physical = self.take(pages)?;
        for page in 0..pages {
            self.map(address + page * PAGE, physical + page * PAGE, PAGE, rights)?;
        }
        Ok(physical)
    }

    fn entry(&self, at: u64) -> Result<u64, ImageError> {
        Ok(self.memory.read_obj(GuestAddress(at))?)
    }
}

/// Which entry of a table is for `address`; level 0 has the 4-KiB pages.
fn index(address: u64, level: u32) -> u64 {
    address >> (12 + 9 * level) & 511
}
