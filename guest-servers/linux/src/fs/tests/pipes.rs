//! Pipes and FIFOs.

use super::world::World;
use crate::errno::Errno;
use crate::fs::path::Base;
use crate::fs::pipe::{CAPACITY, PIPE_BUF, pipe};
use crate::fs::poll::{Events, TURN};
use crate::fs::{File, names, open};
use linux_raw_sys::general as raw;
use std::rc::Rc;

fn ends(w: &World) -> (Rc<File>, Rc<File>) {
    pipe(&w.ctx(), 0).unwrap()
}

fn ready(file: &File) -> Events {
    file.ops().poll(&mut |_| {})
}

#[test]
fn what_goes_in_comes_out() {
    let w = World::new();
    let (r, wr) = ends(&w);
    assert_eq!(w.read(&r, 10), Err(Errno::EAGAIN));
    w.write(&wr, b"hello ").unwrap();
    w.write(&wr, b"world").unwrap();
    assert_eq!(r.ops().readable_bytes(), Ok(11));
    assert_eq!(w.read(&r, 8).unwrap(), b"hello wo");
    assert_eq!(w.read(&r, 100).unwrap(), b"rld");
    assert_eq!(w.read_at(&r, 0, 1), Err(Errno::ESPIPE));
    assert_eq!(r.seek(0, raw::SEEK_SET), Err(Errno::ESPIPE));
    assert_eq!(w.write(&r, b"x"), Err(Errno::EBADF));
    drop(wr);
    assert_eq!(w.read(&r, 1).unwrap(), b"");
}

#[test]
fn an_idle_pipe_has_no_memory() {
    let w = World::new();
    let free = w.vfs.pool().free_frames();
    let (r, wr) = ends(&w);
    for i in 0..1000 {
        let message = vec![i as u8; 1 + i * 13 % 5000];
        assert_eq!(w.write(&wr, &message), Ok(message.len()));
        assert_eq!(w.read(&r, 6000).unwrap(), message);
        assert_eq!(w.vfs.pool().free_frames(), free);
    }
    w.write(&wr, b"left").unwrap();
    drop((r, wr));
    assert_eq!(w.vfs.pool().free_frames(), free);
    assert_eq!(w.vfs.open_files().open(), 0);
}

#[test]
fn capacity_and_atomic_writes() {
    let w = World::new();
    let (r, wr) = ends(&w);
    assert_eq!(w.write(&wr, &vec![1; CAPACITY + 10]), Ok(CAPACITY));
    assert_eq!(w.write(&wr, b"x"), Err(Errno::EAGAIN));
    assert_eq!(w.read(&r, 100).unwrap().len(), 100);
    // A small write goes in whole or not at all; a large one takes what room there is.
    assert_eq!(w.write(&wr, &[2; 101]), Err(Errno::EAGAIN));
    assert!(!ready(&wr).contains(Events::OUT));
    assert_eq!(w.write(&wr, &[2; PIPE_BUF + 1]), Ok(100));
    assert_eq!(w.read(&r, PIPE_BUF).unwrap(), [1; PIPE_BUF]);
    assert!(ready(&wr).contains(Events::OUT));
}

#[test]
fn a_long_stream_arrives_in_order() {
    let w = World::new();
    let (r, wr) = ends(&w);
    let (mut sent, mut got, mut seed) = (0u32, 0u32, 7u32);
    while got < 300_000 {
        seed = seed.wrapping_mul(1_103_515_245).wrapping_add(12345);
        let n = (seed >> 8) % 9000 + 1;
        let bytes: Vec<u8> = (sent..sent + n).map(|i| (i % 251) as u8).collect();
        sent += w.write(&wr, &bytes).unwrap_or(0) as u32;
        for byte in w.read(&r, (seed >> 12) as usize % 9000 + 1).unwrap_or_default() {
            assert_eq!(byte, (got % 251) as u8);
            got += 1;
        }
    }
}

