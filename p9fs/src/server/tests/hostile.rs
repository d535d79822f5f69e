//! What no client of good faith sends.

use super::client::{Client, Message, ROOT};
use crate::server::Unframed;
use crate::wire::{LEAST_REPLY, kind};
use rustix::io::Errno;
use std::fs;

#[test]
fn what_has_no_header_is_not_answered() {
    let mut client = Client::new();
    let mut room = [0; 100];
    for length in 0..7 {
        let request = [7, 0, 0, 0, kind::TCLUNK, 0, 0];
        assert_eq!(client.server.answer(&request[..length], &mut room), Err(Unframed::Request(length)));
    }
}

#[test]
fn without_room_for_an_error_there_is_no_answer() {
    let mut client = Client::new();
    let request = Message::new(kind::TCLUNK).u32(99).bytes();
    for length in 0..LEAST_REPLY {
        let answer = client.server.answer(&request, &mut vec![0; length]);
        assert_eq!(answer, Err(Unframed::Reply(length)));
    }
    assert_eq!(client.server.answer(&request, &mut [0; LEAST_REPLY]), Ok(LEAST_REPLY));
}

#[test]
fn sizes_that_are_wrong() {
    let mut client = Client::new();
    let mut room = [0; 100];
    let good = Message::new(kind::TCLUNK).u32(ROOT).bytes();
    for size in [0u32, 3, 6, 7, 10, 12, 1 << 20, u32::MAX] {
        let mut request = good.clone();
        request[..4].copy_from_slice(&size.to_le_bytes());
        assert_eq!(client.server.answer(&request, &mut room), Ok(LEAST_REPLY));
        assert_eq!(room[4], kind::RLERROR, "{size}");
    }
    let mut request = good.clone();
    request.extend([1, 2, 3]);
    assert_eq!(client.server.answer(&request, &mut room), Ok(7), "what is behind the end does not count");
}

#[test]
fn lengths_that_are_wrong() {
    let mut client = Client::new();
    // Messages without strings have one length; fid 0xeeee_eeee is none.
    let exact = [
        (kind::TSTATFS, 4),
        (kind::TLOPEN, 8),
        (kind::TREADLINK, 4),
        (kind::TGETATTR, 12),
        (kind::TSETATTR, 60),
        (kind::TREADDIR, 16),
        (kind::TFSYNC, 8),
        (kind::TREAD, 16),
        (kind::TCLUNK, 4),
        (kind::TREMOVE, 4),
    ];
    for kind in 0..=255 {
        for length in 0..120 {
            let message = (0..length).fold(Message::new(kind), |message, _| message.u8(0xee));
            let expected = match exact.iter().find(|(exact, _)| *exact == kind) {
                Some((_, exact)) if *exact == length => Err(Errno::BADF),
                Some(_) => Err(Errno::INVAL),
                None if kind == kind::TFLUSH && length == 2 => Ok(vec![]),
                None => client.call(message.clone()).and(Err(Errno::IO)),
            };
            assert_ne!(expected, Err(Errno::IO), "{kind} {length}: not refused");
            assert_eq!(client.call(message), expected, "{kind} {length}");
        }
    }
}

#[test]
fn types_that_are_none() {
    let mut client = Client::new();
    for kind in [0, 6, 7, 9, 34, 99, 101, 106, 107, 112, 124, 126, 127, 128, 255] {
        assert_eq!(client.call(Message::new(kind).u64(0)), Err(Errno::OPNOTSUPP), "{kind}");
    }
}

#[test]
fn counts_that_are_wrong() {
    let mut client = Client::new();
    fs::write(client.path("f"), "content").unwrap();
    client.to(1, &["f"]).unwrap();
    client.open(1, 2).unwrap();
    let walk = |count: u16| Message::new(kind::TWALK).u32(ROOT).u32(5).u16(count);
    assert_eq!(client.call(walk(1)), Err(Errno::INVAL));
    assert_eq!(client.call(walk(u16::MAX)), Err(Errno::INVAL));
    let many = (0..17).fold(walk(17), |message, _| message.string(".."));
    assert_eq!(client.call(many), Err(Errno::INVAL), "more than 16 names");
    let write = |count: u32| Message::new(kind::TWRITE).u32(1).u64(0).u32(count).u8(b'x');
    for count in [0, 2, u32::MAX] {
        assert_eq!(client.call(write(count)), Err(Errno::INVAL));
    }
    client.call(write(1)).unwrap();
    assert_eq!(client.read(1, 0, u32::MAX).unwrap(), b"xontent");
}

#[test]
fn fids_that_are_none() {
    let mut client = Client::new();
    for kind in [8, 12, 22, 24, 26, 30, 40, 50, 110, 116, 120, 122] {
        let lengths = [4, 8, 12, 10, 16, 56, 8 + 2, 20];
        for length in lengths {
            let body = (4..length).fold(Message::new(kind).u32(777), |message, _| message.u8(0));
            assert!(matches!(client.call(body), Err(Errno::BADF | Errno::INVAL)), "{kind}");
        }
    }
}

#[test]
fn a_reply_that_does_not_fit_is_an_error() {
    let mut client = Client::new();
    let request = Message::new(kind::TGETATTR).u32(ROOT).u64(0).bytes();
    let mut room = [0; 100];
    assert_eq!(client.server.answer(&request, &mut room), Ok(LEAST_REPLY));
    assert_eq!(room[7..11], 90u32.to_le_bytes(), "EMSGSIZE");
    // A walk whose reply did not fit has made nothing.
    let request = Message::new(kind::TWALK).u32(ROOT).u32(5).u16(1).string("..").bytes();
    assert_eq!(client.server.answer(&request, &mut room[..20]), Ok(LEAST_REPLY));
    assert_eq!(client.clunk(5), Err(Errno::BADF));
}

#[test]
fn a_message_longer_than_agreed_is_refused() {
    let mut client = Client::new();
    client.version(4096).unwrap();
    client.attach(ROOT).unwrap();
    fs::write(client.path("f"), "").unwrap();
    client.to(1, &["f"]).unwrap();
    client.open(1, 2).unwrap();
    assert_eq!(client.write(1, 0, &[0; 4096 - 23]), Ok(4096 - 23));
    assert_eq!(client.write(1, 0, &[0; 4096 - 22]), Err(Errno::MSGSIZE));
    assert_eq!(client.read(1, 0, 8192).unwrap().len(), 4096 - 23);
    assert_eq!(client.read(1, 0, 4096).unwrap().len(), 4073);
}

#[test]
fn a_path_that_is_too_long_to_be_checked_is_not_entered() {
    let mut client = Client::new();
    let name = "x".repeat(255);
    client.walk(ROOT, 1, &[]).unwrap();
    let mut depth = 0;
    let error = loop {
        depth += 1;
        assert!(depth < 100, "no limit");
        if let Err(error) = client.mkdir(1, &name, 0o755) {
            break error;
        }
        if let Err(error) = client.walk(1, 1, &[&name]) {
            break error;
        }
    };
    assert_eq!(error, Errno::NAMETOOLONG);
    assert!(depth > 10);
}
