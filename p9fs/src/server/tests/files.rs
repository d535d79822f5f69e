//! What is done with a file: open, create, read, write, attributes.

use super::client::{Client, Message, ROOT};
use crate::wire::flags::{open, setattr};
use crate::wire::kind;
use crate::wire::reader::Reader;
use rustix::io::Errno;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

const CREATE: u32 = 0o100;

#[test]
fn a_file_is_made_written_and_read() {
    let mut client = Client::new();
    client.walk(ROOT, 1, &[]).unwrap();
    client.create(1, "f", open::READ_WRITE | CREATE | open::EXCLUSIVE, 0o100644).unwrap();
    assert_eq!(client.write(1, 0, b"hello, world"), Ok(12));
    assert_eq!(client.write(1, 7, b"there"), Ok(5));
    assert_eq!(fs::read(client.path("f")).unwrap(), b"hello, there");
    assert_eq!(client.read(1, 7, 100).unwrap(), b"there");
    assert_eq!(client.read(1, 12, 100).unwrap(), b"");
    assert_eq!(client.read(1, u64::MAX, 100), Err(Errno::INVAL));
    assert_eq!(client.write(1, u64::MAX, b"x"), Err(Errno::INVAL));
    assert_eq!(client.read(1, 0, 0).unwrap(), b"");
    for data_only in [0, 1] {
        client.call(Message::new(kind::TFSYNC).u32(1).u32(data_only)).unwrap();
    }
}

#[test]
fn a_mode_is_what_the_guest_says_without_set_user_id() {
    let mut client = Client::new();
    for (name, mode) in [("a", 0o666), ("b", 0o4755), ("c", 0o2770), ("d", 0o400), ("e", 0o1777)] {
        client.walk(ROOT, 1, &[]).unwrap();
        client.create(1, name, open::WRITE | CREATE, 0o100000 | mode).unwrap();
        client.clunk(1).unwrap();
        let made = fs::metadata(client.path(name)).unwrap().mode();
        assert_eq!(made, 0o100000 | mode & 0o1777, "{name}");
    }
}

#[test]
fn a_file_that_is_there_is_opened_unless_it_must_not_be() {
    let mut client = Client::new();
    fs::write(client.path("f"), "old").unwrap();
    client.walk(ROOT, 1, &[]).unwrap();
    let exclusive = open::READ_WRITE | CREATE | open::EXCLUSIVE;
    assert_eq!(client.create(1, "f", exclusive, 0o644), Err(Errno::EXIST));
    client.create(1, "f", open::READ_WRITE | CREATE, 0o600).unwrap();
    assert_eq!(client.read(1, 0, 9).unwrap(), b"old");
    client.walk(ROOT, 2, &[]).unwrap();
    client.create(2, "f", open::READ_WRITE | CREATE | open::TRUNCATE, 0o600).unwrap();
    assert_eq!(client.read(1, 0, 9).unwrap(), b"");
}

#[test]
fn create_makes_nothing_but_a_regular_file() {
    let mut client = Client::new();
    fs::create_dir(client.path("d")).unwrap();
    symlink("new", client.path("l")).unwrap();
    fs::write(client.path("f"), "").unwrap();
    client.walk(ROOT, 1, &[]).unwrap();
    assert_eq!(client.create(1, "d", open::READ | CREATE, 0o644), Err(Errno::ISDIR));
    assert_eq!(client.create(1, "d", open::WRITE | CREATE, 0o644), Err(Errno::ISDIR));
    assert_eq!(client.create(1, "l", open::WRITE | CREATE, 0o644), Err(Errno::LOOP));
    assert!(!client.path("new").exists());
    client.to(2, &["f"]).unwrap();
    assert_eq!(client.create(2, "x", open::WRITE | CREATE, 0o644), Err(Errno::NOTDIR));
    client.open(1, open::READ).unwrap();
    assert_eq!(client.create(1, "y", open::WRITE | CREATE, 0o644), Err(Errno::BUSY));
}

