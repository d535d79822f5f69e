//! From paths to files.

use super::world::World;
use crate::errno::Errno;
use crate::fs::path::{self, Base};
use crate::fs::{FdTable, FileKind};
use linux_raw_sys::general as raw;
use std::rc::Rc;

fn tree() -> Rc<World> {
    let w = World::new();
    w.mkdir("/a").unwrap();
    w.mkdir("/a/b").unwrap();
    w.put("/a/b/file", b"content");
    w.symlink("b", "/a/dirlink").unwrap();
    w.symlink("/a/b/file", "/a/filelink").unwrap();
    w.symlink("nowhere", "/a/dangling").unwrap();
    w
}

#[test]
fn dots_slashes_and_links() {
    let w = tree();
    let file = w.stat("/a/b/file").inode;
    for path in [
        "/a/b/file",
        "//a///b/./file",
        "/a/../a/b/../b/file",
        "/../../a/b/file",
        "/a/dirlink/file",
        "/a/filelink",
        "a/b/file",
        "./a/b/file",
    ] {
        assert_eq!(w.stat(path).inode, file, "{path}");
    }
    w.chdir("/a/b");
    assert_eq!(w.stat("file").inode, file);
    assert_eq!(w.stat("../dirlink/file").inode, file);
    assert_eq!(w.stat("/").inode, w.stat("../..").inode);
}

#[test]
fn what_is_wrong_is_said() {
    let w = tree();
    let long = "x".repeat(256);
    let longest = format!("/{}", "a/".repeat(2048));
    for (path, error) in [
        ("", Errno::ENOENT),
        ("/nowhere", Errno::ENOENT),
        ("/nowhere/file", Errno::ENOENT),
        ("/a/b/file/", Errno::ENOTDIR),
        ("/a/b/file/.", Errno::ENOTDIR),
        ("/a/b/file/x", Errno::ENOTDIR),
        ("/a/b/file/..", Errno::ENOTDIR),
        ("/a/dangling", Errno::ENOENT),
        ("/a/dangling/", Errno::ENOENT),
        (&long, Errno::ENAMETOOLONG),
        (&longest, Errno::ENAMETOOLONG),
    ] {
        assert_eq!(w.lookup(path, true).err(), Some(error), "{path:.40}");
    }
    assert_eq!(w.lookup(&"x".repeat(255), true).err(), Some(Errno::ENOENT));
}

#[test]
fn the_last_link_is_followed_only_if_asked_or_with_a_slash() {
    let w = tree();
    assert_eq!(w.lstat("/a/dirlink").kind, FileKind::Symlink);
    assert_eq!(w.lstat("/a/dirlink/").kind, FileKind::Directory);
    assert_eq!(w.lstat("/a/dangling").size, 7);
    assert_eq!(w.lookup("/a/filelink/", false).err(), Some(Errno::ENOTDIR));
}

#[test]
fn forty_links_are_followed_and_not_one_more() {
    let w = World::new();
    w.put("/0", b"");
    for i in 1..=41 {
        w.symlink(&(i - 1).to_string(), &format!("/{i}")).unwrap();
    }
    assert!(w.lookup("/40", true).is_ok());
    assert_eq!(w.lookup("/41", true).err(), Some(Errno::ELOOP));
    w.symlink("me", "/me").unwrap();
    assert_eq!(w.lookup("/me", true).err(), Some(Errno::ELOOP));
    assert_eq!(w.lookup("/me/x", true).err(), Some(Errno::ELOOP));
}

#[test]
fn links_that_double_do_not_explode() {
    // Each level names the one before it twice: 2^40 steps, if the limit were on depth only.
    let w = World::new();
    w.mkdir("/d").unwrap();
    w.symlink(".", "/d/l0").unwrap();
    for i in 1..40 {
        w.symlink(&format!("l{0}/l{0}", i - 1), &format!("/d/l{i}")).unwrap();
    }
    assert_eq!(w.lookup("/d/l39", true).err(), Some(Errno::ELOOP));
}

#[test]
fn relative_to_a_descriptor() {
    let w = tree();
    let table = FdTable::new();
    let dir = table.insert(w.open("/a", raw::O_RDONLY | raw::O_DIRECTORY).unwrap(), 0, false).unwrap();
    let file = table.insert(w.open("/a/b/file", raw::O_RDONLY).unwrap(), 0, false).unwrap();
    let ctx = w.ctx();
    let at = |fd, path: &str, flags| {
        path::lookup_at(&ctx, Base::at(&table, fd), path.as_bytes(), flags)
            .map(|d| d.inode().metadata().inode)
    };
    let wanted = w.stat("/a/b/file").inode;
    assert_eq!(at(dir, "b/file", 0), Ok(wanted));
    assert_eq!(at(file, "x", 0), Err(Errno::ENOTDIR));
    assert_eq!(at(99, "x", 0), Err(Errno::EBADF));
    // A path from the root does not need the descriptor.
    assert_eq!(at(99, "/a/b/file", 0), Ok(wanted));
    assert_eq!(at(file, "", raw::AT_EMPTY_PATH), Ok(wanted));
    assert_eq!(at(file, "", 0), Err(Errno::ENOENT));
    assert_eq!(at(raw::AT_FDCWD, "a/b/file", 0), Ok(wanted));
}

#[test]
fn a_changed_root_cannot_be_left() {
    let w = tree();
    *w.info.root.borrow_mut() = w.find("/a");
    w.chdir("/");
    let root = w.stat("/").inode;
    assert_eq!(w.stat("..").inode, root);
    assert_eq!(w.stat("/../../..").inode, root);
    assert_eq!(w.get("/b/file"), b"content");
    // A link with a path from the root starts at the new one.
    assert_eq!(w.lookup("/filelink", true).err(), Some(Errno::ENOENT));
}

#[test]
fn paths_can_be_written_down_from_anywhere() {
    let w = tree().with_dev();
    let root = w.vfs.root().clone();
    let path = |d: &Rc<crate::fs::Dentry>| String::from_utf8(d.path(&root)).unwrap();
    assert_eq!(path(&root), "/");
    assert_eq!(path(&w.find("/a/dirlink/file")), "/a/b/file");
    assert_eq!(path(&w.find("/dev/null")), "/dev/null");
    assert_eq!(path(&w.find("/dev")), "/dev");
    assert_eq!(w.stat("/dev/..").inode, w.stat("/").inode);

    let file = w.find("/a/b/file");
    w.rename("/a/b", "/c", 0).unwrap();
    assert_eq!(path(&file), "/c/file");
    w.unlink("/c/file").unwrap();
    assert_eq!(path(&file), "/c/file (deleted)");
}

#[test]
fn a_removed_directory_can_still_be_stood_in() {
    let w = tree();
    w.mkdir("/gone").unwrap();
    w.chdir("/gone");
    w.rmdir("/gone").unwrap();
    assert_eq!(w.stat(".").kind, FileKind::Directory);
    assert_eq!(w.stat(".").links, 0);
    assert_eq!(w.stat("..").inode, w.stat("/").inode);
    assert_eq!(w.mkdir("x"), Err(Errno::ENOENT));
    assert_eq!(w.open("x", raw::O_CREAT | raw::O_WRONLY).err(), Some(Errno::ENOENT));
}
