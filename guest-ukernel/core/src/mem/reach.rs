//! Memory that the kernel reaches for a program: strings are copied from frame to frame, with the rights that the program has.

use super::machine::{Machine, PhysAddr, VirtAddr};
use super::space::{Mem, Space};
use ukernel_abi::Rights;
use ukernel_abi::layout::PAGE;

/// Why a program cannot reach its memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unreachable {
    /// Its page is not mapped, or read-only.
    Fault,
    /// Something other than memory is there.
    Device,
}

impl<M: Machine> Mem<M> {
    /// Where `va`, which is below `USER_END`, lies in physical memory, if programs of the space can read it, or write to it; good to the end of its page.
    /// The page counts as accessed then, and as written to.
    pub fn reach(&self, space: Space, va: VirtAddr, write: bool) -> Result<PhysAddr, Unreachable> {
        let leaf = self.find(space, va).map_err(|_| Unreachable::Fault)?;
        if write && !leaf.entry.rights().contains(Rights::W) {
            return Err(Unreachable::Fault);
        }
        if leaf.entry.is_device() {
            return Err(Unreachable::Device);
        }
        let used = leaf.entry.used(write);
        if used != leaf.entry {
            self.frames.machine.set_bits(leaf.slot, used.0);
        }
        let size = if leaf.entry.is_superpage() { ukernel_abi::layout::SUPERPAGE } else { PAGE };
        Ok(leaf.entry.addr().plus(va.0 & (size - 1)))
    }
}
