//! What a device does for every request it does without allocating memory: allocators are slow where threads share them, and may go to the kernel for
//! each list of a few thousand bytes and give it back at once.

use devices::virtio::block::{Backend, Block, Disk, Finished, Operation};
use devices::virtio::mock::{DATA, Driver};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::VecDeque;

/// The system's allocator, which counts.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: both calls are passed on as they come to an allocator that keeps the rules; the others are made of these two.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: our caller keeps to what `alloc` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: our caller keeps to what `dealloc` asks for, and the memory came from `alloc` above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `job` allocates memory, or makes some larger.
fn allocations(job: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    job();
    ALLOCATIONS.get() - before
}

/// A disk that has always done everything.
struct Prompt {
    disk: Disk,
    done: VecDeque<u16>,
}

impl Backend for Prompt {
    fn disk(&self) -> &Disk {
        &self.disk
    }
    fn submit(&mut self, slot: u16, _: &Operation) {
        self.done.push_back(slot);
    }
    fn start(&mut self) {}
    fn finished(&mut self) -> Option<Finished> {
        self.done.pop_front().map(|slot| Finished { slot, result: Ok(()) })
    }
    fn drain(&mut self) {}
}

const HEADER: (u64, u32) = (DATA, 16);
const STATUS: (u64, u32) = (DATA + 16, 1);

#[test]
fn a_disk_reads_writes_and_flushes_without_allocating_memory() {
    let disk = Disk { size: 1 << 30, read_only: false, block: 512, physical_block: 512, serial: Vec::new() };
    let backend = Prompt { disk, done: VecDeque::new() };
    let mut driver = Driver::ready(Box::new(Block::new(backend)), u64::MAX);
    // As many as Linux has in a megabyte of pages that lie anywhere.
    let pages: Vec<_> = (0..253).map(|page| (DATA + 0x1000 + 0x1000 * page, 0x1000)).collect();
    let (read, write, flush) = (0u32, 1u32, 4u32);
    for round in 0..4 {
        for (kind, data) in
            [(read, &pages[..]), (write, &pages), (read, &pages[..1]), (write, &pages[..1]), (flush, &[])]
        {
            driver.store(HEADER.0, &kind.to_le_bytes());
            driver.store(STATUS.0, &[0xee]);
            let (readable, writable) = if kind == read { (&[][..], data) } else { (data, &[][..]) };
            driver.put(0, &[&[HEADER], readable].concat(), &[writable, &[STATUS]].concat());
            let mmio = driver.mmio.clone();
            let count = allocations(|| assert!(!mmio.doorbell(0)));
            let len: u32 = data.iter().map(|page| page.1).sum();
            assert_eq!(driver.load(STATUS.0, 1), [0], "{kind}");
            assert_eq!(driver.take(0).map(|answer| answer.1), Some(if kind == read { len + 1 } else { 1 }));
            // Its lists grow when they are first used.
            assert!(round == 0 || count == 0, "round {round}, kind {kind}, {} buffers: {count}", data.len());
        }
    }
    assert_eq!(allocations(|| drop(vec![0; 100])), 1, "they are counted");
}
