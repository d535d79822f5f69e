//! Descriptor tables and open files.

use super::world::World;
use crate::errno::Errno;
use crate::fs::FdTable;
use linux_raw_sys::general as raw;
use std::rc::Rc;

fn file(w: &World) -> Rc<crate::fs::File> {
    w.open("/f", raw::O_CREAT | raw::O_RDWR).unwrap()
}

#[test]
fn the_lowest_free_number_is_taken() {
    let w = World::new();
    let table = FdTable::new();
    for wanted in 0..3 {
        assert_eq!(table.insert(file(&w), 0, false), Ok(wanted));
    }
    table.remove(1).unwrap();
    assert_eq!(table.insert(file(&w), 0, false), Ok(1));
    assert_eq!(table.insert(file(&w), 10, false), Ok(10));
    assert_eq!(table.insert(file(&w), 0, false), Ok(3));
    assert_eq!(table.numbers(), [0, 1, 2, 3, 10]);
    for bad in [-1, 4, 11, i32::MAX, i32::MIN] {
        assert_eq!(table.get(bad).err(), Some(Errno::EBADF), "{bad}");
        assert_eq!(table.remove(bad).err(), Some(Errno::EBADF), "{bad}");
    }
}

#[test]
fn the_limit_holds() {
    let w = World::new();
    let table = FdTable::new();
    table.set_limit(3);
    let f = file(&w);
    assert_eq!((0..5).filter(|_| table.insert(f.clone(), 0, false).is_ok()).count(), 3);
    assert_eq!(table.insert(f.clone(), 0, false), Err(Errno::EMFILE));
    assert_eq!(table.insert(f.clone(), 3, false), Err(Errno::EINVAL));
    assert_eq!(table.duplicate(0, 3, 0), Err(Errno::EBADF));
    assert_eq!(table.duplicate(0, -1, 0), Err(Errno::EBADF));
    assert_eq!(table.duplicate(9, 0, 0), Err(Errno::EBADF));
    table.set_limit(usize::MAX);
    assert_eq!(table.limit(), crate::fs::fd_table::MAX_LIMIT);
}

#[test]
fn all_open_files_together_are_limited() {
    let w = World::new();
    let held: Vec<_> = std::iter::from_fn(|| w.open("/f", raw::O_CREAT | raw::O_RDWR).ok()).collect();
    assert_eq!(held.len(), 1000);
    assert_eq!(w.open("/f", raw::O_RDONLY).err(), Some(Errno::ENFILE));
    assert_eq!(w.open("/new", raw::O_CREAT | raw::O_WRONLY).err(), Some(Errno::ENFILE));
    drop(held);
    assert_eq!(w.vfs.open_files().open(), 0);
    assert!(w.lookup("/new", true).is_err());
}

#[test]
fn exec_closes_what_is_marked() {
    let w = World::new();
    let table = FdTable::new();
    let f = file(&w);
    table.insert(f.clone(), 0, true).unwrap();
    table.insert(f.clone(), 0, false).unwrap();
    // A duplicate has a mark of its own.
    table.duplicate(0, 5, 0).unwrap();
    table.duplicate(1, 6, raw::O_CLOEXEC).unwrap();
    assert_eq!(table.close_on_exec(0), Ok(true));
    let child = table.copy();
    table.exec();
    assert_eq!(table.numbers(), [1, 5]);
    assert_eq!(child.numbers(), [0, 1, 5, 6]);
    child.clear();
    assert!(child.numbers().is_empty());
    assert_eq!(Rc::strong_count(&f), 3);
}

#[test]
fn duplicates_share_their_position() {
    let w = World::new();
    w.put("/f", b"abcdef");
    let table = FdTable::new();
    let fd = table.insert(file(&w), 0, false).unwrap();
    table.duplicate(fd, 7, 0).unwrap();
    let read = |fd| w.read(&table.get(fd).unwrap(), 2).unwrap();
    assert_eq!((read(fd), read(7), read(fd)), (b"ab".to_vec(), b"cd".to_vec(), b"ef".to_vec()));
}

#[test]
fn modes_of_access_are_kept() {
    let w = World::new();
    w.put("/f", b"x");
    let r = w.open("/f", raw::O_RDONLY).unwrap();
    let wr = w.open("/f", raw::O_WRONLY).unwrap();
    let path = w.open("/f", raw::O_PATH).unwrap();
    assert_eq!(w.write(&r, b"y"), Err(Errno::EBADF));
    assert_eq!(w.read(&wr, 1), Err(Errno::EBADF));
    assert_eq!(w.read(&path, 1), Err(Errno::EBADF));
    assert_eq!(path.seek(0, raw::SEEK_SET), Err(Errno::EBADF));
    assert_eq!(w.read(&w.open("/", raw::O_RDONLY).unwrap(), 1), Err(Errno::EISDIR));
    let table = FdTable::new();
    let fd = table.insert(path, 0, false).unwrap();
    assert!(table.get(fd).is_ok());
    assert_eq!(table.get_open(fd).err(), Some(Errno::EBADF));
}

#[test]
fn flags_that_can_be_set_and_those_that_cannot() {
    let w = World::new();
    let f = w.open("/f", raw::O_CREAT | raw::O_EXCL | raw::O_RDWR | raw::O_CLOEXEC).unwrap();
    assert_eq!(f.flags(), raw::O_RDWR);
    f.set_flags(raw::O_NONBLOCK | raw::O_APPEND | raw::O_WRONLY | raw::O_TRUNC);
    assert_eq!(f.flags(), raw::O_RDWR | raw::O_NONBLOCK | raw::O_APPEND);
    f.set_flags(0);
    assert_eq!(f.flags(), raw::O_RDWR);
}
