//! One server: who it is, what it may have, and what its page faults are answered with.

use crate::image::{Image, Segment};
use crate::items::{Items, cover};
use crate::lines::Line;
use crate::machine::Machine;
use proto::kernel::PageFault;
use proto::place::{PHYSICAL, STACK, STACK_END, STACK_LOG2};
use proto::sigma0::{Block, Request};
use proto::{Refusal, root};
use ukernel_abi::kip::Module;
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

    /// Items for a page fault: the whole segment, or the whole stack. A fault costs more than the pages
    /// around it.
    pub fn fault(&mut self, machine: &mut impl Machine, fault: &PageFault) -> Result<Items, Fatal> {
        let mut items = Items::NONE;
        if let Some(segment) = self.image.segment_at(fault.address) {
            if !segment.rights.contains(fault.access) {
                return Err(Fatal(match fault.access {
                    Rights::W => "wrote to read-only memory",
                    Rights::X => "executed data",
                    _ => "read unreadable memory",
                }));
            }
            self.map_segment(segment, fault.address, &mut items);
            return Ok(items);
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
            None => self.block(machine, STACK_LOG2).map_err(|_| Fatal("no memory for its stack"))?,
        };
        self.stack = Some(phys);
        let _fits = items.push(item(phys, STACK_LOG2, STACK));
        Ok(items)
    }

    /// The segment's flexpages, that with the faulting address first: if there are more than a message holds,
    /// the thread still gets on.
    fn map_segment(&self, s: &Segment, address: u64, items: &mut Items) {
        let from = PHYSICAL + self.image_phys + s.offset;
        let all = || cover(from, s.address, s.size, s.rights);
        let has = |i: &MapItem| address >= i.base && address - i.base < i.snd.size();
        for item in all().filter(has).chain(all().filter(|i| !has(i))) {
            if !items.push(item) {
                return;
            }
        }
    }

    /// A block of 2^`log2` bytes of the budget; its physical address.
    fn block(&mut self, machine: &mut impl Machine, log2: u32) -> Result<u64, Refusal> {
        if (1 << log2) > self.left() {
            return Err(Refusal::NoMemory);
        }
        let phys = free_block(machine, log2)?;
        self.used += 1 << log2;
        Ok(phys)
    }

    /// The answer to a request for memory, and its item.
    pub fn ram(
        &mut self,
        machine: &mut impl Machine,
        log2: u32,
        base: u64,
    ) -> Result<(root::Ram, MapItem), Refusal> {
        let phys = self.block(machine, log2)?;
        Ok((root::Ram { phys, left: self.left() }, item(phys, log2, base)))
    }

    pub fn info(&self, spare: u64) -> root::Info {
        root::Info { budget: self.set.memory, left: self.left(), spare, kernel_frames: self.kernel_frames }
    }

    /// Bytes of the budget that are not used yet.
    pub fn left(&self) -> u64 {
        self.set.memory.saturating_sub(self.used)
    }
}

/// A block of free memory; its physical address.
pub fn free_block(machine: &mut impl Machine, log2: u32) -> Result<u64, Refusal> {
    let reply = machine.sigma0(Request::Free { log2 })?;
    Ok(Block::try_from(&reply)?.phys)
}

/// Maps a block to a server, to read and write.
pub fn item(phys: u64, log2: u32, base: u64) -> MapItem {
    MapItem::map(Fpage::memory(PHYSICAL + phys, log2, Rights::RW), base)
}