#[test]
fn flags_of_open() {
    let mut client = Client::new();
    fs::write(client.path("f"), "12345").unwrap();
    fs::create_dir(client.path("d")).unwrap();

    client.to(1, &["f"]).unwrap();
    assert_eq!(client.open(1, open::READ | open::DIRECTORY), Err(Errno::NOTDIR));
    assert_eq!(client.open(1, open::ACCESS), Err(Errno::INVAL));
    assert_eq!(client.read(1, 0, 5), Err(Errno::BADF), "not open yet");
    client.open(1, open::READ).unwrap();
    assert_eq!(client.open(1, open::READ), Err(Errno::BUSY));
    assert_eq!(client.write(1, 0, b"x"), Err(Errno::BADF));

    client.to(2, &["f"]).unwrap();
    client.open(2, open::WRITE | open::APPEND).unwrap();
    assert_eq!(client.read(2, 0, 5), Err(Errno::BADF));
    client.write(2, 0, b"67").unwrap();
    assert_eq!(client.read(1, 0, 100).unwrap(), b"1234567");

    client.to(3, &["f"]).unwrap();
    client.open(3, open::WRITE | open::TRUNCATE).unwrap();
    assert_eq!(client.read(1, 0, 100).unwrap(), b"");

    client.to(4, &["d"]).unwrap();
    assert_eq!(client.open(4, open::WRITE), Err(Errno::ISDIR));
    client.open(4, open::READ | open::DIRECTORY).unwrap();
    assert_eq!(client.read(4, 0, 10), Err(Errno::ISDIR));
    assert_eq!(client.write(4, 0, b""), Err(Errno::ISDIR));
}

#[test]
fn a_large_read_fills_a_message_and_no_more() {
    let mut client = Client::new();
    let content: Vec<u8> = (0..600_000u32).map(|at| (at % 251) as u8).collect();
    fs::write(client.path("f"), &content).unwrap();
    client.version(512_000).unwrap();
    client.attach(ROOT).unwrap();
    client.to(1, &["f"]).unwrap();
    client.open(1, 0).unwrap();
    let got = client.read(1, 5, u32::MAX).unwrap();
    assert_eq!(got.len(), 512_000 - 11);
    assert_eq!(got, content[5..][..got.len()]);
}

#[test]
fn attributes_are_those_of_the_host() {
    let mut client = Client::new();
    fs::write(client.path("f"), vec![1; 5000]).unwrap();
    fs::create_dir(client.path("d")).unwrap();
    symlink("nowhere", client.path("l")).unwrap();
    fs::hard_link(client.path("f"), client.path("g")).unwrap();
    let socket = std::os::unix::net::UnixListener::bind(client.path("s")).unwrap();
    for (fid, name) in [(1, "f"), (2, "d"), (3, "l"), (4, "g"), (5, "s")] {
        let host = fs::symlink_metadata(client.path(name)).unwrap();
        client.to(fid, &[name]).unwrap();
        let guest = client.getattr(fid).unwrap();
        assert_eq!(guest.valid & 0x7ff, 0x7ff);
        assert_eq!((guest.qid.path, guest.mode), (host.ino(), host.mode()), "{name}");
        assert_eq!((guest.owner, guest.group, guest.links), (host.uid(), host.gid(), host.nlink()));
        assert_eq!((guest.device, guest.size, guest.block), (host.rdev(), host.size(), host.blksize()));
        assert_eq!(guest.blocks, host.blocks());
        let time = |seconds: i64, nanoseconds: i64| (seconds as u64, nanoseconds as u64);
        assert_eq!(guest.accessed, time(host.atime(), host.atime_nsec()));
        assert_eq!(guest.modified, time(host.mtime(), host.mtime_nsec()));
        assert_eq!(guest.changed, time(host.ctime(), host.ctime_nsec()));
        if let Ok(born) = host.created() {
            let born = born.duration_since(std::time::UNIX_EPOCH).unwrap();
            assert_eq!(
                (guest.valid & 0x800, guest.born),
                (0x800, (born.as_secs(), born.subsec_nanos().into()))
            );
        }
        assert_ne!(guest.qid.version, 0);
    }
    drop(socket);
}

