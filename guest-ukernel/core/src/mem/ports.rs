//! I/O ports: the processor asks the I/O bitmap of the TSS (SDM vol. 1, 19.5.2), a clear bit allows a port.
//!
//! The bitmap is 8 KiB at the same virtual address in every space, so it switches with the page tables, at no cost. Most spaces
//! share tables in which it is a frame of ones mapped twice. A space that gets ports is given its own three tables for that
//! region, and its own two frames. A space that has all ports needs no bitmap until it is to use them itself.
//!
//! A right to a port can be passed on, and a space can lose it, but there is no mapping database for
//! ports: what a space passed on is not taken from the receivers with it.

use super::entry::Entry;
use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::space::{Mem, Space, bits, word};

/// The level-1 table of the region in which the TSSs and their bitmaps are mapped, as spaces without ports have it.
#[derive(Clone, Copy, Default, Debug)]
pub struct TssTable {
    /// Its entry in the top-level table. The region starts where the entry's 512 GiB start.
    pub slot: u16,
    /// Four pages a CPU: TSS, first and second half of the bitmap, a page of ones.
    pub table: PhysAddr,
    pub cpus: u16,
}

/// In [`word::PORTS`], beside the address of the bitmap: the space has all ports.
const ALL: u64 = 1;
const PORTS: u64 = 1 << 16;
/// What a bitmap costs: itself, and three tables.
const FRAMES: u32 = 2 + 3;

impl<M: Machine> Mem<M> {
    /// Makes the table for spaces without ports, and the tables above it: returns it and the value of the entry in the top-level table.
    /// `ones` is a frame of ones. Each CPU's TSS gets a zeroed, writable page. Called at boot.
    pub fn make_tss_table(&self, slot: u16, cpus: u16, ones: PhysAddr) -> Result<(TssTable, u64), NoMemory> {
        let [level3, level2, level1] = [self.frames.alloc()?, self.frames.alloc()?, self.frames.alloc()?];
        for cpu in 0..u64::from(cpus) {
            let first = level1.plus(cpu * 32);
            self.store(first, Entry::kernel(self.frames.alloc()?, true).0);
            for page in [8, 16, 24] {
                self.store(first.plus(page), Entry::kernel(ones, false).0);
            }
        }
        self.store(level2, Entry::table(level1).0);
        self.store(level3, Entry::table(level2).0);
        Ok((TssTable { slot, table: level1, cpus }, Entry::table(level3).0))
    }

    /// Gives the space all ports, with or without the means to use them itself.
    pub fn own_all_ports(&self, space: Space, with_bitmap: bool) -> Result<(), NoMemory> {
        if with_bitmap {
            let bitmap = self.bitmap_of(space)?;
            self.frames.machine.fill(bitmap, PORTS / 64, 0);
        }
        self.set(space, word::PORTS, self.get(space, word::PORTS) | ALL);
        Ok(())
    }

    /// Whether the space has the right to a port.
    pub fn has_port(&self, space: Space, port: u16) -> bool {
        self.denied(space, port.into()) >> (port % 64) & 1 == 0
    }

    pub(super) fn map_ports(&self, from: Space, to: Space, first: u64, count: u64) -> Result<(), NoMemory> {
        if from == to || self.get(from, word::PORTS) == 0 || self.get(to, word::PORTS) & ALL != 0 {
            return Ok(());
        }
        let bitmap = self.bitmap_of(to)?;
        for_words(first, count, |port, mask| {
            let at = bitmap.plus(port / 8);
            self.store(at, self.load(at) & (self.denied(from, port) | !mask));
        });
        Ok(())
    }

    pub(super) fn unmap_ports(&self, space: Space, first: u64, count: u64) {
        let state = self.get(space, word::PORTS);
        if state == 0 {
            return;
        }
        // Whoever has all ports and no bitmap needs one now to have fewer. Without memory for it none remain.
        let full = state == ALL;
        self.set(space, word::PORTS, state & !ALL);
        let Ok(bitmap) = self.bitmap_of(space) else { return };
        if full {
            self.frames.machine.fill(bitmap, PORTS / 64, 0);
        }
        for_words(first, count, |port, mask| {
            let at = bitmap.plus(port / 8);
            self.store(at, self.load(at) | mask);
        });
    }

