//! The I/O bitmap of the TSS: what the processor asks for each access to a port (SDM vol. 1, 19.5.2). A clear bit allows it.
//!
//! The bitmap is 8 KiB at the same virtual address in every space, so it switches with the page tables, at no cost. Most spaces
//! share tables in which it is a frame of ones mapped twice. A space that gets ports is given its own three tables for that
//! region, its own two frames, and two frames for the lists of its nodes (see `io`), a word for each word of the bitmap.

use super::entry::Entry;
use super::frames::NoMemory;
use super::machine::{Machine, PhysAddr, VirtAddr};
use super::space::{Mem, Space, word};

/// The level-1 table of the region in which the TSSs and their bitmaps are mapped, as spaces without ports have it.
#[derive(Clone, Copy, Default, Debug)]
pub struct TssTable {
    /// Its entry in the top-level table. The region starts where the entry's 512 GiB start.
    pub slot: u16,
    /// Four pages a CPU: TSS, first and second half of the bitmap, a page of ones.
    pub table: PhysAddr,
    pub cpus: u16,
}

/// Number of ports.
pub(super) const PORTS: u64 = 1 << 16;
/// What a bitmap costs: itself, the lists, and three tables.
pub(super) const FRAMES: u32 = 2 + 2 + 3;

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

    /// The space's bitmap; a new one denies all.
    pub(super) fn bitmap_of(&self, space: Space) -> Result<PhysAddr, NoMemory> {
        match self.get(space, word::PORTS) {
            0 => self.make_bitmap(space),
            bitmap => Ok(PhysAddr(bitmap)),
        }
    }

    #[cold]
    fn make_bitmap(&self, space: Space) -> Result<PhysAddr, NoMemory> {
        self.charge(space, FRAMES)?;
        let mut frames = [PhysAddr::NULL; 5];
        if self.alloc_bitmap(&mut frames).is_err() {
            for (n, frame) in frames.into_iter().enumerate().filter(|(_, frame)| !frame.is_null()) {
                if n < 2 { self.frames.free_pair(frame) } else { self.frames.free(frame) }
            }
            self.refund(space, FRAMES);
            return Err(NoMemory);
        }
        let [bitmap, lists, level3, level2, level1] = frames;
        self.frames.machine.fill(bitmap, PORTS / 64, u64::MAX);
        let tss = self.template.get().tss;
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
        self.set(space, word::PORTS, bitmap.0);
        self.set(space, word::PORT_LISTS, lists.0);
        self.flush_bitmaps(space);
        Ok(bitmap)
    }

    /// Two pairs and three frames.
    fn alloc_bitmap(&self, frames: &mut [PhysAddr; 5]) -> Result<(), NoMemory> {
        for (n, frame) in frames.iter_mut().enumerate() {
            *frame = if n < 2 { self.frames.alloc_pair()? } else { self.frames.alloc()? };
        }
        Ok(())
    }

    pub(super) fn free_ports(&self, space: Space) {
        let bitmap = self.get(space, word::PORTS);
        if bitmap == 0 {
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
        for pair in [bitmap, self.get(space, word::PORT_LISTS)] {
            self.frames.free_dirty(PhysAddr(pair));
            self.frames.free_dirty(PhysAddr(pair + 0x1000));
        }
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