#[test]
fn a_full_ring_begins_and_ends_in_one_page() {
    let w = World::new();
    let (r, wr) = ends(&w);
    let stream: Vec<u8> = (0..CAPACITY + 3000).map(|n| (n / 7 % 251) as u8).collect();
    w.write(&wr, &stream[..CAPACITY]).unwrap();
    let mut out = w.read(&r, 3000).unwrap();
    // The new bytes go where the first ones were, into a page that still has some of the old.
    assert_eq!(w.write(&wr, &stream[CAPACITY..]), Ok(3000));
    while out.len() < stream.len() {
        out.extend(w.read(&r, 1000).unwrap());
    }
    assert_eq!(out, stream);
}

#[test]
fn nobody_reads() {
    let w = World::new();
    let (r, wr) = ends(&w);
    assert_eq!(w.write(&wr, b""), Ok(0));
    drop(r);
    assert_eq!(w.write(&wr, b"x"), Err(Errno::EPIPE));
    assert_eq!(*w.user.signals.borrow(), [(0, raw::SIGPIPE)]);
    assert!(ready(&wr).contains(Events::ERR));
}

#[test]
fn readers_wait_for_writers_and_the_other_way_round() {
    let w = World::new();
    let (r, wr) = ends(&w);
    let user = w.user.clone();
    let reader = r.clone();
    let reading = w.start(async move {
        let mut bytes = [0; 8];
        reader.read(&*user, &mut &mut bytes[..], None).await.map(|n| bytes[..n].to_vec())
    });
    assert!(reading.is_pending());
    w.write(&wr, b"now").unwrap();
    w.run();
    assert_eq!(reading.take().unwrap(), b"now");

    let user = w.user.clone();
    let writing = w.start(async move { wr.write(&*user, &mut &vec![5; 3 * CAPACITY][..], None).await });
    assert!(writing.is_pending());
    let mut total = 0;
    while total < 3 * CAPACITY {
        total += w.read(&r, 10_000).unwrap().len();
        w.run();
    }
    assert_eq!(writing.take(), Ok(3 * CAPACITY));
    w.run();
    assert_eq!(w.read(&r, 1).unwrap(), b"");
}

#[test]
fn a_signal_ends_a_wait_and_what_was_written_counts() {
    let w = World::new();
    let (r, wr) = ends(&w);
    let user = w.user.clone();
    let reader = r.clone();
    let reading = w.start(async move { reader.read(&*user, &mut &mut [0; 8][..], None).await });
    w.user.interrupt.raise();
    w.run();
    assert_eq!(reading.take(), Err(Errno::ERESTARTSYS));
    w.user.interrupt.clear();
    let user = w.user.clone();
    let writing = w.start(async move { wr.write(&*user, &mut &vec![5; CAPACITY + 1][..], None).await });
    w.user.interrupt.raise();
    w.run();
    assert_eq!(writing.take(), Ok(CAPACITY));
    drop(r);
}

#[test]
fn who_waits_hears_that_the_other_end_is_closed() {
    let w = World::new();
    let (r, wr) = ends(&w);
    let user = w.user.clone();
    let reading = w.start(async move { r.read(&*user, &mut &mut [0; 8][..], None).await });
    drop(wr);
    w.run();
    assert_eq!(reading.take(), Ok(0));

    let (r, wr) = ends(&w);
    w.write(&wr, &vec![1; CAPACITY]).unwrap();
    let user = w.user.clone();
    let writing = w.start(async move { wr.write(&*user, &mut &b"x"[..], None).await });
    drop(r);
    w.run();
    assert_eq!(writing.take(), Err(Errno::EPIPE));
}

#[test]
fn nonblocking_files_do_not_wait() {
    let w = World::new();
    let (r, _wr) = pipe(&w.ctx(), raw::O_NONBLOCK).unwrap();
    let user = w.user.clone();
    let reading = w.start(async move { r.read(&*user, &mut &mut [0; 8][..], None).await });
    assert_eq!(reading.take(), Err(Errno::EAGAIN));
}

#[test]
fn memory_that_runs_out_ends_a_write() {
    let w = World::with_frames(4);
    let (r, wr) = ends(&w);
    assert_eq!(w.write(&wr, &vec![1; CAPACITY]), Ok(4 * 4096));
    assert_eq!(w.write(&wr, &vec![1; CAPACITY]), Err(Errno::ENOMEM));
    assert_eq!(w.read(&r, 5000).unwrap().len(), 5000);
}

