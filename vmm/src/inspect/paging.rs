//! Page tables, as the processor walks them (SDM vol. 3, 4.5).
//!
//! What is walked may be anything: the tables of a machine that has crashed, or no tables at all. A walk has at most five steps, whatever it finds.

use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};
use std::collections::BTreeSet;

const PRESENT: u64 = 1 << 0;
const WRITE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
/// In an entry of level 2 or 3: it maps a page, and leads to no table.
const LARGE: u64 = 1 << 7;
const NO_EXECUTE: u64 = 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

pub const PAGE: u64 = 4096;
pub const SUPERPAGE: u64 = 2 << 20;

/// Where a virtual address leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Page {
    /// The physical address of the page, not of what was looked up in it.
    pub frame: u64,
    /// Bytes: 4 KiB, 2 MiB or 1 GiB.
    pub size: u64,
    /// Rights, of all levels together.
    pub writable: bool,
    pub user: bool,
    pub executable: bool,
    /// Physical address of the entry that maps it.
    pub entry: u64,
}

impl Page {
    /// Physical address of `va`, which is on the page.
    pub fn physical(&self, va: u64) -> u64 {
        self.frame + va % self.size
    }
}

/// Tables of four levels, or five.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Levels {
    Four,
    Five,
}

/// How a vCPU translates addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Translation {
    /// Not at all: paging is off.
    None,
    /// By the tables at this root.
    Tables(u64, Levels),
    /// In a way that is not of 64-bit mode: paging of 32-bit mode.
    Unknown,
}

impl Translation {
    pub fn of(registers: &Registers) -> Self {
        const CR0_PG: u64 = 1 << 31;
        const CR4_LA57: u64 = 1 << 12;
        match registers {
            r if r.cr0 & CR0_PG == 0 => Self::None,
            r if !r.in_long_mode() => Self::Unknown,
            r if r.cr4 & CR4_LA57 != 0 => Self::Tables(r.cr3, Levels::Five),
            r => Self::Tables(r.cr3, Levels::Four),
        }
    }

    /// The page at `va`. Where paging is off there are pages of 4 KiB, which one may do everything with.
    pub fn page(self, view: &dyn View, va: u64) -> Option<Page> {
        match self {
            Self::None => Some(Page {
                frame: va & !(PAGE - 1),
                size: PAGE,
                writable: true,
                user: true,
                executable: true,
                entry: 0,
            }),
            Self::Tables(root, levels) => walk(view, root, levels, va),
            Self::Unknown => None,
        }
    }

    /// Reads what is mapped from `va` on, up to the first byte that is not. Returns how many bytes that were.
    pub fn read(self, view: &dyn View, va: u64, into: &mut [u8]) -> usize {
        let mut done = 0;
        while done < into.len() {
            let at = va.wrapping_add(done as u64);
            let Some(page) = self.page(view, at) else { break };
            let rest = page.size - at % page.size;
            let count = rest.min((into.len() - done) as u64) as usize;
            if view.read(page.physical(at), &mut into[done..done + count]).is_err() {
                break;
            }
            done += count;
        }
        done
    }
}

/// The page at `va` in the space of page-table root `cr3` (its low 12 bits and bit 63 do not count), by tables of four levels.
pub fn translate(view: &dyn View, cr3: u64, va: u64) -> Option<Page> {
    walk(view, cr3, Levels::Four, va)
}

/// Reads from the space of page-table root `cr3`, as [`Translation::read`].
pub fn read(view: &dyn View, cr3: u64, va: u64, into: &mut [u8]) -> usize {
    Translation::Tables(cr3, Levels::Four).read(view, va, into)
}

fn walk(view: &dyn View, root: u64, levels: Levels, va: u64) -> Option<Page> {
    let mut at = Step::top(root, levels);
    // Bits above those that are translated are copies of the highest that is.
    let unused = 64 - (at.shift + 9);
    if ((va << unused) as i64 >> unused) as u64 != va {
        return None;
    }
    loop {
        match at.next(view, at.table + (va >> at.shift & 0x1ff) * 8).ok()? {
            Next::Nothing => return None,
            Next::Table(step) => at = step,
            Next::Page(page) => return Some(page),
        }
    }
}

/// Rights that all levels so far give.
#[derive(Clone, Copy)]
struct Rights {
    writable: bool,
    user: bool,
    executable: bool,
}

