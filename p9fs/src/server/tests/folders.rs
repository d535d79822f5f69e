//! What is done with folders: list, make, rename, remove.

use super::client::{Client, Message, ROOT};
use crate::wire::{flags, kind, qid};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{DirEntryExt, FileTypeExt, MetadataExt, symlink};

#[test]
fn entries_are_those_of_the_host_however_they_are_asked_for() {
    let mut client = Client::new();
    for number in 0..300 {
        fs::write(client.path(&format!("file number {number}")), "").unwrap();
    }
    fs::create_dir(client.path("d")).unwrap();
    symlink("d", client.path("l")).unwrap();
    fs::write(client.path("").join(OsStr::from_bytes(b"\xff\xfe not UTF-8")), "").unwrap();
    fs::write(client.path(&"x".repeat(255)), "").unwrap();
    let host: BTreeMap<Vec<u8>, (u64, u8)> = fs::read_dir(client.path(""))
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let kind = entry.file_type().unwrap();
            assert!(!kind.is_fifo());
            let number = if kind.is_dir() {
                4
            } else if kind.is_symlink() {
                10
            } else {
                8
            };
            (entry.file_name().into_vec(), (entry.ino(), number))
        })
        .collect();
    for (fid, count) in [(1, 300), (2, 1000), (3, 4096), (4, u32::MAX)] {
        client.walk(ROOT, fid, &[]).unwrap();
        client.open(fid, 0).unwrap();
        let entries = client.list(fid, count).unwrap();
        let dots = entries.iter().filter(|entry| matches!(&entry.name[..], b"." | b".."));
        assert_eq!(dots.count(), 2);
        let guest: Vec<_> = entries
            .into_iter()
            .filter(|entry| !matches!(&entry.name[..], b"." | b".."))
            .inspect(|entry| {
                assert_eq!(entry.qid.kind == qid::DIRECTORY, entry.number == 4);
                assert_eq!(entry.qid.kind == qid::SYMLINK, entry.number == 10);
            })
            .map(|entry| (entry.name, (entry.qid.path, entry.number)))
            .collect();
        assert_eq!(guest.len(), host.len(), "none twice, with {count} bytes");
        assert_eq!(BTreeMap::from_iter(guest), host);
    }
}

#[test]
fn what_is_above_the_folder_shared_is_not_seen() {
    let mut client = Client::new();
    client.mkdir(ROOT, "d", 0o755).unwrap();
    let root = client.path("").metadata().unwrap().ino();
    client.walk(ROOT, 1, &[]).unwrap();
    client.to(2, &["d"]).unwrap();
    for fid in [1, 2] {
        client.open(fid, 0).unwrap();
        let entries = client.list(fid, 4096).unwrap();
        let up = entries.iter().find(|entry| entry.name == b"..").unwrap();
        assert_eq!(up.qid.path, root);
    }
}

#[test]
fn a_list_can_go_on_anywhere() {
    let mut client = Client::new();
    for number in 0..20 {
        fs::write(client.path(&number.to_string()), "").unwrap();
    }
    client.walk(ROOT, 1, &[]).unwrap();
    client.open(1, 0).unwrap();
    let all = client.list(1, 4096).unwrap();
    assert_eq!(client.list(1, 4096).unwrap(), all, "and again from the start");
    let read = |client: &mut Client, offset: u64, count: u32| {
        client.call(Message::new(kind::TREADDIR).u32(1).u64(offset).u32(count))
    };
    assert_eq!(read(&mut client, all[4].next, 40).unwrap()[28..], all[5].name[..]);
    // No place of any entry: what comes is the file system's affair, but it comes.
    for offset in [1, 77, 1 << 40, i64::MAX as u64, 1 << 63, u64::MAX] {
        let _ = read(&mut client, offset, 4096);
    }
    assert_eq!(read(&mut client, 0, 10), Err(Errno::INVAL), "no room for one");
    assert_eq!(read(&mut client, 0, 0), Err(Errno::INVAL));
}

#[test]
fn only_an_open_folder_is_listed() {
    let mut client = Client::new();
    fs::write(client.path("f"), "").unwrap();
    client.to(1, &["f"]).unwrap();
    client.open(1, 0).unwrap();
    assert_eq!(client.list(1, 100), Err(Errno::BADF));
    assert_eq!(client.list(ROOT, 100), Err(Errno::BADF));
}

#[test]
fn folders_links_and_names_are_made() {
    let mut client = Client::new();
    assert_eq!(client.mkdir(ROOT, "d", 0o777).unwrap().kind, qid::DIRECTORY);
    assert_eq!(fs::metadata(client.path("d")).unwrap().mode(), 0o40777);
    assert_eq!(client.mkdir(ROOT, "d", 0o755), Err(Errno::EXIST));
    client.to(1, &["d"]).unwrap();
    assert_eq!(client.symlink(1, "l", "../any/where").unwrap().kind, qid::SYMLINK);
    assert_eq!(fs::read_link(client.path("d/l")).unwrap().as_os_str(), "../any/where");
    client.to(2, &["d", "l"]).unwrap();
    assert_eq!(client.readlink(2).unwrap(), b"../any/where");
    assert_eq!(client.readlink(1), Err(Errno::INVAL));
    assert_eq!(client.symlink(1, "m", ""), Err(Errno::NOENT));

    fs::write(client.path("f"), "12").unwrap();
    client.to(3, &["f"]).unwrap();
    client.link(1, 3, "g").unwrap();
    assert_eq!(fs::read(client.path("d/g")).unwrap(), b"12");
    assert_eq!(client.link(1, 3, "g"), Err(Errno::EXIST));
    assert_eq!(client.link(3, 3, "h"), Err(Errno::NOTDIR));
    client.link(1, 2, "the link itself").unwrap();
    assert!(fs::symlink_metadata(client.path("d/the link itself")).unwrap().is_symlink());
}

