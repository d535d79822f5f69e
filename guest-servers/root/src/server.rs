//! One server: who it is, what it may have, and what its page faults are answered with.
//!
//! A server's image is mapped where it lies in its boot module, data and all, for memory's sake. That can be done once: one
//! that may be started again gets a copy of its data each time, and the module stays as it was.

use crate::blocks::{Blocks, Use};
use crate::image::{Image, SEGMENTS, Segment};
use crate::life::Life;
use crate::lines::Line;
use crate::machine::{Machine, NewServer};
use crate::memory::Memory;
use crate::watchdog::{Note, Watchdog};
use core::ops::Range;
use proto::drivers::beat;
use proto::items::{Items, cover};
use proto::kernel::PageFault;
use proto::place::{PHYSICAL, STACK, STACK_END, STACK_LOG2};
use proto::{Refusal, place, root};
use ukernel_abi::kip::Module;
use ukernel_abi::layout::{PAGE, SUPERPAGE};
use ukernel_abi::{Fpage, MapItem, Rights, Status, ThreadId};
use vmm_abi::set::{self, Restart};

pub struct Server {
    pub set: set::Server<'static>,
    pub state: State,
    pub line: Line,
    /// Whether it is the last of its set: what the machine is there for. It may end the machine, and memory
    /// that is in nobody's budget is for it.
    pub is_last: bool,
    pub life: Life,
    pub watchdog: Watchdog,
    kernel_frames: u64,
    image: Image,
    /// Physical address of the image's module.
    image_phys: u64,
    /// Physical addresses of the copies of its writable segments, by the segments' numbers.
    copies: [Option<u64>; SEGMENTS],
    /// Physical address of the stack, once it has one.
    stack: Option<u64>,
    /// Physical address of the page in which it notes that it is alive, once it has one.
    beat: Option<u64>,
    blocks: Blocks,
}

/// Whether a server is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// Its first thread.
    Runs(ThreadId),
    /// It will be started at this time (µs).
    Waits(u64),
    /// It died each time it was started.
    GivenUp,
}

/// Why a server was not started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotStarted {
    /// There was no memory for its data.
    Memory(Refusal),
    /// The µ-kernel did not make its task.
    Task(Status),
}

/// Why a fault cannot be answered. The text says what happened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fatal(pub &'static str);

impl Server {
    /// A server that does not run yet.
    pub fn new(
        set: set::Server<'static>,
        kernel_frames: u64,
        image: Image,
        module: &Module,
        is_last: bool,
    ) -> Self {
        Self {
            set,
            state: State::Waits(0),
            line: Line::EMPTY,
            is_last,
            life: Life::default(),
            watchdog: Watchdog::new(set.watchdog),
            kernel_frames,
            image,
            image_phys: module.phys,
            copies: [None; SEGMENTS],
            stack: None,
            beat: None,
            blocks: Blocks::new(is_restarted(&set)),
        }
    }

    /// Makes its task, whose first page fault then waits for root.
    pub fn start(&mut self, memory: &mut Memory, machine: &mut impl Machine) -> Result<(), NotStarted> {
        if is_restarted(&self.set) {
            self.copy_data(memory, machine).map_err(NotStarted::Memory)?;
        }
        let new = NewServer {
            name: self.set.name,
            entry: self.image.entry,
            stack_end: place::STACK_END,
            kernel_frames: self.kernel_frames,
            priority: self.set.prio,
        };
        let thread = machine.new_server(&new).map_err(NotStarted::Task)?;
        self.state = State::Runs(thread);
        self.life.start(machine.now());
        Ok(())
    }

    fn copy_data(&mut self, memory: &mut Memory, machine: &mut impl Machine) -> Result<(), Refusal> {
        let image = self.image;
        for (n, segment) in image.segments().enumerate().filter(|(_, s)| s.rights.contains(Rights::W)) {
            let log2 = segment.size.next_power_of_two().trailing_zeros();
            let phys = self.block(memory, machine, log2, Use::Data(n as u8))?;
            machine.copy(self.image_phys + segment.offset, phys, segment.size);
            self.copies[n] = Some(phys);
        }
        Ok(())
    }

