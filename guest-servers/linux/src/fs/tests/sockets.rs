//! Pairs of sockets.

use super::world::World;
use crate::errno::Errno;
use crate::fs::pipe::CAPACITY;
use crate::fs::poll::Events;
use crate::fs::socket::{Kind, pair};
use crate::fs::{File, FileKind};

fn ready(file: &File) -> Events {
    file.ops().poll(&mut |_| {})
}

#[test]
fn both_directions_are_streams_of_their_own() {
    let w = World::new();
    let (a, b) = pair(&w.ctx(), Kind::Stream, 0).unwrap();
    assert_eq!(w.read(&a, 10), Err(Errno::EAGAIN));
    w.write(&a, b"to b, ").unwrap();
    w.write(&a, b"again").unwrap();
    w.write(&b, b"to a").unwrap();
    assert_eq!(w.read(&a, 10).unwrap(), b"to a");
    assert_eq!(w.read(&b, 8).unwrap(), b"to b, ag");
    assert_eq!(b.ops().readable_bytes(), Ok(3));
    assert_eq!(a.kind(), FileKind::Socket);
    assert_eq!(w.read_at(&a, 0, 1), Err(Errno::ESPIPE));
}

#[test]
fn messages_stay_apart() {
    let w = World::new();
    let (a, b) = pair(&w.ctx(), Kind::Messages, 0).unwrap();
    let long: Vec<u8> = (0..10_000u32).map(|i| i as u8).collect();
    for message in [&b"one"[..], &long, b"three", b"four"] {
        assert_eq!(w.write(&a, message), Ok(message.len()));
    }
    assert_eq!(b.ops().readable_bytes(), Ok(3));
    assert_eq!(w.read(&b, 100).unwrap(), b"one");
    // What there is no room for is lost.
    assert_eq!(w.read(&b, 5000).unwrap(), long[..5000]);
    assert_eq!(w.read(&b, 2).unwrap(), b"th");
    assert_eq!(w.read(&b, 100).unwrap(), b"four");
    assert_eq!(w.read(&b, 100), Err(Errno::EAGAIN));
}

#[test]
fn messages_go_in_whole_or_not_at_all() {
    let w = World::new();
    let (a, b) = pair(&w.ctx(), Kind::Messages, 0).unwrap();
    assert_eq!(w.write(&a, &vec![1; CAPACITY + 1]), Err(Errno::EMSGSIZE));
    assert_eq!(w.write(&a, &vec![1; CAPACITY - 10]), Ok(CAPACITY - 10));
    assert_eq!(w.write(&a, &[2; 11]), Err(Errno::EAGAIN));
    assert_eq!(w.read(&b, 1).unwrap(), [1]);
    // However small they are, there is an end to them.
    let sent = (0..CAPACITY).take_while(|_| w.write(&a, b"x").is_ok()).count();
    assert!((100..1000).contains(&sent), "{sent}");
    assert!(!ready(&a).contains(Events::OUT));
    assert_eq!(w.read(&b, 1).unwrap(), b"x");
    assert!(ready(&a).contains(Events::OUT));
}

#[test]
fn the_end_of_one_is_seen_by_the_other() {
    let w = World::new();
    for kind in [Kind::Stream, Kind::Messages] {
        let free = w.vfs.pool().free_frames();
        let (a, b) = pair(&w.ctx(), kind, 0).unwrap();
        assert_eq!(ready(&b), Events::WRITABLE);
        w.write(&a, b"last").unwrap();
        assert!(ready(&b).contains(Events::IN));
        drop(a);
        assert!(ready(&b).contains(Events::IN | Events::HUP | Events::RDHUP));
        assert!(!ready(&b).contains(Events::ERR));
        assert_eq!(w.read(&b, 10).unwrap(), b"last");
        assert_eq!(w.read(&b, 10).unwrap(), b"");
        assert_eq!(w.write(&b, b"x"), Err(Errno::EPIPE));
        drop(b);
        assert_eq!((w.vfs.pool().free_frames(), w.vfs.open_files().open()), (free, 0));
    }
}