#[test]
fn nodes_are_regular_files_or_refused() {
    let mut client = Client::new();
    let mknod = |name: &str, mode: u32| {
        Message::new(kind::TMKNOD).u32(ROOT).string(name).u32(mode).u32(1).u32(3).u32(0)
    };
    client.call(mknod("f", 0o100640)).unwrap();
    assert_eq!(fs::metadata(client.path("f")).unwrap().mode(), 0o100640);
    assert_eq!(client.call(mknod("f", 0o100640)), Err(Errno::EXIST));
    for mode in [0o20666, 0o60666, 0o10666, 0o140666, 0o40777, 0o120777, 0o666] {
        assert_eq!(client.call(mknod("x", mode)), Err(Errno::PERM), "{mode:o}");
    }
    assert!(!client.path("x").exists());
}

#[test]
fn renaming_by_name() {
    let mut client = Client::new();
    fs::create_dir(client.path("d")).unwrap();
    fs::write(client.path("f"), "1").unwrap();
    client.to(1, &["d"]).unwrap();
    client.to(2, &["f"]).unwrap();
    client.rename(ROOT, "f", 1, "g").unwrap();
    assert_eq!(fs::read(client.path("d/g")).unwrap(), b"1");
    assert_eq!(client.getattr(2).unwrap().size, 1, "the fid is the file's, not the name's");
    assert_eq!(client.rename(ROOT, "f", 1, "g"), Err(Errno::NOENT));
    assert_eq!(client.rename(2, "f", 1, "g"), Err(Errno::NOTDIR));
    assert_eq!(client.rename(ROOT, "d", 1, "into itself"), Err(Errno::INVAL));
    // A folder that is renamed takes along what is held in it.
    client.rename(ROOT, "d", ROOT, "e").unwrap();
    client.mkdir(1, "below", 0o755).unwrap();
    assert!(client.path("e/below").is_dir());
}

fn rename(client: &mut Client, fid: u32, to: u32, name: &str) -> Result<(), Errno> {
    client.call(Message::new(kind::TRENAME).u32(fid).u32(to).string(name)).map(drop)
}

fn remove(client: &mut Client, fid: u32) -> Result<(), Errno> {
    client.call(Message::new(kind::TREMOVE).u32(fid)).map(drop)
}

#[test]
fn renaming_and_removing_by_fid() {
    let mut client = Client::new();
    fs::create_dir_all(client.path("a/b/c")).unwrap();
    fs::write(client.path("a/b/c/f"), "1").unwrap();
    fs::write(client.path("other"), "2").unwrap();
    client.to(1, &["a", "b", "c", "f"]).unwrap();
    client.to(2, &["a", "b"]).unwrap();
    rename(&mut client, 1, 2, "new\nname (deleted)").unwrap();
    assert_eq!(fs::read(client.path("a/b/new\nname (deleted)")).unwrap(), b"1");
    assert_eq!(rename(&mut client, ROOT, 2, "x"), Err(Errno::BUSY));

    // Removed and replaced by another: that one is not meant.
    fs::rename(client.path("other"), client.path("a/b/new\nname (deleted)")).unwrap();
    assert_eq!(remove(&mut client, 1), Err(Errno::NOENT));
    assert_eq!(client.getattr(1), Err(Errno::BADF), "the fid is let go all the same");
    assert_eq!(fs::read(client.path("a/b/new\nname (deleted)")).unwrap(), b"2");

    client.to(3, &["a", "b", "new\nname (deleted)"]).unwrap();
    remove(&mut client, 3).unwrap();
    assert_eq!(remove(&mut client, 2), Err(Errno::NOTEMPTY));
    client.to(4, &["a", "b", "c"]).unwrap();
    remove(&mut client, 4).unwrap();
    assert!(!client.path("a/b/c").exists());
    assert_eq!(remove(&mut client, ROOT), Err(Errno::BUSY));
    assert!(client.path("").exists());
}

#[test]
fn removing_by_name() {
    let mut client = Client::new();
    fs::create_dir(client.path("d")).unwrap();
    fs::write(client.path("d/f"), "").unwrap();
    client.to(1, &["d"]).unwrap();
    assert_eq!(client.unlink(ROOT, "d", flags::REMOVE_DIRECTORY), Err(Errno::NOTEMPTY));
    assert_eq!(client.unlink(1, "f", flags::REMOVE_DIRECTORY), Err(Errno::NOTDIR));
    assert_eq!(client.unlink(ROOT, "d", 0), Err(Errno::ISDIR));
    assert_eq!(client.unlink(1, "f", 1), Err(Errno::INVAL));
    client.unlink(1, "f", 0).unwrap();
    assert_eq!(client.unlink(1, "f", 0), Err(Errno::NOENT));
    client.unlink(ROOT, "d", flags::REMOVE_DIRECTORY).unwrap();
    assert!(!client.path("d").exists());
    assert_eq!(client.mkdir(1, "x", 0o755), Err(Errno::NOENT), "in a folder that is gone");
}
