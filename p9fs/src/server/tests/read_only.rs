//! A share that is read-only.

use super::client::{Client, Message, ROOT};
use crate::wire::flags::open;
use crate::wire::kind;
use rustix::io::Errno;
use std::fs;

#[test]
fn everything_can_be_read() {
    let mut client = Client::read_only();
    fs::create_dir(client.path("d")).unwrap();
    fs::write(client.path("d/f"), "content").unwrap();
    client.to(1, &["d", "f"]).unwrap();
    client.open(1, open::READ).unwrap();
    assert_eq!(client.read(1, 0, 100).unwrap(), b"content");
    client.call(Message::new(kind::TFSYNC).u32(1).u32(0)).unwrap();
    client.to(2, &["d"]).unwrap();
    client.open(2, open::READ | open::DIRECTORY).unwrap();
    assert_eq!(client.list(2, 1000).unwrap().len(), 3);
    client.getattr(2).unwrap();
}

#[test]
fn nothing_can_be_changed() {
    let mut client = Client::read_only();
    fs::write(client.path("f"), "content").unwrap();
    let before = fs::metadata(client.path("f")).unwrap();
    client.to(1, &["f"]).unwrap();
    for flags in [open::WRITE, open::READ_WRITE, open::TRUNCATE, open::WRITE | open::APPEND] {
        assert_eq!(client.open(1, flags), Err(Errno::ROFS), "{flags:o}");
    }
    let named = |kind: u8, name: &str| Message::new(kind).u32(ROOT).string(name);
    let setattr = |valid: u32| {
        let message = Message::new(kind::TSETATTR).u32(1).u32(valid).u32(0o777).u32(0).u32(0);
        message.u64(0).u64(0).u64(0).u64(0).u64(0)
    };
    let mut changes = vec![
        named(kind::TLCREATE, "new").u32(open::READ | 0o100).u32(0o644).u32(0),
        named(kind::TLCREATE, "f").u32(open::READ | 0o100).u32(0o644).u32(0),
        named(kind::TSYMLINK, "new").string("f").u32(0),
        named(kind::TMKNOD, "new").u32(0o100644).u64(0).u32(0),
        named(kind::TMKNOD, "new").u32(0o10644).u64(0).u32(0),
        named(kind::TMKDIR, "new").u32(0o755).u32(0),
        named(kind::TUNLINKAT, "f").u32(0),
        named(kind::TRENAMEAT, "f").u32(ROOT).string("g"),
        Message::new(kind::TRENAME).u32(1).u32(ROOT).string("g"),
        Message::new(kind::TLINK).u32(ROOT).u32(1).string("g"),
        Message::new(kind::TXATTRCREATE).u32(1).string("user.x").u64(1).u32(0),
    ];
    changes.extend((0..9).map(|bit| setattr(1 << bit)));
    changes.push(Message::new(kind::TREMOVE).u32(1));
    for message in changes {
        assert_eq!(client.call(message.clone()), Err(Errno::ROFS), "{message:?}");
    }
    let after = fs::metadata(client.path("f")).unwrap();
    assert_eq!((before.modified().unwrap(), before.len()), (after.modified().unwrap(), after.len()));
    assert_eq!(before.permissions(), after.permissions());
    assert_eq!(fs::read_dir(client.path("")).unwrap().count(), 1);
}

#[test]
fn an_open_file_is_not_written() {
    let mut client = Client::read_only();
    fs::write(client.path("f"), "content").unwrap();
    client.to(1, &["f"]).unwrap();
    client.open(1, open::READ).unwrap();
    assert_eq!(client.write(1, 0, b"x"), Err(Errno::BADF));
}
