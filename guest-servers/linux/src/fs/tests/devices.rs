//! The devices that need no hardware.

use super::world::World;
use crate::errno::Errno;
use crate::fs::FileKind;
use crate::fs::metadata::DeviceId;
use linux_raw_sys::general as raw;

#[test]
fn each_does_what_it_is_for() {
    let w = World::new().with_dev();
    let open = |name| w.open(name, raw::O_RDWR).unwrap();
    assert_eq!(w.read(&open("/dev/null"), 10).unwrap(), b"");
    assert_eq!(w.write(&open("/dev/null"), b"gone"), Ok(4));
    assert_eq!(w.read(&open("/dev/zero"), 5).unwrap(), [0; 5]);
    assert_eq!(w.write(&open("/dev/full"), b"x"), Err(Errno::ENOSPC));
    assert_eq!(w.read(&open("/dev/full"), 3).unwrap(), [0; 3]);
    assert_eq!(w.read(&open("/dev/urandom"), 600).unwrap(), [4; 600]);
}

#[test]
fn they_look_as_they_do_on_linux() {
    let w = World::new().with_dev();
    let meta = w.stat("/dev/null");
    assert_eq!((meta.kind, meta.permissions, meta.rdev), (FileKind::Character, 0o666, DeviceId::new(1, 3)));
    assert_eq!(w.read_link("/dev/stdin").unwrap(), "/proc/self/fd/0");
    assert_eq!(w.stat("/dev/console").permissions, 0o600);
    assert_ne!(w.stat("/dev").device, w.stat("/").device);
    assert!(w.vfs.mounts_text().contains("devtmpfs /dev devtmpfs rw 0 0\n"));
    // No terminal was added.
    assert_eq!(w.open("/dev/tty", raw::O_RDWR).err(), Some(Errno::ENXIO));
}
