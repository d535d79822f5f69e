//! Who may do what.

use super::world::World;
use crate::errno::Errno;
use crate::fs::attributes::{self, NewTime};
use crate::fs::context::may;
use crate::fs::{Credentials, FsContext};
use linux_raw_sys::general as raw;

#[test]
fn modes_and_masks() {
    let w = World::new();
    w.info.umask.set(0o027);
    w.put("/f", b"");
    w.mkdir("/d").unwrap();
    assert_eq!((w.stat("/f").permissions, w.stat("/d").permissions), (0o640, 0o750));
    attributes::chmod(&w.ctx(), &w.find("/f"), 0o107_755).unwrap();
    assert_eq!(w.stat("/f").mode(), 0o107_755);
}

#[test]
fn others_are_kept_out() {
    let w = World::new();
    w.put("/secret", b"");
    w.mkdir("/closed").unwrap();
    w.put("/closed/f", b"");
    attributes::chmod(&w.ctx(), &w.find("/secret"), 0o600).unwrap();
    attributes::chmod(&w.ctx(), &w.find("/closed"), 0o644).unwrap();
    let creds = Credentials { uid: 7, gid: 7, groups: vec![9] };
    let ctx = FsContext { creds: &creds, ..w.ctx() };
    let open = |name: &str, flags| {
        let base = crate::fs::Base::Cwd;
        crate::fs::open::open_now(&ctx, base, name.as_bytes(), flags, 0o666).err()
    };
    assert_eq!(open("/secret", raw::O_RDONLY), Some(Errno::EACCES));
    assert_eq!(open("/closed/f", raw::O_RDONLY), Some(Errno::EACCES));
    assert_eq!(open("/closed", raw::O_RDONLY), None);
    assert_eq!(open("/closed/new", raw::O_CREAT | raw::O_WRONLY), Some(Errno::EACCES));
    let file = w.find("/secret");
    assert_eq!(attributes::chmod(&ctx, &file, 0o777), Err(Errno::EPERM));
    assert_eq!(attributes::chown(&ctx, &file, Some(7), None), Err(Errno::EPERM));
    let at = NewTime::At(crate::fs::Time::default());
    assert_eq!(attributes::set_times(&ctx, &file, at, at), Err(Errno::EPERM));
    assert_eq!(attributes::set_times(&ctx, &file, NewTime::Now, NewTime::Now), Err(Errno::EACCES));
    // A group is enough.
    attributes::chown(&w.ctx(), &file, None, Some(9)).unwrap();
    attributes::chmod(&w.ctx(), &file, 0o060).unwrap();
    assert_eq!(open("/secret", raw::O_RDWR), None);
    attributes::access(&ctx, &file, may::READ | may::WRITE).unwrap();
    assert_eq!(attributes::access(&ctx, &file, may::EXEC), Err(Errno::EACCES));
}

#[test]
fn root_executes_only_what_somebody_may() {
    let w = World::new();
    w.put("/f", b"");
    assert_eq!(attributes::access(&w.ctx(), &w.find("/f"), may::EXEC), Err(Errno::EACCES));
    attributes::chmod(&w.ctx(), &w.find("/f"), 0o001).unwrap();
    attributes::access(&w.ctx(), &w.find("/f"), may::EXEC | may::READ | may::WRITE).unwrap();
}

#[test]
fn the_sticky_bit() {
    let w = World::new();
    w.put("/roots", b"");
    let creds = Credentials { uid: 7, gid: 7, groups: vec![] };
    let ctx = FsContext { creds: &creds, ..w.ctx() };
    let base = crate::fs::Base::Cwd;
    assert_eq!(crate::fs::names::unlink(&ctx, base, b"/roots"), Err(Errno::EPERM));
    crate::fs::names::mkdir(&ctx, base, b"/mine", 0o777).unwrap();
    crate::fs::names::rmdir(&ctx, base, b"/mine").unwrap();
    attributes::chmod(&w.ctx(), &w.find("/"), 0o777).unwrap();
    crate::fs::names::unlink(&ctx, base, b"/roots").unwrap();
}

#[test]
fn set_id_bits_go_when_the_owner_changes() {
    let w = World::new();
    w.put("/f", b"");
    attributes::chmod(&w.ctx(), &w.find("/f"), 0o6755).unwrap();
    attributes::chown(&w.ctx(), &w.find("/f"), Some(3), Some(4)).unwrap();
    let meta = w.stat("/f");
    assert_eq!((meta.permissions, meta.uid, meta.gid), (0o755, 3, 4));
}

#[test]
fn a_set_group_id_directory_passes_its_group_on() {
    let w = World::new();
    w.mkdir("/d").unwrap();
    attributes::chown(&w.ctx(), &w.find("/d"), None, Some(42)).unwrap();
    attributes::chmod(&w.ctx(), &w.find("/d"), 0o2777).unwrap();
    w.put("/d/f", b"");
    w.mkdir("/d/sub").unwrap();
    assert_eq!((w.stat("/d/f").gid, w.stat("/d/sub").gid), (42, 42));
    assert_eq!((w.stat("/d/f").permissions, w.stat("/d/sub").permissions), (0o666, 0o2777));
}

#[test]
fn sizes_of_what_has_none() {
    let w = World::of_user(5, 5);
    w.mkdir("/d").unwrap();
    let ctx = w.ctx();
    assert_eq!(attributes::truncate(&ctx, &w.find("/d"), 0), Err(Errno::EISDIR));
    assert_eq!(attributes::truncate(&ctx, &w.find("/d"), -1), Err(Errno::EINVAL));
    let f = w.open("/f", raw::O_CREAT | raw::O_RDONLY).unwrap();
    assert_eq!(attributes::truncate_file(&ctx, &f, 5), Err(Errno::EINVAL));
    attributes::truncate(&ctx, &w.find("/f"), 5).unwrap();
    assert_eq!(w.get("/f"), [0; 5]);
}