fn change(fid: u32, valid: u32, mode: u32, ids: (u32, u32), size: u64, times: [u64; 4]) -> Message {
    let message = Message::new(kind::TSETATTR).u32(fid).u32(valid).u32(mode).u32(ids.0).u32(ids.1).u64(size);
    times.into_iter().fold(message, Message::u64)
}

#[test]
fn attributes_are_changed() {
    let mut client = Client::new();
    fs::write(client.path("f"), "12345").unwrap();
    client.to(1, &["f"]).unwrap();
    let none = (0, 0);
    client.call(change(1, setattr::MODE, 0o106640, none, 0, [0; 4])).unwrap();
    assert_eq!(fs::metadata(client.path("f")).unwrap().mode(), 0o100640);
    client.call(change(1, setattr::SIZE, 0, none, 3, [0; 4])).unwrap();
    assert_eq!(fs::read(client.path("f")).unwrap(), b"123");

    let both = setattr::ACCESSED | setattr::ACCESSED_SET | setattr::MODIFIED | setattr::MODIFIED_SET;
    client.call(change(1, both, 0, none, 0, [1000, 1, 2000, 999_999_999])).unwrap();
    let host = fs::metadata(client.path("f")).unwrap();
    assert_eq!((host.atime(), host.atime_nsec()), (1000, 1));
    assert_eq!((host.mtime(), host.mtime_nsec()), (2000, 999_999_999));
    client.call(change(1, setattr::MODIFIED, 0, none, 0, [5, 5, 5, 5])).unwrap();
    let host = fs::metadata(client.path("f")).unwrap();
    assert_eq!((host.atime(), host.atime_nsec()), (1000, 1), "left alone");
    assert!(host.mtime() > 1_000_000_000, "now");
    for nanoseconds in [1_000_000_000, 0x3fff_ffff, 0x3fff_fffe, u64::MAX] {
        assert_eq!(client.call(change(1, both, 0, none, 0, [0, nanoseconds, 0, 0])), Err(Errno::INVAL));
    }

    let same = (host.uid(), host.gid());
    client.call(change(1, setattr::OWNER | setattr::GROUP, 0, same, 0, [0; 4])).unwrap();
    assert_eq!(client.call(change(1, setattr::OWNER, 0, (u32::MAX, 0), 0, [0; 4])), Err(Errno::INVAL));
    assert_eq!(client.call(change(1, setattr::SIZE, 0, none, u64::MAX, [0; 4])), Err(Errno::INVAL));
    client.call(change(1, 0, 0, none, 0, [0; 4])).unwrap();
}

#[test]
fn an_open_file_can_be_cut_whatever_its_mode() {
    let mut client = Client::new();
    client.walk(ROOT, 1, &[]).unwrap();
    client.create(1, "f", open::WRITE | CREATE, 0o100400).unwrap();
    client.write(1, 0, b"12345").unwrap();
    client.call(change(1, setattr::SIZE, 0, (0, 0), 2, [0; 4])).unwrap();
    assert_eq!(fs::metadata(client.path("f")).unwrap().len(), 2);
}

#[test]
fn attributes_of_a_link_are_its_own() {
    let mut client = Client::new();
    fs::write(client.outside("f"), "12345").unwrap();
    symlink(client.outside("f"), client.path("l")).unwrap();
    let before = fs::metadata(client.outside("f")).unwrap();
    client.to(1, &["l"]).unwrap();
    assert_eq!(client.call(change(1, setattr::MODE, 0, (0, 0), 0, [0; 4])), Err(Errno::OPNOTSUPP));
    assert_eq!(client.call(change(1, setattr::SIZE, 0, (0, 0), 0, [0; 4])), Err(Errno::LOOP));
    let both = setattr::ACCESSED | setattr::ACCESSED_SET | setattr::MODIFIED | setattr::MODIFIED_SET;
    client.call(change(1, both, 0, (0, 0), 0, [1, 1, 1, 1])).unwrap();
    assert_eq!(fs::symlink_metadata(client.path("l")).unwrap().mtime(), 1);
    let after = fs::metadata(client.outside("f")).unwrap();
    assert_eq!((before.mtime(), before.len(), before.mode()), (after.mtime(), after.len(), after.mode()));
}

