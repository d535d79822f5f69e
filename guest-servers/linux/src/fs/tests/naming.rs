//! Making, removing and moving names.

use super::world::World;
use crate::errno::Errno;
use crate::fs::metadata::DeviceId;
use crate::fs::path::Base;
use crate::fs::{FileKind, names};
use linux_raw_sys::general as raw;

#[test]
fn directories_count_their_links() {
    let w = World::new();
    w.mkdir("/d").unwrap();
    assert_eq!(w.stat("/d").links, 2);
    w.mkdir("/d/one/").unwrap();
    w.mkdir("/d/two").unwrap();
    assert_eq!(w.stat("/d").links, 4);
    w.rmdir("/d/one").unwrap();
    w.mkdir("/e").unwrap();
    w.rename("/d/two", "/e/two", 0).unwrap();
    assert_eq!((w.stat("/d").links, w.stat("/e").links), (2, 3));
    assert_eq!(w.rmdir("/e"), Err(Errno::ENOTEMPTY));
    assert_eq!(w.list("/"), ["d", "e"]);
}

#[test]
fn hard_links_share_a_file() {
    let w = World::new();
    w.put("/a", b"one");
    w.link("/a", "/b").unwrap();
    w.put("/b", b"two");
    assert_eq!(w.get("/a"), b"two");
    assert_eq!((w.stat("/a").links, w.stat("/a").inode), (2, w.stat("/b").inode));
    w.unlink("/a").unwrap();
    assert_eq!(w.stat("/b").links, 1);
    w.mkdir("/d").unwrap();
    assert_eq!(w.link("/d", "/e"), Err(Errno::EPERM));
    assert_eq!(w.link("/b", "/d"), Err(Errno::EEXIST));
    assert_eq!(w.link("/b", "/new/"), Err(Errno::ENOENT));
}

#[test]
fn a_file_lives_while_it_is_open() {
    let w = World::new();
    let before = w.vfs.pool().free_frames();
    w.put("/f", &[7; 10_000]);
    let file = w.open("/f", raw::O_RDWR).unwrap();
    w.unlink("/f").unwrap();
    assert_eq!(w.read(&file, 100).unwrap(), [7; 100]);
    assert_eq!(file.dentry().inode().metadata().links, 0);
    assert!(w.vfs.pool().free_frames() < before);
    drop(file);
    assert_eq!(w.vfs.pool().free_frames(), before);
}

#[test]
fn rename_replaces_what_it_may() {
    let w = World::new();
    w.put("/f", b"f");
    w.put("/g", b"g");
    w.rename("/f", "/g", 0).unwrap();
    assert_eq!(w.get("/g"), b"f");
    for d in ["/d", "/d/sub", "/empty"] {
        w.mkdir(d).unwrap();
    }
    assert_eq!(w.rename("/g", "/empty", 0), Err(Errno::EISDIR));
    assert_eq!(w.rename("/d", "/g", 0), Err(Errno::ENOTDIR));
    assert_eq!(w.rename("/empty", "/d", 0), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rename("/d", "/d/sub/x", 0), Err(Errno::EINVAL));
    assert_eq!(w.rename("/d/sub", "/d", 0), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rename("/g", "/h/", 0), Err(Errno::ENOTDIR));
    assert_eq!(w.rename("/g", "/g", 0), Ok(()));
    w.rename("/d", "/empty/", 0).unwrap();
    assert_eq!(w.list("/"), ["empty", "g"]);
    assert_eq!(w.list("/empty"), ["sub"]);
}

#[test]
fn rename_has_flags() {
    let w = World::new();
    w.put("/f", b"f");
    w.mkdir("/d").unwrap();
    w.put("/d/g", b"g");
    assert_eq!(w.rename("/f", "/d", raw::RENAME_NOREPLACE), Err(Errno::EEXIST));
    w.rename("/f", "/d", raw::RENAME_EXCHANGE).unwrap();
    assert_eq!(w.get("/d"), b"f");
    assert_eq!(w.get("/f/g"), b"g");
    assert_eq!(w.rename("/f", "/none", raw::RENAME_EXCHANGE), Err(Errno::ENOENT));
    assert_eq!(w.rename("/f", "/d", raw::RENAME_WHITEOUT), Err(Errno::EINVAL));
    w.rename("/f/g", "/d", raw::RENAME_EXCHANGE).unwrap();
    assert_eq!((w.get("/d"), w.get("/f/g")), (b"g".to_vec(), b"f".to_vec()));
}

#[test]
fn renaming_a_name_to_another_of_the_same_file_does_nothing() {
    let w = World::new();
    w.put("/a", b"");
    w.link("/a", "/b").unwrap();
    w.rename("/a", "/b", 0).unwrap();
    assert_eq!(w.list("/"), ["a", "b"]);
}

#[test]
fn the_ends_of_paths_that_are_no_names() {
    let w = World::new();
    w.mkdir("/d").unwrap();
    assert_eq!(w.rmdir("/d/."), Err(Errno::EINVAL));
    assert_eq!(w.rmdir("/d/.."), Err(Errno::ENOTEMPTY));
    assert_eq!(w.rmdir("/"), Err(Errno::EBUSY));
    assert_eq!(w.unlink("/d/.."), Err(Errno::EISDIR));
    assert_eq!(w.unlink("/d"), Err(Errno::EISDIR));
    assert_eq!(w.mkdir("/"), Err(Errno::EEXIST));
    assert_eq!(w.mkdir("/d/."), Err(Errno::EEXIST));
    assert_eq!(w.rename("/d/.", "/e", 0), Err(Errno::EBUSY));
    assert_eq!(w.rename("/d", "/", 0), Err(Errno::EBUSY));
}

