use super::*;

/// Memory for tests: it is all there from the start, and given out in steps.
pub(crate) struct TestMemory {
    cells: Vec<Cell<u8>>,
    size: Cell<usize>,
    step: usize,
}

impl TestMemory {
    /// `limit` frames, of which `step` are there at first, and `step` more after each `grow`.
    pub(crate) fn new(limit: usize, step: usize) -> Self {
        let step = step * FRAME_SIZE;
        let limit = limit * FRAME_SIZE;
        Self { cells: vec![Cell::new(0); limit], size: Cell::new(step.min(limit)), step }
    }
}

impl FrameMemory for TestMemory {
    fn size(&self) -> usize {
        self.size.get()
    }
    fn limit(&self) -> usize {
        self.cells.len()
    }
    fn grow(&self) -> bool {
        let size = (self.size.get() + self.step).min(self.cells.len());
        size > self.size.replace(size)
    }
    fn base(&self) -> u64 {
        0x1_0000_0000
    }
    fn cells(&self, offset: usize, len: usize) -> &[Cell<u8>] {
        assert!(offset + len <= self.size.get(), "beyond the memory that there is");
        &self.cells[offset..offset + len]
    }
}

/// A pool of `frames` frames.
pub(crate) fn pool(frames: usize) -> FramePool {
    FramePool::new(Box::new(TestMemory::new(frames, frames)))
}

#[test]
fn a_frame_is_freed_with_its_last_handle() {
    let pool = pool(4);
    let a = pool.alloc_zeroed().unwrap();
    let b = a.clone();
    assert_eq!((a.refs(), pool.free_frames()), (2, 3));
    assert!(a.is(&b));
    drop(a);
    assert_eq!((b.refs(), pool.free_frames()), (1, 3));
    drop(b);
    assert_eq!(pool.free_frames(), 4);
}

#[test]
fn used_frames_are_cleared_before_they_are_used_again() {
    let pool = pool(1);
    let frame = pool.alloc_zeroed().unwrap();
    frame.fill(0, FRAME_SIZE, 0xaa);
    drop(frame);
    let mut bytes = [1; FRAME_SIZE];
    pool.alloc_zeroed().unwrap().read(0, &mut bytes);
    assert!(bytes.iter().all(|&b| b == 0));
}

#[test]
fn the_reserve_is_kept() {
    let pool = pool(8);
    pool.set_reserve(3);
    let held: Vec<Frame> = core::iter::from_fn(|| pool.alloc_zeroed().ok()).collect();
    assert_eq!((held.len(), pool.free_frames()), (5, 0));
    assert_eq!(pool.alloc_zeroed().err(), Some(Errno::ENOMEM));
    assert_eq!(pool.alloc_run(1, FRAME_SIZE).err(), Some(Errno::ENOMEM));
    let reserved: Vec<Frame> = core::iter::from_fn(|| pool.alloc_reserved().ok()).collect();
    assert_eq!(reserved.len(), 3);
}

#[test]
fn memory_is_asked_for_only_when_it_is_needed() {
    let pool = FramePool::new(Box::new(TestMemory::new(100, 10)));
    assert_eq!((pool.grown(), pool.total(), pool.free_frames()), (10, 100, 100));
    let held: Vec<Frame> = (0..15).map(|_| pool.alloc_zeroed().unwrap()).collect();
    assert_eq!((pool.grown(), pool.free_frames()), (20, 85));
    let rest: Vec<Frame> = core::iter::from_fn(|| pool.alloc_zeroed().ok()).collect();
    assert_eq!((held.len() + rest.len(), pool.grown()), (100, 100));
}

#[test]
fn runs_are_contiguous_and_aligned() {
    let pool = FramePool::new(Box::new(TestMemory::new(4 * SUPERPAGE_FRAMES, SUPERPAGE_FRAMES)));
    let single = pool.alloc_zeroed().unwrap();
    let run = pool.alloc_run(SUPERPAGE_FRAMES, 2 << 20).unwrap();
    assert_eq!(run[0].addr() % (2 << 20), 0);
    assert!(run.windows(2).all(|w| w[1].addr() == w[0].addr() + FRAME_SIZE as u64));
    assert!(run.iter().all(|f| !f.is(&single)));

    let long = pool.alloc_run(SUPERPAGE_FRAMES + 3, FRAME_SIZE).unwrap();
    assert!(long.windows(2).all(|w| w[1].addr() == w[0].addr() + FRAME_SIZE as u64));
    assert_eq!(pool.alloc_run(2 * SUPERPAGE_FRAMES, FRAME_SIZE).err(), Some(Errno::ENOMEM));
    drop(run);
    // The freed block is whole again.
    assert_eq!(pool.alloc_run(SUPERPAGE_FRAMES, 2 << 20).unwrap().len(), SUPERPAGE_FRAMES);
    assert_eq!(pool.alloc_run(1, 3 * FRAME_SIZE).err(), Some(Errno::EINVAL));
    assert_eq!(pool.alloc_run(0, FRAME_SIZE).unwrap().len(), 0);
}

#[test]
fn an_absurd_run_takes_nothing() {
    let pool = FramePool::new(Box::new(TestMemory::new(100, 10)));
    assert_eq!(pool.alloc_run(usize::MAX / 2, FRAME_SIZE).err(), Some(Errno::ENOMEM));
    assert_eq!(pool.grown(), 10);
}

#[test]
fn single_frames_leave_whole_blocks_alone() {
    let pool = pool(3 * SUPERPAGE_FRAMES);
    let mut held: Vec<Frame> = (0..SUPERPAGE_FRAMES + 1).map(|_| pool.alloc_zeroed().unwrap()).collect();
    // Holes in the first block are filled before a third block is broken into.
    held.drain(10..200);
    let mut again: Vec<Frame> = (0..SUPERPAGE_FRAMES - 1).map(|_| pool.alloc_zeroed().unwrap()).collect();
    again.extend((0..190).map(|_| pool.alloc_zeroed().unwrap()));
    assert_eq!(pool.alloc_run(SUPERPAGE_FRAMES, 2 << 20).unwrap().len(), SUPERPAGE_FRAMES);
}

#[test]
fn any_order_of_allocation_and_freeing_hands_no_frame_out_twice() {
    let pool = FramePool::new(Box::new(TestMemory::new(1500, 100)));
    let mut held: Vec<Frame> = Vec::new();
    let mut seed = 1u32;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let pick = (seed >> 8) as usize;
        match pick % 4 {
            0 => held.extend(pool.alloc_zeroed()),
            1 => held
                .extend(pool.alloc_run(pick / 4 % 70, FRAME_SIZE << (pick / 512 % 5)).into_iter().flatten()),
            _ => drop((0..pick / 4 % 40).filter_map(|_| held.pop()).collect::<Vec<_>>()),
        }
        if pick.is_multiple_of(7) && !held.is_empty() {
            let at = pick % held.len();
            held.swap_remove(at);
        }
    }
    let mut addresses: Vec<u64> = held.iter().map(Frame::addr).collect();
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), held.len());
    assert!(held.iter().all(|f| f.refs() == 1));
    drop(held);
    assert_eq!(pool.free_frames(), 1500);
}