#[test]
fn a_removed_file_lives_while_it_is_open() {
    let mut client = Client::new();
    fs::write(client.path("f"), "12345").unwrap();
    client.to(1, &["f"]).unwrap();
    client.open(1, open::READ_WRITE).unwrap();
    client.unlink(ROOT, "f", 0).unwrap();
    assert_eq!(client.read(1, 0, 9).unwrap(), b"12345");
    assert_eq!(client.getattr(1).unwrap().links, 0);
    client.call(change(1, setattr::SIZE, 0, (0, 0), 1, [0; 4])).unwrap();
    assert_eq!(client.read(1, 0, 9).unwrap(), b"1");
}

#[test]
fn the_file_system_is_the_hosts() {
    let mut client = Client::new();
    let reply = client.call(Message::new(kind::TSTATFS).u32(ROOT)).unwrap();
    let host = rustix::fs::statfs(client.path("")).unwrap();
    let mut reader = Reader::new(&reply);
    assert_eq!(reader.u32(), Ok(host.f_type as u32));
    assert_eq!(reader.u32(), Ok(host.f_bsize as u32));
    assert_eq!(reader.u64(), Ok(host.f_blocks));
    assert_eq!(reply.len(), 60);
    assert_eq!(reply[56..], 255u32.to_le_bytes());
}

#[test]
fn locks_are_granted_on_open_files() {
    let mut client = Client::new();
    fs::write(client.path("f"), "").unwrap();
    client.to(1, &["f"]).unwrap();
    let lock = Message::new(kind::TLOCK).u32(1).u8(1).u32(1).u64(0).u64(10).u32(77).string("guest");
    let getlock = Message::new(kind::TGETLOCK).u32(1).u8(1).u64(5).u64(10).u32(77).string("guest");
    assert_eq!(client.call(lock.clone()), Err(Errno::BADF));
    assert_eq!(client.call(getlock.clone()), Err(Errno::BADF));
    client.open(1, open::READ_WRITE).unwrap();
    assert_eq!(client.call(lock), Ok(vec![0]));
    let reply = client.call(getlock).unwrap();
    assert_eq!(reply[0], 2);
    assert_eq!(reply[1..9], 5u64.to_le_bytes());
    assert_eq!(reply[21..], *b"\x05\0guest");
}

fn xattrwalk(client: &mut Client, fid: u32, new: u32, name: &str) -> Result<u64, Errno> {
    let reply = client.call(Message::new(kind::TXATTRWALK).u32(fid).u32(new).string(name))?;
    Ok(Reader::new(&reply).u64().unwrap())
}

fn xattrcreate(client: &mut Client, fid: u32, name: &str, size: u64, flags: u32) -> Result<(), Errno> {
    client.call(Message::new(kind::TXATTRCREATE).u32(fid).string(name).u64(size).u32(flags)).map(drop)
}