fn fifo(w: &World) {
    let none = crate::fs::metadata::DeviceId::NONE;
    names::mknod(&w.ctx(), Base::Cwd, b"/fifo", raw::S_IFIFO | 0o666, none).unwrap();
}

#[test]
fn a_fifo_is_opened_by_both_or_by_none() {
    let w = World::new();
    fifo(&w);
    let world = w.clone();
    let opening =
        w.start(async move { open::open(&world.ctx(), Base::Cwd, b"/fifo", raw::O_RDONLY, 0).await });
    assert!(opening.is_pending());
    let world = w.clone();
    let writer =
        w.start(async move { open::open(&world.ctx(), Base::Cwd, b"/fifo", raw::O_WRONLY, 0).await });
    w.run();
    let (r, wr) = (opening.take().unwrap(), writer.take().unwrap());
    w.write(&wr, b"through").unwrap();
    assert_eq!(w.read(&r, 10).unwrap(), b"through");
    drop(wr);
    assert_eq!(w.read(&r, 10).unwrap(), b"");
    assert!(ready(&r).contains(Events::HUP));
}

#[test]
fn fifos_without_waiting() {
    let w = World::new();
    fifo(&w);
    assert_eq!(w.open("/fifo", raw::O_WRONLY | raw::O_NONBLOCK).err(), Some(Errno::ENXIO));
    let r = w.open("/fifo", raw::O_RDONLY | raw::O_NONBLOCK).unwrap();
    assert!(r.ops().is_open());
    // Nobody has written yet: that is an end of file, but no hang-up.
    assert_eq!(w.read(&r, 1).unwrap(), b"");
    assert_eq!(ready(&r), Events::empty());
    let both = w.open("/fifo", raw::O_RDWR).unwrap();
    assert!(both.ops().is_open());
    w.write(&both, b"self").unwrap();
    assert_eq!(w.read(&both, 9).unwrap(), b"self");
}

#[test]
fn an_interrupted_open_leaves_nothing() {
    let w = World::new();
    fifo(&w);
    let world = w.clone();
    let opening =
        w.start(async move { open::open(&world.ctx(), Base::Cwd, b"/fifo", raw::O_WRONLY, 0).await });
    w.user.interrupt.raise();
    w.run();
    assert_eq!(opening.take().err(), Some(Errno::ERESTARTSYS));
    assert_eq!(w.vfs.open_files().open(), 0);
}

#[test]
fn long_writes_take_turns_and_can_be_interrupted() {
    let w = World::new().with_dev();
    // A device that takes all at once, but is no file of its own: a stream that never makes its writer wait.
    let host = Rc::new(Endless);
    let stream = crate::tty::Stream::new(host);
    let slot = w.vfs.open_files().take().unwrap();
    let ops = stream.end(Some(crate::tty::Channel::Out));
    let file = File::new(w.find("/dev/null"), ops, raw::O_WRONLY, slot);
    let user = w.user.clone();
    let size = 3 * TURN + 1;
    let all = vec![1; size];
    let writer = file.clone();
    let writing = w.start(async move { writer.write(&*user, &mut &all[..], None).await });
    for turn in 1..=3 {
        assert!(writing.is_pending(), "{turn}");
        w.user.timers.advance(turn);
        w.run();
    }
    assert_eq!(writing.take(), Ok(size));
    let user = w.user.clone();
    let writing = w.start(async move { file.write(&*user, &mut &vec![1; size][..], None).await });
    w.user.interrupt.raise();
    w.run();
    assert_eq!(writing.take(), Ok(TURN));
}

/// A console that nobody looks at.
struct Endless;

impl crate::tty::ConsoleHost for Endless {
    fn write(&self, _channel: crate::tty::Channel, _bytes: &[u8]) {}
    fn signal_group(&self, _group: u32, _signal: u32) {}
    fn now(&self) -> u64 {
        0
    }
}
