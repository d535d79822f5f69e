//! Version, attach, walk, clunk, flush.

use super::client::{Client, Message, ROOT};
use crate::server::{LARGEST_MESSAGE, SMALLEST_MESSAGE};
use crate::wire::{NO_FID, kind, qid};
use rustix::io::Errno;
use std::os::unix::fs::MetadataExt;

#[test]
fn the_size_of_messages_is_agreed_upon() {
    let mut client = Client::new();
    for (asked, given) in
        [(SMALLEST_MESSAGE, SMALLEST_MESSAGE), (512_000, 512_000), (u32::MAX, LARGEST_MESSAGE)]
    {
        assert_eq!(client.version(asked), Ok((given, b"9P2000.L".to_vec())));
    }
    assert_eq!(client.version(SMALLEST_MESSAGE - 1), Err(Errno::MSGSIZE));
    assert_eq!(client.version(0), Err(Errno::MSGSIZE));
}

#[test]
fn other_dialects_are_not_spoken() {
    let mut client = Client::new();
    for dialect in ["9P2000", "9P2000.u", "9P2000.Lx", "", "unknown"] {
        let reply = client.call(Message::new(kind::TVERSION).u32(8192).string(dialect)).unwrap();
        assert_eq!(reply[4..], *b"\x07\0unknown", "{dialect}");
    }
}

#[test]
fn a_version_lets_all_fids_go() {
    let mut client = Client::new();
    client.version(8192).unwrap();
    assert_eq!(client.getattr(ROOT), Err(Errno::BADF));
    client.attach(ROOT).unwrap();
    client.getattr(ROOT).unwrap();
    client.server.reset();
    assert_eq!(client.getattr(ROOT), Err(Errno::BADF));
}

#[test]
fn attach_gives_the_folder() {
    let mut client = Client::new();
    let given = client.attach(7).unwrap();
    assert_eq!(given.kind, qid::DIRECTORY);
    assert_eq!(given.path, client.path("").metadata().unwrap().ino());
    assert_eq!(client.attach(7), Err(Errno::BADF), "the fid is in use");
    assert_eq!(client.attach(NO_FID), Err(Errno::BADF));
    let attach =
        |auth: u32, name: &str| Message::new(kind::TATTACH).u32(9).u32(auth).string("u").string(name).u32(0);
    assert_eq!(client.call(attach(NO_FID, "/etc")), Err(Errno::NOENT));
    assert_eq!(client.call(attach(3, "")), Err(Errno::BADF));
    assert!(client.call(attach(NO_FID, "/")).is_ok());
}

#[test]
fn there_is_no_authentication() {
    let message = Message::new(kind::TAUTH).u32(1).string("root").string("").u32(0);
    assert_eq!(Client::new().call(message), Err(Errno::OPNOTSUPP));
}

#[test]
fn a_flush_is_answered() {
    assert_eq!(Client::new().call(Message::new(kind::TFLUSH).u16(3)), Ok(vec![]));
}

#[test]
fn a_walk_goes_as_far_as_it_can() {
    let mut client = Client::new();
    std::fs::create_dir_all(client.path("a/b")).unwrap();
    std::fs::write(client.path("a/b/f"), "").unwrap();

    let qids = client.walk(ROOT, 1, &["a", "b", "f"]).unwrap();
    assert_eq!(qids.iter().map(|qid| qid.kind).collect::<Vec<_>>(), [0x80, 0x80, 0]);
    assert_eq!(client.getattr(1).unwrap().qid, qids[2]);

    assert_eq!(client.walk(ROOT, 2, &["a", "x", "f"]).unwrap().len(), 1);
    assert_eq!(client.getattr(2), Err(Errno::BADF), "only a whole walk makes a fid");
    assert_eq!(client.walk(ROOT, 2, &["x", "b"]), Err(Errno::NOENT));
    assert_eq!(client.walk(1, 2, &["x"]), Err(Errno::NOTDIR));
}

#[test]
fn a_walk_of_no_names_is_a_copy() {
    let mut client = Client::new();
    std::fs::write(client.path("f"), "").unwrap();
    client.to(1, &["f"]).unwrap();
    assert_eq!(client.walk(1, 2, &[]), Ok(vec![]));
    client.clunk(1).unwrap();
    assert_eq!(client.getattr(2).unwrap().size, 0);
    assert_eq!(client.walk(2, 2, &[]), Ok(vec![]));
}

#[test]
fn a_walk_may_replace_its_own_fid() {
    let mut client = Client::new();
    std::fs::create_dir(client.path("a")).unwrap();
    client.walk(ROOT, 1, &[]).unwrap();
    let there = client.walk(1, 1, &["a"]).unwrap()[0];
    assert_eq!(client.getattr(1).unwrap().qid, there);
    assert_eq!(client.walk(1, 1, &["x"]), Err(Errno::NOENT));
    assert_eq!(client.getattr(1).unwrap().qid, there, "a walk that fails changes nothing");
    client.open(1, 0).unwrap();
    assert_eq!(client.walk(1, 1, &[".."]), Err(Errno::BUSY), "it is open");
}

#[test]
fn numbers_of_fids_are_checked() {
    let mut client = Client::new();
    assert_eq!(client.walk(5, 6, &[]), Err(Errno::BADF));
    assert_eq!(client.walk(ROOT, NO_FID, &[]), Err(Errno::BADF));
    client.walk(ROOT, 6, &[]).unwrap();
    assert_eq!(client.walk(ROOT, 6, &[]), Err(Errno::BADF));
    client.clunk(6).unwrap();
    assert_eq!(client.clunk(6), Err(Errno::BADF));
}

#[test]
fn there_are_only_so_many_fids() {
    let mut client = Client::new();
    let mut made = 0;
    while client.walk(ROOT, 100 + made, &[]).is_ok() {
        made += 1;
    }
    assert_eq!(made, 63, "64 in all");
    assert_eq!(client.walk(ROOT, 500, &[]), Err(Errno::MFILE));
    assert_eq!(client.attach(500), Err(Errno::MFILE));
    client.clunk(100).unwrap();
    client.walk(ROOT, 500, &[]).unwrap();
}