#[test]
fn extended_attributes_of_users() {
    let mut client = Client::new();
    fs::write(client.path("f"), "").unwrap();
    if rustix::fs::setxattr(client.path("f"), "user.probe", b"1", rustix::fs::XattrFlags::empty()).is_err() {
        eprintln!("skipped: no extended attributes on this file system");
        return;
    }
    client.to(1, &["f"]).unwrap();
    assert_eq!(xattrwalk(&mut client, 1, 2, "user.probe"), Ok(1));
    assert_eq!(client.read(2, 0, 10).unwrap(), b"1");
    assert_eq!(client.read(2, 5, 10).unwrap(), b"");
    assert_eq!(client.read(2, u64::MAX, 10).unwrap(), b"");
    assert_eq!(xattrwalk(&mut client, 1, 3, "user.none"), Err(Errno::NODATA));
    assert_eq!(xattrwalk(&mut client, 1, 2, "user.probe"), Err(Errno::BADF), "the fid is in use");

    client.walk(1, 4, &[]).unwrap();
    xattrcreate(&mut client, 4, "user.new", 6, 0).unwrap();
    client.write(4, 0, b"abc").unwrap();
    assert_eq!(client.write(4, 0, b"abc"), Err(Errno::INVAL), "not where it goes on");
    assert_eq!(client.write(4, 3, b"defg"), Err(Errno::INVAL), "more than was said");
    client.write(4, 3, b"def").unwrap();
    client.clunk(4).unwrap();
    assert_eq!(xattrwalk(&mut client, 1, 5, "user.new"), Ok(6));
    assert_eq!(client.read(5, 2, 10).unwrap(), b"cdef");

    assert_eq!(xattrwalk(&mut client, 1, 6, ""), Ok(20));
    let mut names: Vec<_> =
        client.read(6, 0, 100).unwrap().split(|&byte| byte == 0).map(<[_]>::to_vec).collect();
    names.sort();
    assert_eq!(names, [&b""[..], b"user.new", b"user.probe"]);

    client.walk(1, 7, &[]).unwrap();
    xattrcreate(&mut client, 7, "user.new", 0, 0).unwrap();
    client.clunk(7).unwrap();
    assert_eq!(xattrwalk(&mut client, 1, 8, "user.new"), Err(Errno::NODATA), "removed");
}

#[test]
fn other_extended_attributes_are_not_for_guests() {
    let mut client = Client::new();
    fs::write(client.path("f"), "").unwrap();
    symlink("f", client.path("l")).unwrap();
    client.to(1, &["f"]).unwrap();
    client.to(2, &["l"]).unwrap();
    for name in ["security.capability", "system.posix_acl_access", "trusted.x", "usr.x"] {
        assert_eq!(xattrwalk(&mut client, 1, 3, name), Err(Errno::OPNOTSUPP));
        client.walk(1, 4, &[]).unwrap();
        xattrcreate(&mut client, 4, name, 0, 0).unwrap();
        assert_eq!(client.clunk(4), Err(Errno::OPNOTSUPP));
    }
    assert_eq!(xattrwalk(&mut client, 2, 3, "user.x"), Err(Errno::OPNOTSUPP));
    assert_eq!(xattrwalk(&mut client, 2, 3, ""), Ok(0));
    assert_eq!(xattrcreate(&mut client, 1, "user.x", 65537, 0), Err(Errno::TOOBIG));
}

#[test]
fn an_attribute_that_is_not_written_whole_is_not_set() {
    let mut client = Client::new();
    fs::write(client.path("f"), "").unwrap();
    for number in 1..=16 {
        client.to(number, &["f"]).unwrap();
        xattrcreate(&mut client, number, "user.x", 3, 0).unwrap();
    }
    client.to(17, &["f"]).unwrap();
    assert_eq!(xattrcreate(&mut client, 17, "user.x", 3, 0), Err(Errno::NOSPC), "enough in the making");
    client.write(1, 0, b"ab").unwrap();
    assert_eq!(client.clunk(1), Err(Errno::INVAL));
    assert!(xattrwalk(&mut client, 17, 18, "user.x").is_err());
    assert_eq!(client.clunk(1), Err(Errno::BADF), "the fid is gone");
    xattrcreate(&mut client, 17, "user.x", 0, 8).unwrap();
    assert_eq!(client.clunk(17), Err(Errno::INVAL), "no such flag");
}

#[test]
fn a_file_without_permission_is_refused_as_the_host_does() {
    let mut client = Client::new();
    fs::write(client.path("f"), "").unwrap();
    fs::set_permissions(client.path("f"), fs::Permissions::from_mode(0o0)).unwrap();
    client.to(1, &["f"]).unwrap();
    // The superuser may do everything.
    let host = fs::File::open(client.path("f")).map(drop).map_err(|error| error.raw_os_error());
    let guest = client.open(1, open::READ).map(drop).map_err(|error| Some(error.raw_os_error()));
    assert_eq!(guest, host);
}
