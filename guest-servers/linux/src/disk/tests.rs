//! Bytes of a disk, and whose turn it is.

use super::drive::SECTOR;
use super::mock::MockDrive;
use super::{Disk, Request};
use crate::errno::{Errno, Result};
use crate::exec::{Executor, TaskId};
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Sectors of the disk, and bytes of the buffer: two pages, and a sector beside them.
const SECTORS: usize = 64;
const ROOM: usize = 2 * 4096 + SECTOR;

fn content() -> Vec<u8> {
    (0..SECTORS * SECTOR).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// A disk, and somebody who runs what waits for it.
struct Bench {
    drive: MockDrive,
    disk: Rc<Disk>,
    executor: Executor,
}

type Answer<T> = Rc<RefCell<Option<T>>>;

impl Bench {
    fn new() -> Self {
        Self::of(MockDrive::new(content(), ROOM))
    }

    fn of(drive: MockDrive) -> Self {
        let disk = Rc::new(Disk::new(Box::new(drive.clone())));
        Self { drive, disk, executor: Executor::new() }
    }

    /// Begins something that may wait for the disk.
    fn start<T: 'static>(&self, future: impl Future<Output = T> + 'static) -> (TaskId, Answer<T>) {
        let answer = Answer::default();
        let slot = answer.clone();
        let task = self.executor.spawn(async move { *slot.borrow_mut() = Some(future.await) }).unwrap();
        self.executor.run_ready();
        (task, answer)
    }

    /// The request under way ends.
    fn end(&self, done: bool) {
        assert!(self.drive.end(done), "nothing is under way");
        self.disk.ended(done);
        self.executor.run_ready();
    }

    fn end_all(&self) {
        while self.drive.is_busy() {
            self.end(true);
        }
    }

    fn start_read(&self, offset: u64, len: usize) -> (TaskId, Answer<Result<Vec<u8>>>) {
        let disk = self.disk.clone();
        self.start(async move {
            let mut bytes = vec![0; len];
            let n = disk.read(offset, &mut &mut bytes[..]).await?;
            bytes.truncate(n);
            Ok(bytes)
        })
    }

    fn start_write(&self, offset: u64, bytes: Vec<u8>) -> (TaskId, Answer<Result<usize>>) {
        let disk = self.disk.clone();
        self.start(async move { disk.write(offset, &mut &bytes[..]).await })
    }

    fn read(&self, offset: u64, len: usize) -> Result<Vec<u8>> {
        let (_, answer) = self.start_read(offset, len);
        self.end_all();
        answer.take().unwrap()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<usize> {
        let (_, answer) = self.start_write(offset, bytes.to_vec());
        self.end_all();
        answer.take().unwrap()
    }
}

/// Places at which something begins or ends, and their neighbours; and any.
fn place() -> impl Strategy<Value = usize> {
    let edges = prop::sample::select(vec![0, 512, 4096, 8192, 8704, 16384, SECTORS * SECTOR]);
    prop_oneof![
        (edges, 0..3usize).prop_map(|(edge, more)| (edge + more).saturating_sub(1)),
        0..SECTORS * SECTOR + 600
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_bytes_can_be_read_and_written(
        calls in prop::collection::vec((place(), place(), any::<Option<u8>>()), 1..8)
    ) {
        let bench = Bench::new();
        let mut expected = content();
        for (offset, len, written) in calls {
            let range = offset.min(expected.len())..(offset + len).min(expected.len());
            let Some(byte) = written else {
                prop_assert_eq!(bench.read(offset as u64, len), Ok(expected[range].to_vec()));
                continue;
            };
            let bytes: Vec<u8> = (0..len).map(|i| byte ^ i as u8).collect();
            let result = if len > 0 && range.is_empty() { Err(Errno::ENOSPC) } else { Ok(range.len()) };
            prop_assert_eq!(bench.write(offset as u64, &bytes), result);
            expected[range.clone()].copy_from_slice(&bytes[..range.len()]);
        }
        prop_assert_eq!(bench.drive.content(), expected);
    }
}

#[test]
fn whole_sectors_are_not_read_before_they_are_written() {
    let bench = Bench::new();
    assert_eq!(bench.write(512, &[1; 1024]), Ok(1024));
    assert_eq!(bench.drive.asked(), [Request::Write { sector: 1, at: 0, len: 1024 }]);
    assert_eq!(bench.write(600, &[2; 1000]), Ok(1000));
    let [beside, len] = [8192, 512];
    assert_eq!(
        bench.drive.asked(),
        [
            Request::Read { sector: 1, at: beside, len },
            Request::Read { sector: 3, at: beside, len },
            Request::Write { sector: 1, at: 0, len: 1536 },
        ]
    );
}

#[test]
fn beyond_the_end_there_is_nothing() {
    let bench = Bench::new();
    let size = bench.disk.size();
    assert_eq!(size, (SECTORS * SECTOR) as u64);
    for offset in [size, size + 1, i64::MAX as u64, u64::MAX] {
        assert_eq!(bench.read(offset, 10), Ok(vec![]));
        assert_eq!(bench.write(offset, b"x"), Err(Errno::ENOSPC));
        assert_eq!(bench.write(offset, b""), Ok(0));
    }
    assert_eq!(bench.write(size - 1, b"xy"), Ok(1));
    assert_eq!(bench.read(size - 1, 2), Ok(b"x".to_vec()));
}

#[test]
fn what_was_done_before_an_error_counts() {
    let bench = Bench::new();
    let (_, answer) = bench.start_read(0, 10000);
    bench.end(false);
    assert_eq!(answer.take(), Some(Err(Errno::EIO)));
    let (_, answer) = bench.start_read(0, 10000);
    bench.end(true);
    // More than was asked, and that alone.
    bench.end(false);
    bench.end(false);
    assert_eq!(answer.take(), Some(Ok(content()[..8192].to_vec())));
    let (_, answer) = bench.start_write(1, vec![0; 10]);
    bench.end(false);
    assert_eq!(answer.take(), Some(Err(Errno::EIO)));
    assert_eq!(bench.drive.content(), content(), "what cannot be kept is not written over");
}

#[test]
fn small_reads_in_order_take_few_requests() {
    let bench = Bench::new();
    for n in 0..32 {
        assert_eq!(bench.read(n * 512, 512), Ok(content()[n as usize * 512..][..512].to_vec()));
    }
    assert_eq!(bench.drive.asked().len(), 2, "16 KiB by a buffer of 8 KiB");
    for n in [60, 30, 20] {
        assert_eq!(bench.read(n * 512 + 1, 100), Ok(content()[n as usize * 512 + 1..][..100].to_vec()));
    }
    let read = |sector| Request::Read { sector, at: 0, len: 512 };
    assert_eq!(bench.drive.asked(), [read(60), read(30), read(20)], "others read what they are asked for");
}

#[test]
fn what_was_read_ahead_is_not_seen_after_a_write() {
    let bench = Bench::new();
    assert_eq!(bench.read(0, 512), Ok(content()[..512].to_vec()));
    assert_eq!(bench.write(600, b"new"), Ok(3));
    assert_eq!(bench.read(512, 512).unwrap()[88..91], *b"new");
    // And not when what was to hold it was given up.
    let (task, _) = bench.start_read(16384, 512);
    bench.executor.cancel(task);
    bench.end_all();
    assert_eq!(bench.read(16384, 512), Ok(content()[16384..16896].to_vec()));
}

#[test]
fn what_nobody_asked_for_makes_no_error() {
    let bench = Bench::new();
    let (_, answer) = bench.start_read(0, 512);
    bench.end(false);
    bench.end(true);
    assert_eq!(answer.take(), Some(Ok(content()[..512].to_vec())));
}

#[test]
fn one_that_cannot_be_written_to_says_so() {
    let bench = Bench::of(MockDrive::read_only(content(), ROOM));
    for (offset, bytes) in [(0, &b"x"[..]), (0, b""), (u64::MAX, b"x")] {
        assert_eq!(bench.write(offset, bytes), Err(Errno::EPERM));
    }
    assert_eq!(bench.read(0, 3), Ok(content()[..3].to_vec()));
    let disk = bench.disk.clone();
    assert_eq!(bench.start(async move { disk.flush().await }).1.take(), Some(Ok(())));
}

#[test]
fn a_long_request_keeps_nobody_from_the_disk() {
    let bench = Bench::new();
    let (_, long) = bench.start_read(0, 20000);
    let (_, short) = bench.start_read(100, 5);
    bench.end(true);
    bench.end(true);
    assert_eq!(short.take(), Some(Ok(content()[100..105].to_vec())), "behind one part of the other");
    assert_eq!(long.take(), None);
    bench.end_all();
    assert_eq!(long.take(), Some(Ok(content()[..20000].to_vec())));
}

#[test]
fn nobody_writes_between_reading_and_writing_of_a_sector() {
    let bench = Bench::new();
    let (_, one) = bench.start_write(0, vec![1; 100]);
    let (_, two) = bench.start_write(100, vec![2; 100]);
    bench.end_all();
    assert_eq!((one.take(), two.take()), (Some(Ok(100)), Some(Ok(100))));
    assert_eq!(bench.read(0, 201), Ok([vec![1; 100], vec![2; 100], content()[200..201].to_vec()].concat()));
}

#[test]
fn who_is_ended_leaves_the_line_and_not_the_buffer() {
    for ended in 0..3 {
        let bench = Bench::new();
        let tasks: Vec<_> = (0..3u64).map(|n| bench.start_read(n * 5000, 4000)).collect();
        assert_eq!(bench.drive.asked().len(), 1);
        bench.executor.cancel(tasks[ended].0);
        bench.executor.run_ready();
        assert_eq!(bench.drive.asked(), [], "what the driver has begun it ends");
        bench.end_all();
        for (n, (_, answer)) in tasks.iter().enumerate() {
            let expected = content()[n * 5000..][..4000].to_vec();
            assert_eq!(answer.take(), (n != ended).then_some(Ok(expected)));
        }
    }
}

#[test]
fn who_is_ended_when_the_answer_is_there_leaves_nothing_behind() {
    let bench = Bench::new();
    let (task, _) = bench.start_read(0, 10);
    let (_, other) = bench.start_read(10, 10);
    assert!(bench.drive.end(true));
    bench.disk.ended(true);
    bench.executor.cancel(task);
    bench.executor.run_ready();
    bench.end_all();
    assert_eq!(other.take(), Some(Ok(content()[10..20].to_vec())));
}

#[test]
fn an_answer_to_nothing_is_none() {
    let bench = Bench::new();
    bench.disk.ended(false);
    assert_eq!(bench.read(0, 4), Ok(content()[..4].to_vec()));
    bench.disk.ended(false);
    assert_eq!(bench.read(4, 4), Ok(content()[4..8].to_vec()));
}
