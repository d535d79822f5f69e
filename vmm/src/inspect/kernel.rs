//! The kernel of a machine: where it is, and its memory.

use super::paging;
use super::record::Record;
use crate::debug::view::View;
use crate::symbols;
use std::path::Path;
use ukernel_abi::debug::{DebugInfo, SYMBOL};

/// A µ-kernel that says where its data are.
#[derive(Clone, Debug)]
pub struct Kernel {
    info: DebugInfo,
    /// Page-table root of the kernel's half, a physical address.
    root: u64,
}

impl Kernel {
    /// Finds the kernel of the ELF file `elf` in the machine. `None` if the file is of another kernel, or this kernel is not in memory.
    pub fn find(view: &dyn View, elf: &Path) -> Option<Self> {
        let symbol = symbols::find(elf, SYMBOL)?;
        let in_file = symbol.content.get(..DebugInfo::SIZE)?;
        let mut in_memory = [0; DebugInfo::SIZE];
        view.read(symbol.physical, &mut in_memory).ok()?;
        if in_file != in_memory {
            return None;
        }
        Some(Self::new(DebugInfo::read(&in_memory)?, symbol.physical.wrapping_sub(symbol.address)))
    }

    /// From what it says, when its image's virtual addresses become physical ones by adding `offset`.
    pub(super) fn new(info: DebugInfo, offset: u64) -> Self {
        Self { info, root: info.addresses.root.wrapping_add(offset) }
    }

    /// Where things are.
    pub fn info(&self) -> &DebugInfo {
        &self.info
    }

    /// Page-table root of the kernel's half, a physical address.
    pub fn root(&self) -> u64 {
        self.root
    }

    /// Reads the kernel's memory at a virtual address. `None` if not all of it is there.
    pub fn read(&self, view: &dyn View, address: u64, into: &mut [u8]) -> Option<()> {
        (paging::read(view, self.root, address, into) == into.len()).then_some(())
    }

    /// A copy of `size` bytes at a virtual address.
    pub(super) fn record(&self, view: &dyn View, address: u64, size: usize) -> Option<Record> {
        let mut bytes = vec![0; size];
        self.read(view, address, &mut bytes)?;
        Some(Record::new(bytes))
    }

    /// The page at virtual address `va` of the kernel's half.
    pub fn page(&self, view: &dyn View, va: u64) -> Option<paging::Page> {
        paging::translate(view, self.root, va)
    }

    /// A word of the kernel's state, at this offset.
    pub(super) fn state_u64(&self, view: &dyn View, offset: u64) -> Option<u64> {
        Some(self.record(view, self.info.addresses.kernel.wrapping_add(offset), 8)?.u64(0))
    }

    /// kHz of the TSC, as the kernel has it.
    pub fn tsc_khz(&self, view: &dyn View) -> Option<u64> {
        self.state_u64(view, self.info.kernel.tsc_khz)
    }

    /// Number of CPUs that the kernel uses.
    pub fn cpus(&self, view: &dyn View) -> usize {
        let count = self.state_u64(view, self.info.kernel.cpus).unwrap_or(0) as u32;
        (count as usize).min(view.vcpus())
    }

    /// Number of frames of kernel memory that are not in use.
    pub fn free_frames(&self, view: &dyn View) -> Option<u64> {
        Some(self.record(view, self.info.addresses.free_frames, 8)?.u64(0))
    }

    /// Addresses of the instructions by which threads go on in user mode: SYSRETQ, IRETQ.
    pub fn exits(&self, view: &dyn View) -> Vec<u64> {
        /// The kernel has seven.
        const MAX: u64 = 64;
        let (start, end) = (self.info.addresses.exits, self.info.addresses.exits_end);
        let count = end.wrapping_sub(start) / 8;
        if count > MAX {
            return Vec::new();
        }
        let table = self.record(view, start, count as usize * 8);
        table.map_or(Vec::new(), |table| (0..count).map(|n| table.u64(n * 8)).collect())
    }
}
