//! One server: who it is, what it may have, and what its page faults are answered with.

use crate::image::{Image, Segment};
use crate::lines::Line;
use crate::machine::Machine;
use crate::memory::Memory;
use core::ops::Range;
use proto::items::{Items, cover};
use proto::kernel::PageFault;
use proto::place::{PHYSICAL, STACK, STACK_END, STACK_LOG2};
use proto::{Refusal, root};
use ukernel_abi::kip::Module;
use ukernel_abi::layout::{PAGE, SUPERPAGE};
use ukernel_abi::{Fpage, MapItem, Rights, ThreadId};
use vmm_abi::set;

pub struct Server {
    pub set: set::Server<'static>,
    pub thread: ThreadId,
    pub line: Line,
    /// Whether it is the last of its set: what the machine is there for. It may end the machine, and memory
    /// that is in nobody's budget is for it.
    pub is_last: bool,
    kernel_frames: u64,
    image: Image,
    /// Physical address of the image's module.
    image_phys: u64,
    /// Physical address of the stack, once it has one.
    stack: Option<u64>,
    /// Bytes of the budget that are used.
    used: u64,
}

/// Why a fault cannot be answered. The text says what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fatal(pub &'static str);

impl Server {
    pub fn new(
        set: set::Server<'static>,
        thread: ThreadId,
        kernel_frames: u64,
        image: Image,
        module: &Module,
        is_last: bool,
    ) -> Self {
        Self {
            set,
            thread,
            line: Line::EMPTY,
            is_last,
            kernel_frames,
            image,
            image_phys: module.phys,
            stack: None,
            used: 0,
        }
    }

    pub fn has_devices(&self) -> bool {
        crate::devices::flexpages(&self.set).next().is_some()
    }

    pub fn may_call(&self, name: &str) -> bool {
        self.set.call().any(|allowed| allowed == name)
    }

    /// Items for a page fault: what lies around it in the segment or the stack.
    pub fn fault(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        fault: &PageFault,
    ) -> Result<Items, Fatal> {
        if let Some(segment) = self.image.segment_at(fault.address) {
            if !segment.rights.contains(fault.access) {
                return Err(Fatal(match fault.access {
                    Rights::W => "wrote to read-only memory",
                    Rights::X => "executed data",
                    _ => "read unreadable memory",
                }));
            }
            let from = PHYSICAL + self.image_phys + segment.offset;
            let part = around(segment, from, fault.address);
            return Ok(items(from + (part.start - segment.address), part, segment.rights));
        }
        if !(STACK..STACK_END).contains(&fault.address) {
            return Err(Fatal(if fault.address < STACK && fault.address >= STACK - (1 << STACK_LOG2) {
                "stack overflow"
            } else {
                "nothing is there"
            }));
        }
        if fault.access == Rights::X {
            return Err(Fatal("executed its stack"));
        }
        let phys = match self.stack {
            Some(phys) => phys,
            None => self.block(memory, machine, STACK_LOG2).map_err(|_| Fatal("no memory for its stack"))?,
        };
        self.stack = Some(phys);
        let part = aligned(fault.address, AROUND);
        Ok(items(PHYSICAL + phys + (part.start - STACK), part, Rights::RW))
    }

    /// A block of 2^`log2` bytes of the budget; its physical address.
    fn block(&mut self, memory: &mut Memory, machine: &mut impl Machine, log2: u32) -> Result<u64, Refusal> {
        if (1 << log2) > self.left() {
            return Err(Refusal::NoMemory);
        }
        let phys = memory.take(machine, log2)?;
        self.used += 1 << log2;
        Ok(phys)
    }

    /// The answer to a request for memory, and its item.
    pub fn ram(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        log2: u32,
        base: u64,
    ) -> Result<(root::Ram, MapItem), Refusal> {
        let phys = self.block(memory, machine, log2)?;
        Ok((root::Ram { phys, left: self.left() }, item(phys, log2, base, Rights::RW)))
    }

    pub fn info(&self, spare: u64) -> root::Info {
        root::Info { budget: self.set.memory, left: self.left(), spare, kernel_frames: self.kernel_frames }
    }

    /// Bytes of the budget that are not used yet.
    pub fn left(&self) -> u64 {
        self.set.memory.saturating_sub(self.used)
    }
}

/// Bytes that are mapped at a fault where superpages cannot be: a fault costs about as much as mapping eight
/// pages.
const AROUND: u64 = 32 << 10;

/// The part of a segment that is mapped at a fault at `address`: a superpage where there can be one.
fn around(s: &Segment, from: u64, address: u64) -> Range<u64> {
    let segment = s.address..s.address + s.size;
    let large = aligned(address, SUPERPAGE);
    let agrees = (from - s.address).is_multiple_of(SUPERPAGE);
    if agrees && segment.start <= large.start && large.end <= segment.end {
        return large;
    }
    let part = aligned(address, AROUND);
    part.start.max(segment.start)..part.end.min(segment.end)
}

/// The block of `size` bytes, a power of two, that `address` is in.
fn aligned(address: u64, size: u64) -> Range<u64> {
    let start = address & !(size - 1);
    start..start + size
}

/// Items that map what root has at `from` to `part` of a server.
fn items(from: u64, part: Range<u64>, rights: Rights) -> Items {
    let mut items = Items::NONE;
    for item in cover(from, part.start, part.end - part.start, rights) {
        let _fits = items.push(item);
    }
    items
}

/// A part that is mapped at once has fewer pages than a message has items.
const _: () = assert!(AROUND / PAGE <= proto::items::MAX as u64);

/// Maps a block to a server.
pub fn item(phys: u64, log2: u32, base: u64, rights: Rights) -> MapItem {
    MapItem::map(Fpage::memory(PHYSICAL + phys, log2, rights), base)
}