    /// The bitmap word that holds `port`, of which it is a multiple of 64 or not.
    fn denied(&self, space: Space, port: u64) -> u64 {
        match self.get(space, word::PORTS) {
            0 => u64::MAX,
            state if state & ALL != 0 => 0,
            bitmap => self.load(PhysAddr(bitmap + port / 64 * 8)),
        }
    }

    /// The space's bitmap; a new one denies all.
    fn bitmap_of(&self, space: Space) -> Result<PhysAddr, NoMemory> {
        match self.get(space, word::PORTS) & !ALL {
            0 => self.make_bitmap(space),
            bitmap => Ok(PhysAddr(bitmap)),
        }
    }

    fn make_bitmap(&self, space: Space) -> Result<PhysAddr, NoMemory> {
        self.charge(space, FRAMES)?;
        let mut tables = [PhysAddr::NULL; 3];
        let Ok(bitmap) = self.alloc_bitmap(&mut tables) else {
            tables.into_iter().filter(|table| !table.is_null()).for_each(|table| self.frames.free(table));
            self.refund(space, FRAMES);
            return Err(NoMemory);
        };
        self.frames.machine.fill(bitmap, PORTS / 64, u64::MAX);
        let tss = self.template.get().tss;
        let [level3, level2, level1] = tables;
        for cpu in 0..u64::from(tss.cpus) {
            let first = cpu * 32;
            for page in [0, 24] {
                self.store(level1.plus(first + page), self.load(tss.table.plus(first + page)));
            }
            self.store(level1.plus(first + 8), Entry::kernel(bitmap, false).0);
            self.store(level1.plus(first + 16), Entry::kernel(bitmap.plus(0x1000), false).0);
        }
        self.store(level2, Entry::table(level1).0);
        self.store(level3, Entry::table(level2).0);
        self.store(self.tss_entry(space), Entry::table(level3).0);
        self.set(space, word::PORTS, self.get(space, word::PORTS) | bitmap.0);
        self.flush_bitmaps(space);
        Ok(bitmap)
    }

    fn alloc_bitmap(&self, tables: &mut [PhysAddr; 3]) -> Result<PhysAddr, NoMemory> {
        for table in tables {
            *table = self.frames.alloc()?;
        }
        self.frames.alloc_pair()
    }

    pub(super) fn free_ports(&self, space: Space) {
        let bitmap = PhysAddr(self.get(space, word::PORTS) & !ALL);
        if bitmap.is_null() {
            return;
        }
        let mut table = Entry(self.load(self.tss_entry(space))).addr();
        for level in [3, 2, 1] {
            let next = Entry(self.load(table)).addr();
            let used = if level == 1 { u64::from(self.template.get().tss.cpus) * 4 } else { 1 };
            self.frames.machine.fill(table, used, 0);
            self.frames.free(table);
            table = next;
        }
        self.frames.free_dirty(bitmap);
        self.frames.free_dirty(bitmap.plus(0x1000));
        self.refund(space, FRAMES);
    }

    fn tss_entry(&self, space: Space) -> PhysAddr {
        self.cr3(space).plus(u64::from(self.template.get().tss.slot) * 8)
    }

    /// The bitmap is another now.
    fn flush_bitmaps(&self, space: Space) {
        let tss = self.template.get().tss;
        let region = ((u64::from(tss.slot) << 39) as i64) << 16 >> 16;
        for cpu in 0..u64::from(tss.cpus) {
            for page in 0..4 {
                let va = VirtAddr((region as u64) + cpu * 0x4000 + page * 0x1000);
                self.frames.machine.flush(self.cr3(space), va);
            }
        }
    }
}

/// Calls `f` with the first port of each bitmap word that holds any of the ports, and with their bits in it.
fn for_words(first: u64, count: u64, f: impl Fn(u64, u64)) {
    let end = first + count;
    let mut port = first;
    while port < end {
        let word = port & !63;
        let stop = end.min(word + 64);
        f(word, bits(port - word, stop - port));
        port = stop;
    }
}