    /// Its task is not there any more, and has nothing.
    pub fn forget(&mut self) {
        self.watchdog.end();
        self.blocks.forget();
        (self.copies, self.stack, self.beat) = ([None; SEGMENTS], None, None);
    }

    /// Its first thread, if it runs.
    pub fn thread(&self) -> Option<ThreadId> {
        match self.state {
            State::Runs(thread) => Some(thread),
            State::Waits(_) | State::GivenUp => None,
        }
    }

    pub fn has_devices(&self) -> bool {
        crate::devices::flexpages(&self.set).next().is_some() || self.set.devices().next().is_some()
    }

    pub fn may_call(&self, name: &str) -> bool {
        self.set.call().any(|allowed| allowed == name)
    }

    pub fn may_kill(&self, name: &str) -> bool {
        self.set.kill().any(|allowed| allowed == name)
    }

    /// Items for a page fault: what lies around it in the segment or the stack.
    pub fn fault(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        fault: &PageFault,
    ) -> Result<Items, Fatal> {
        if let Some((n, segment)) = self.image.segment_at(fault.address) {
            if !segment.rights.contains(fault.access) {
                return Err(Fatal(match fault.access {
                    Rights::W => "wrote to read-only memory",
                    Rights::X => "executed data",
                    _ => "read unreadable memory",
                }));
            }
            let from = PHYSICAL + self.copies[n].unwrap_or(self.image_phys + segment.offset);
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
            None => self
                .block(memory, machine, STACK_LOG2, Use::Stack)
                .map_err(|_| Fatal("no memory for its stack"))?,
        };
        self.stack = Some(phys);
        let part = aligned(fault.address, AROUND);
        Ok(items(PHYSICAL + phys + (part.start - STACK), part, Rights::RW))
    }

    /// A block of 2^`log2` bytes of the budget; its physical address.
    fn block(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        log2: u32,
        what: Use,
    ) -> Result<u64, Refusal> {
        self.blocks.take(memory, machine, self.set.memory, log2, what)
    }

    /// The answer to a request for memory, and its item.
    pub fn ram(
        &mut self,
        memory: &mut Memory,
        machine: &mut impl Machine,
        log2: u32,
        base: u64,
        what: Use,
    ) -> Result<(root::Ram, MapItem), Refusal> {
        let phys = self.block(memory, machine, log2, what)?;
        Ok((root::Ram { phys, left: self.left() }, item(phys, log2, base, Rights::RW)))
    }

    /// Physical address and log2 size of a region that it shares with server `with`.
    pub fn region(&self, name: u64, with: u8) -> Option<(u64, u32)> {
        self.blocks.region(name, with)
    }

    /// The page in which it notes that it is alive, empty; its physical address.
    pub fn take_beat(&mut self, memory: &mut Memory, machine: &mut impl Machine) -> Result<u64, Refusal> {
        let phys = self.block(memory, machine, PAGE.trailing_zeros(), Use::Beat)?;
        for word in [beat::COUNT, beat::AWAY, beat::WATCHED] {
            machine.store(phys + word as u64, 0);
        }
        self.beat = Some(phys);
        Ok(phys)
    }

    /// What it has noted; `None` if it has no page.
    pub fn note(&self, machine: &impl Machine) -> Option<Note> {
        let word = |at: usize| self.beat.map(|page| machine.load(page + at as u64));
        Some(Note { count: word(beat::COUNT)?, away: word(beat::AWAY)? != 0 })
    }

    /// Tells it whether somebody looks.
    pub fn set_watched(&self, machine: &mut impl Machine, watched: bool) {
        if let Some(page) = self.beat {
            machine.store(page + beat::WATCHED as u64, watched.into());
        }
    }

    pub fn info(&self, spare: u64) -> root::Info {
        root::Info { budget: self.set.memory, left: self.left(), spare, kernel_frames: self.kernel_frames }
    }

    /// Bytes of the budget that are not used yet.
    pub fn left(&self) -> u64 {
        self.set.memory.saturating_sub(self.blocks.total())
    }
}

/// Whether a server of the set is started again when it dies.
pub fn is_restarted(set: &set::Server) -> bool {
    set.restart == Restart::Always
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