#[test]
fn what_is_mounted_stays() {
    let w = World::new().with_dev();
    w.mkdir("/x").unwrap();
    w.put("/f", b"");
    assert_eq!(w.rmdir("/dev"), Err(Errno::EBUSY));
    assert_eq!(w.rename("/dev", "/y", 0), Err(Errno::EBUSY));
    assert_eq!(w.rename("/x", "/dev", 0), Err(Errno::EBUSY));
    assert_eq!(w.rename("/f", "/dev/f", 0), Err(Errno::EXDEV));
    assert_eq!(w.link("/f", "/dev/f"), Err(Errno::EXDEV));
}

#[test]
fn symbolic_links_short_and_long() {
    let w = World::new();
    for len in [1, 127, 128, 4095] {
        let text = "t".repeat(len);
        let name = format!("/l{len}");
        w.symlink(&text, &name).unwrap();
        assert_eq!(w.read_link(&name).unwrap(), text);
        assert_eq!(w.lstat(&name).size, len as u64);
    }
    assert_eq!(w.symlink("", "/e"), Err(Errno::ENOENT));
    assert_eq!(w.symlink(&"t".repeat(4096), "/e"), Err(Errno::ENAMETOOLONG));
    assert_eq!(w.read_link("/"), Err(Errno::EINVAL));
}

#[test]
fn nodes_of_all_kinds() {
    let w = World::new();
    let make = |name: &str, mode, rdev| names::mknod(&w.ctx(), Base::Cwd, name.as_bytes(), mode, rdev);
    make("/fifo", raw::S_IFIFO | 0o600, DeviceId::NONE).unwrap();
    make("/sock", raw::S_IFSOCK | 0o600, DeviceId::NONE).unwrap();
    make("/null", raw::S_IFCHR | 0o666, DeviceId::new(1, 3)).unwrap();
    make("/disk", raw::S_IFBLK | 0o666, DeviceId::new(8, 0)).unwrap();
    make("/file", 0o640, DeviceId::NONE).unwrap();
    let kinds = ["/fifo", "/sock", "/null", "/disk", "/file"].map(|n| w.stat(n).kind);
    let wanted = [FileKind::Fifo, FileKind::Socket, FileKind::Character, FileKind::Block, FileKind::Regular];
    assert_eq!(kinds, wanted);
    assert_eq!(w.get("/null"), b"");
    assert_eq!(w.open("/disk", raw::O_RDONLY).err(), Some(Errno::ENXIO));
    assert_eq!(w.open("/sock", raw::O_RDONLY).err(), Some(Errno::ENXIO));
    assert_eq!(make("/dir", raw::S_IFDIR, DeviceId::NONE), Err(Errno::EPERM));
    assert_eq!(make("/what", 0o170_000, DeviceId::NONE), Err(Errno::EINVAL));
}

#[test]
fn listing_goes_on_while_names_come_and_go() {
    let w = World::new();
    for i in 0..100 {
        w.put(&format!("/{i}"), b"");
    }
    // As rm -r does: a few names, then they are removed, then the next few.
    let dir = w.open("/", raw::O_RDONLY).unwrap();
    let mut seen = 0;
    loop {
        let mut some = Vec::new();
        dir.read_dir(&w.ctx(), &mut |e| {
            if some.len() == 7 {
                return false;
            }
            some.push(String::from_utf8(e.name.to_vec()).unwrap());
            true
        })
        .unwrap();
        some.iter().filter(|n| !n.starts_with('.')).for_each(|n| w.unlink(&format!("/{n}")).unwrap());
        if some.is_empty() {
            break;
        }
        seen += some.len();
    }
    assert_eq!(seen, 102);
    assert!(w.list("/").is_empty());
}

#[test]
fn opening_with_all_its_flags() {
    let w = World::new();
    w.put("/f", b"x");
    w.mkdir("/d").unwrap();
    w.symlink("f", "/l").unwrap();
    w.symlink("new", "/dangling").unwrap();
    let (creat, excl, w_only) = (raw::O_CREAT, raw::O_EXCL, raw::O_WRONLY);
    for (name, flags, error) in [
        ("/f", creat | excl | w_only, Errno::EEXIST),
        ("/dangling", creat | excl | w_only, Errno::EEXIST),
        ("/l", raw::O_NOFOLLOW, Errno::ELOOP),
        ("/f", raw::O_DIRECTORY, Errno::ENOTDIR),
        ("/d", w_only, Errno::EISDIR),
        ("/d", raw::O_RDWR, Errno::EISDIR),
        ("/d", creat, Errno::EISDIR),
        ("/n/", creat | w_only, Errno::EISDIR),
        ("/f/", w_only, Errno::ENOTDIR),
        ("/none", w_only, Errno::ENOENT),
        ("/d", creat | raw::O_DIRECTORY, Errno::EINVAL),
        ("/d", raw::O_TMPFILE | w_only, Errno::EOPNOTSUPP),
    ] {
        assert_eq!(w.open(name, flags).err(), Some(error), "{name} {flags:#o}");
    }
    // A dangling link's target is made.
    w.open("/dangling", creat | w_only).unwrap();
    assert_eq!(w.stat("/new").kind, FileKind::Regular);
    w.open("/f", raw::O_TRUNC | w_only).unwrap();
    assert_eq!(w.stat("/f").size, 0);
}
