//! Memory that this server and its children have in common, at the same address in all of them, and what they get on page faults.

use core::cell::UnsafeCell;
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use pipe::Ring;
use proto::kernel::PageFault;
use proto::place;
use ukernel_abi::layout::PAGE;
use userlib::arena::{Arena, Source};
use userlib::{Fpage, MapItem, Me, Rights};

/// Pages that are protected, mapped and taken back; as many as in the suite of Linux programs.
pub const PAGES: usize = 128;
/// Bytes that are moved at once.
pub const BLOCK: usize = 64 << 10;
/// Most rounds of a metric, those for warming up included.
pub const ROUNDS: usize = 1024;
/// Stacks of children.
pub const STACKS: usize = 2;
const STACK: usize = 16 << 10;
/// One block of root's: 2^21 bytes, aligned to that.
const LOG2: u32 = 21;

/// A page that anybody may write to.
#[repr(C, align(4096))]
pub struct Page([AtomicU64; PAGE as usize / 8]);

impl Page {
    pub fn write(&self) {
        self.0[0].store(1, Relaxed);
    }

    pub fn address(&self) -> u64 {
        (&raw const *self).expose_provenance() as u64
    }
}

#[repr(C, align(4096))]
struct Stack(UnsafeCell<[u8; STACK]>);

/// All of it. Zeros, when it comes from root, are a value of each field.
#[repr(C, align(4096))]
pub struct Shared {
    /// First, because 512 KiB at once have to be aligned to that.
    pub pages: [Page; PAGES],
    /// Between the client and its partner, there and back.
    pub pipes: [Ring; 2],
    /// What is sent, and where it is received.
    pub source: Block,
    pub target: Block,
    stacks: [Stack; STACKS],
    /// Ticks of each round.
    pub readings: [AtomicU64; ROUNDS],
    /// How many rounds there are to be.
    pub rounds: AtomicU64,
    /// When the pager heard of a page fault.
    pub trapped: AtomicU64,
}

const _: () = assert!(size_of::<Shared>() <= 1 << LOG2);

// SAFETY: stacks are used by the child that has been given them, and not as Rust objects of anybody else; all else can be shared by itself.
unsafe impl Sync for Shared {}

/// Bytes that the kernel or one task at a time accesses.
#[repr(C, align(65536))]
pub struct Block(UnsafeCell<[u8; BLOCK]>);

impl Block {
    pub fn address(&self) -> u64 {
        self.0.get().expose_provenance() as u64
    }

    /// # Safety
    ///
    /// Nobody else accesses it while the slice is in use, in any task.
    #[expect(clippy::mut_from_ref, reason = "what the caller promises is what a mutable reference would")]
    pub unsafe fn bytes(&self) -> &mut [u8] {
        // SAFETY: the caller's promise.
        unsafe { &mut *self.0.get() }
    }
}

impl Shared {
    /// Asks root for the memory. Once: it is never given back.
    pub fn make(me: Me) -> Option<&'static Self> {
        let arena = Arena::reserve(1 << LOG2, Source::Budget)?;
        arena.grow(me.utcb, LOG2).ok()?;
        // SAFETY: the block is mapped for ever, aligned to its size, zeros at first, and large enough; nobody else has been told of it. All fields may be changed while
        // references to them exist.
        Some(unsafe { &*ptr::with_exposed_provenance(arena.base() as usize) })
    }

    /// Reading of a round that has not been made.
    pub const NOT_MADE: u64 = u64::MAX;

    /// Makes all as it was at first, for the next metric. No child must be left.
    pub fn reset(&self, rounds: usize) {
        self.pipes.iter().for_each(Ring::reset);
        self.readings.iter().for_each(|reading| reading.store(Self::NOT_MADE, Relaxed));
        self.rounds.store(rounds as u64, Relaxed);
    }

    /// The end of a stack; 0 if there is none of this number.
    pub fn stack(&self, number: usize) -> u64 {
        // What a function finds at its beginning: the return address, and before it a multiple of 16.
        self.stacks.get(number).map_or(0, |stack| (stack.0.get().expose_provenance() + STACK - 8) as u64)
    }

    fn address(&self) -> u64 {
        (&raw const *self).expose_provenance() as u64
    }

    /// What a child gets that cannot go on without: this memory, and this server's code and constants.
    pub fn item(&self, fault: &PageFault) -> Option<MapItem> {
        let base = fault.address & !(PAGE - 1);
        let item = |rights| Some(MapItem::map(Fpage::memory(base, 12, rights), base));
        if (self.address()..self.address() + size_of::<Self>() as u64).contains(&base) {
            item(Rights::RW)
        } else if (place::IMAGE..place::IMAGE_END).contains(&base) && fault.access != Rights::W {
            // SAFETY: a child runs code of this image, and reads what that code reads: it is in this task, too, if not in its memory yet.
            unsafe { ptr::with_exposed_provenance::<u8>(base as usize).read_volatile() };
            item(Rights::RX)
        } else {
            None
        }
    }
}
