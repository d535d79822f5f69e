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
fn events_of_programs_are_recorded() {
    let w = World::new().with_dev();
    let trace = w.open("/dev/trace", raw::O_RDWR).unwrap();
    let pair = |event: u64, argument: u64| [event.to_ne_bytes(), argument.to_ne_bytes()].concat();
    assert_eq!(w.write(&trace, &pair(3, u64::MAX)), Ok(16));
    assert_eq!(w.write(&trace, &[pair(255, 1), pair(0, 2)].concat()), Ok(32));
    assert_eq!(*w.user.records.borrow(), [(3, u64::MAX), (255, 1), (0, 2)]);
    assert_eq!(w.read(&trace, 16).unwrap(), b"", "there is nothing to read");
    assert_eq!(w.write(&trace, b""), Ok(0));

    w.user.records.borrow_mut().clear();
    assert_eq!(w.write(&trace, &pair(256, 1)), Err(Errno::EINVAL), "no such event");
    assert_eq!(w.write(&trace, &pair(7, 1)[..15]), Err(Errno::EINVAL), "not whole");
    assert_eq!(w.write(&trace, &[0; 17]), Err(Errno::EINVAL));
    assert_eq!(w.write_at(&trace, 16, &pair(7, 1)), Err(Errno::ESPIPE));
    assert_eq!(w.write(&trace, &[pair(7, 1), pair(256, 2), pair(8, 3)].concat()), Err(Errno::EINVAL));
    assert_eq!(w.user.records.borrow().len(), 0, "all of them or none");
}

#[test]
fn many_events_come_in_parts_for_others_have_their_turn() {
    let w = World::new().with_dev();
    let trace = w.open("/dev/trace", raw::O_WRONLY).unwrap();
    let all: Vec<u8> = (0..1000u64).flat_map(|n| [n % 256, n].map(u64::to_ne_bytes)).flatten().collect();
    let once = w.write(&trace, &all).unwrap();
    assert!((16..all.len()).contains(&once) && once.is_multiple_of(16));
    assert_eq!(w.user.records.borrow().len(), once / 16);
    w.user.records.borrow_mut().clear();
    let (user, written) = (w.user.clone(), all.len());
    let whole = w.start(async move { trace.write(&*user, &mut &all[..], None).await });
    assert_eq!(whole.take(), Ok(written), "write waits until all is taken");
    assert!(w.user.records.borrow().iter().map(|(_, argument)| *argument).eq(0..1000));
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
