//! The debugger's memory in the kernel's map of all physical memory.
//!
//! What is in a message's string the kernel copies from frame to frame, and it finds the frames by page tables. A string may lie on a page that is a copy of ours
//! (a server's constants are beside its code); so the kernel has to find that where it finds all memory, or it has a page fault of its own, which is its
//! end. Its map has room there. While there are copies, a table of ours is in that room.

use super::agent;
use super::machine::Machine;
use crate::debug::debuggee::Error;
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::paging::{PAGE, SUPERPAGE};
use crate::slots::RESERVE;
use std::ops::Range;

/// Bytes of the reserve.
pub const SIZE: u64 = 4 << 20;
/// The last page of it is the table.
const TABLE: u64 = RESERVE + SIZE - PAGE;
/// What is left for copies.
pub const FRAMES: Range<u64> = RESERVE..TABLE;

/// Bits of entries (SDM vol. 3, 4.5): present, writable, accessed; and dirty, of superpages, never executed.
const TO_TABLE: u64 = 0x23;
const TO_SUPERPAGE: u64 = TO_TABLE | 1 << 6 | 1 << 7 | 1 << 63;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
/// One entry of the second level from above is for so much.
const GIB: u64 = 1 << 30;
// The table has an entry for each of them, and begins with the reserve.
const _: () = assert!(RESERVE.is_multiple_of(GIB) && SIZE.is_multiple_of(SUPERPAGE) && SIZE <= GIB);

/// That it is there. To be taken back.
pub struct Reach {
    /// The kernel's address of the entry that leads to our table.
    entry: u64,
}

impl Reach {
    /// Has the kernel reach the reserve.
    pub fn give(machine: &Machine, kernel: &Kernel) -> Result<Self, Error> {
        let spaces = &kernel.info().spaces;
        if spaces.physmap_size < RESERVE + SIZE {
            return Err(Error::Other("the kernel has no room for the debugger's memory".into()));
        }
        let at = spaces.physmap.wrapping_add(RESERVE);
        let top = machine.read_u64(kernel.root() + (at >> 39 & 0x1ff) * 8)?;
        let entry = (top & ADDRESS) + (at >> 30 & 0x1ff) * 8;
        if machine.read_u64(entry)? != 0 {
            return Err(Error::Other("the kernel has something else where the debugger's memory is".into()));
        }
        // Nobody uses the table yet, so we may write it ourselves.
        for (n, superpage) in (RESERVE..RESERVE + SIZE).step_by(SUPERPAGE as usize).enumerate() {
            machine.write(TABLE + n as u64 * 8, &(superpage | TO_SUPERPAGE).to_le_bytes())?;
        }
        let reach = Self { entry: spaces.physmap.wrapping_add(entry) };
        reach.lead(machine, kernel, TABLE | TO_TABLE)?;
        Ok(reach)
    }

    /// There are no copies any more.
    pub fn take(self, machine: &Machine, kernel: &Kernel) -> Result<(), Error> {
        self.lead(machine, kernel, 0)
    }

    fn lead(&self, machine: &Machine, kernel: &Kernel, value: u64) -> Result<(), Error> {
        agent::store(machine, kernel.info().addresses.debug_page, self.entry, value)
    }
}