impl Rights {
    const ALL: Self = Self { writable: true, user: true, executable: true };

    fn with(self, entry: u64) -> Self {
        Self {
            writable: self.writable && entry & WRITE != 0,
            user: self.user && entry & USER != 0,
            executable: self.executable && entry & NO_EXECUTE == 0,
        }
    }
}

/// A table, whose entries are for 2^`shift` bytes each.
#[derive(Clone, Copy)]
struct Step {
    table: u64,
    shift: u32,
    rights: Rights,
}

enum Next {
    Nothing,
    Table(Step),
    Page(Page),
}

impl Step {
    fn top(root: u64, levels: Levels) -> Self {
        let shift = if levels == Levels::Five { 48 } else { 39 };
        Self { table: root & ADDRESS, shift, rights: Rights::ALL }
    }

    /// What the entry at `entry` leads to.
    fn next(self, view: &dyn View, entry: u64) -> Result<Next, NoMemory> {
        Ok(self.decode(entry, view.read_u64(entry)?))
    }

    fn decode(self, entry: u64, value: u64) -> Next {
        if value & PRESENT == 0 {
            return Next::Nothing;
        }
        let rights = self.rights.with(value);
        let is_page = self.shift == 12 || self.shift <= 30 && value & LARGE != 0;
        if !is_page {
            return Next::Table(Step { table: value & ADDRESS, shift: self.shift - 9, rights });
        }
        let size = 1 << self.shift;
        Next::Page(Page {
            frame: value & ADDRESS & !(size - 1),
            size,
            writable: rights.writable,
            user: rights.user,
            executable: rights.executable,
            entry,
        })
    }
}

/// Tables that are looked at in one space: enough for 128 GiB in pages of 4 KiB. Tables that lead to themselves would have no end.
const TABLES_MAX: u32 = 1 << 16;

/// Calls `each` with every page below `end` of the space of page-table root `cr3`, in the order of addresses, until it returns false. Tables that
/// cannot be read are as if they were empty.
pub fn for_each_page(view: &dyn View, cr3: u64, end: u64, each: &mut dyn FnMut(u64, Page) -> bool) {
    Visit { view, end, left: TABLES_MAX, seen: None, each }.table(Step::top(cr3, Levels::Four), 0, 0);
}

/// Calls `each` with every page of the upper half, where kernels are, as [`for_each_page`]. A table that is in many places, as those are that
/// stand for all that is not there, is visited in the first alone.
pub fn for_each_upper_page(
    view: &dyn View,
    root: u64,
    levels: Levels,
    each: &mut dyn FnMut(u64, Page) -> bool,
) {
    let top = Step::top(root, levels);
    // Bits above those that are translated are copies of the highest that is.
    let start = u64::MAX << (top.shift + 9);
    let seen = Some(BTreeSet::new());
    Visit { view, end: u64::MAX, left: TABLES_MAX, seen, each }.table(top, start, ENTRIES / 2);
}

/// Entries of a table.
const ENTRIES: usize = 512;

struct Visit<'a> {
    view: &'a dyn View,
    end: u64,
    left: u32,
    /// Tables, and for what each of their entries is; `None` if they are visited as often as they are there.
    seen: Option<BTreeSet<(u64, u32)>>,
    each: &'a mut dyn FnMut(u64, Page) -> bool,
}

impl Visit<'_> {
    /// Visits a table, which is for addresses from `start` on, and what is below, from entry `first` on. False: that is enough.
    fn table(&mut self, step: Step, start: u64, first: usize) -> bool {
        if self.seen.as_mut().is_some_and(|seen| !seen.insert((step.table, step.shift))) {
            return true;
        }
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        let mut table = [0; PAGE as usize];
        if self.view.read(step.table, &mut table).is_err() {
            return true;
        }
        for (n, value) in table.as_chunks::<8>().0.iter().enumerate().skip(first) {
            let va = start + ((n as u64) << step.shift);
            if va >= self.end {
                break;
            }
            let go_on = match step.decode(step.table + n as u64 * 8, u64::from_le_bytes(*value)) {
                Next::Nothing => true,
                Next::Table(next) => self.table(next, va, 0),
                Next::Page(page) => (self.each)(va, page),
            };
            if !go_on {
                return false;
            }
        }
        true
    }
}
