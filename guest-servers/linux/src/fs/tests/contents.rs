//! Regular files: what is written can be read.

use super::world::World;
use crate::buf::{Source, write_cells};
use crate::errno::{Errno, Result};
use crate::frames::FRAME_SIZE;
use crate::fs::metadata::Time;
use linux_raw_sys::general as raw;
use proptest::prelude::*;
use std::cell::Cell;

const CREATE: u32 = raw::O_CREAT | raw::O_RDWR;

#[derive(Clone, Debug)]
enum Op {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Punch(u64, u64),
    Read(u64, usize),
}

fn op() -> impl Strategy<Value = Op> {
    let place = 0..50_000u64;
    prop_oneof![
        (place.clone(), prop::collection::vec(any::<u8>(), 0..9000)).prop_map(|(at, b)| Op::Write(at, b)),
        place.clone().prop_map(Op::Truncate),
        (place.clone(), 1..9000u64).prop_map(|(at, n)| Op::Punch(at, n)),
        (place, 0..9000usize).prop_map(|(at, n)| Op::Read(at, n)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    /// A file behaves as a vector of bytes.
    #[test]
    fn a_file_is_a_vector(ops in prop::collection::vec(op(), 1..30)) {
        let w = World::new();
        let before = w.vfs.pool().free_frames();
        let file = w.open("/f", CREATE).unwrap();
        let mut model: Vec<u8> = Vec::new();
        for op in ops {
            match op {
                Op::Write(at, bytes) => {
                    prop_assert_eq!(w.write_at(&file, at, &bytes), Ok(bytes.len()));
                    let end = at as usize + bytes.len();
                    if !bytes.is_empty() {
                        model.resize(model.len().max(end), 0);
                        model[at as usize..end].copy_from_slice(&bytes);
                    }
                }
                Op::Truncate(size) => {
                    file.dentry().inode().truncate(size, Time::default()).unwrap();
                    model.resize(size as usize, 0);
                }
                Op::Punch(at, n) => {
                    file.ops().allocate(at..at + n, true).unwrap();
                    let end = (at + n).min(model.len() as u64) as usize;
                    if (at as usize) < end {
                        model[at as usize..end].fill(0);
                    }
                }
                Op::Read(at, n) => {
                    let start = (at as usize).min(model.len());
                    let end = (start + n).min(model.len());
                    prop_assert_eq!(w.read_at(&file, at, n).unwrap(), &model[start..end]);
                }
            }
            prop_assert_eq!(w.stat("/f").size, model.len() as u64);
        }
        prop_assert_eq!(w.get("/f"), model);
        drop(file);
        w.unlink("/f").unwrap();
        prop_assert_eq!(w.vfs.pool().free_frames(), before);
    }
}

#[test]
fn holes_take_no_memory() {
    let w = World::new();
    let file = w.open("/sparse", CREATE).unwrap();
    let free = w.vfs.pool().free_frames();
    let far = 1 << 40;
    assert_eq!(w.write_at(&file, far, b"end"), Ok(3));
    assert_eq!(w.vfs.pool().free_frames(), free - 1);
    let meta = w.stat("/sparse");
    assert_eq!((meta.size, meta.blocks), (far + 3, 8));
    assert_eq!(w.read_at(&file, far - 2, 10).unwrap(), b"\0\0end");
    assert_eq!(file.seek(0, raw::SEEK_DATA), Ok(far));
    assert_eq!(file.seek(0, raw::SEEK_HOLE), Ok(0));
    assert_eq!(file.seek(far as i64, raw::SEEK_HOLE), Ok(far + 3));
    assert_eq!(file.seek(far as i64 + 3, raw::SEEK_DATA), Err(Errno::ENXIO));
}

#[test]
fn the_largest_sizes() {
    let w = World::new();
    let file = w.open("/f", CREATE).unwrap();
    let max = i64::MAX as u64;
    assert_eq!(w.write_at(&file, max, b"x"), Err(Errno::EFBIG));
    assert_eq!(w.write_at(&file, max - 1, b"xyz"), Ok(1));
    assert_eq!(w.stat("/f").size, max);
    assert_eq!(w.read_at(&file, max, 5).unwrap(), b"");
    assert_eq!(w.read_at(&file, u64::MAX, 5).unwrap(), b"");
    assert_eq!(file.dentry().inode().truncate(max + 1, Time::default()), Err(Errno::EFBIG));
}

#[test]
fn a_full_file_system_says_so_and_leaves_programs_their_memory() {
    let w = World::with_frames(256);
    let file = w.open("/big", CREATE).unwrap();
    let block = vec![1; 64 * 1024];
    let mut written = 0;
    let error = loop {
        match w.write(&file, &block) {
            Ok(n) => written += n,
            Err(e) => break e,
        }
    };
    assert_eq!(error, Errno::ENOSPC);
    // Half of the frames, as Linux gives a tmpfs by default.
    assert_eq!(written, 128 * FRAME_SIZE);
    assert_eq!(w.vfs.pool().free_frames(), 128);
    assert_eq!(w.stat("/big").size as usize, written);
    let statfs = w.find("/").inode().statfs();
    assert_eq!((statfs.blocks, statfs.free_blocks), (128, 0));
    drop(file);
    w.unlink("/big").unwrap();
    assert_eq!(w.find("/").inode().statfs().free_blocks, 128);
}

#[test]
fn names_are_limited_too() {
    let w = World::with_frames(64);
    let made = (0..1000).take_while(|i| w.mkdir(&format!("/{i}")).is_ok()).count();
    // One inode for every second frame, of which the root is one.
    assert_eq!(made, 31);
    assert_eq!(w.mkdir("/x"), Err(Errno::ENOSPC));
    assert_eq!(w.symlink("x", "/x"), Err(Errno::ENOSPC));
    w.rmdir("/7").unwrap();
    w.put("/f", b"");
    assert_eq!(w.link("/f", "/g"), Err(Errno::ENOSPC));
    w.unlink("/f").unwrap();
    w.mkdir("/x").unwrap();
}

#[test]
fn large_files_are_contiguous() {
    let w = World::new();
    let file = w.open("/program", CREATE).unwrap();
    assert_eq!(w.write(&file, &vec![9; 200 * FRAME_SIZE + 5]), Ok(200 * FRAME_SIZE + 5));
    let inode = file.dentry().inode();
    let first = inode.page(0).unwrap().addr();
    assert_eq!(first % (256 * FRAME_SIZE as u64), 0);
    for i in 1..200 {
        assert_eq!(inode.page(i).unwrap().addr(), first + i * FRAME_SIZE as u64);
    }
    assert_eq!(inode.page(201).err(), Some(Errno::EFAULT));
}

#[test]
fn mapped_pages_are_the_file() {
    let w = World::new();
    w.put("/f", b"hello");
    let file = w.open("/f", raw::O_RDWR).unwrap();
    let page = file.dentry().inode().page(0).unwrap();
    page.write(0, b"J");
    assert_eq!(w.get("/f"), b"Jello");
    w.write(&file, b"C").unwrap();
    let mut seen = [0; 5];
    page.read(0, &mut seen);
    assert_eq!(&seen, b"Cello");
    // What lies behind the end is zero again after the file has shrunk and grown.
    page.write(0, b"Cello and more");
    let inode = file.dentry().inode();
    inode.truncate(2, Time::default()).unwrap();
    inode.truncate(8, Time::default()).unwrap();
    assert_eq!(w.get("/f"), b"Ce\0\0\0\0\0\0");
}

/// A program's buffer whose pages are not all there.
struct Faulty(usize);

impl Source for Faulty {
    fn remaining(&self) -> usize {
        1 << 20
    }
    fn take_cells(&mut self, dst: &[Cell<u8>]) -> Result<usize> {
        let n = dst.len().min(self.0);
        if n == 0 {
            return Err(Errno::EFAULT);
        }
        write_cells(&dst[..n], &vec![0xee; n]);
        self.0 -= n;
        Ok(n)
    }
}

#[test]
fn a_fault_in_the_middle_ends_a_write_there() {
    let w = World::new();
    // Frames that were used before, so that what is not written would show.
    w.put("/old", &[0x55; 8 * FRAME_SIZE]);
    w.unlink("/old").unwrap();
    let file = w.open("/f", CREATE).unwrap();
    let good = FRAME_SIZE + 100;
    assert_eq!(file.try_write(&*w.user, &mut Faulty(good), None), Ok(good));
    assert_eq!(w.get("/f"), vec![0xee; good]);
    file.dentry().inode().truncate(2 * FRAME_SIZE as u64, Time::default()).unwrap();
    assert!(w.get("/f")[good..].iter().all(|&b| b == 0));
    assert_eq!(file.try_write(&*w.user, &mut Faulty(0), None), Err(Errno::EFAULT));
    let free = w.find("/").inode().statfs().free_blocks;
    drop(file);
    w.unlink("/f").unwrap();
    assert_eq!(w.find("/").inode().statfs().free_blocks, free + 2);
}

#[test]
fn appending_goes_to_the_end() {
    let w = World::new();
    w.put("/log", b"one\n");
    let a = w.open("/log", raw::O_WRONLY | raw::O_APPEND).unwrap();
    let b = w.open("/log", raw::O_WRONLY | raw::O_APPEND).unwrap();
    w.write(&a, b"two\n").unwrap();
    w.write(&b, b"three\n").unwrap();
    w.write(&a, b"four\n").unwrap();
    assert_eq!(w.text("/log"), "one\ntwo\nthree\nfour\n");
    assert_eq!(a.offset(), 19);
}

#[test]
fn the_size_limit_of_a_process() {
    let w = World::new();
    w.user.size_limit.set(10);
    let file = w.open("/f", CREATE).unwrap();
    assert_eq!(w.write(&file, b"0123456789abc"), Ok(10));
    assert_eq!(w.write(&file, b"x"), Err(Errno::EFBIG));
    assert_eq!(*w.user.signals.borrow(), [(0, raw::SIGXFSZ)]);
}

#[test]
fn times_change_when_they_should() {
    let w = World::new();
    let file = w.open("/f", CREATE).unwrap();
    w.user.seconds.set(2000);
    w.write(&file, b"x").unwrap();
    let meta = w.stat("/f");
    assert_eq!((meta.accessed.seconds, meta.modified.seconds, meta.changed.seconds), (1000, 2000, 2000));
    w.user.seconds.set(3000);
    w.get("/f");
    assert_eq!(w.stat("/f").accessed.seconds, 3000);
    w.user.seconds.set(4000);
    w.get("/f");
    // Read since it was changed: that is all that relatime remembers, for a day.
    assert_eq!(w.stat("/f").accessed.seconds, 3000);
    w.user.seconds.set(3000 + 86_400);
    w.get("/f");
    assert_eq!(w.stat("/f").accessed.seconds, 3000 + 86_400);
    assert_eq!(w.stat("/f").created.seconds, 1000);
    w.link("/f", "/g").unwrap();
    assert_eq!(w.stat("/f").changed.seconds, 3000 + 86_400);
    assert_eq!(w.stat("/f").modified.seconds, 2000);
}

#[test]
fn seeking() {
    let w = World::new();
    w.put("/f", b"0123456789");
    let file = w.open("/f", raw::O_RDONLY).unwrap();
    assert_eq!(file.seek(-3, raw::SEEK_END), Ok(7));
    assert_eq!(w.read(&file, 5).unwrap(), b"789");
    assert_eq!(file.seek(-4, raw::SEEK_CUR), Ok(6));
    assert_eq!(file.seek(-7, raw::SEEK_CUR), Err(Errno::EINVAL));
    assert_eq!(file.seek(i64::MAX, raw::SEEK_CUR), Err(Errno::EOVERFLOW));
    assert_eq!(file.seek(0, 9), Err(Errno::EINVAL));
    assert_eq!(file.offset(), 6);
}
