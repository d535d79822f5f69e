//! `/dev/vda`, as programs use it.

use super::{CODE, DATA, World};
use crate::disk::drive::SECTOR;
use crate::disk::mock::MockDrive;
use crate::errno::Errno;
use crate::event::Event;
use linux_raw_sys::general::*;
use linux_raw_sys::ioctl::*;
use ukernel_abi::ThreadId;

const PATH: u64 = DATA + 0x1000;
const BUFFER: u64 = DATA + 0x2000;
const SIZE: usize = 100 * SECTOR;
const ROOM: usize = 4096 + SECTOR;

fn content() -> Vec<u8> {
    (0..SIZE).map(|i| (i * 5 + i / 256) as u8).collect()
}

/// A program, and the disk of its machine.
struct Program {
    drive: MockDrive,
    w: World,
    t: ThreadId,
}

impl Program {
    fn new() -> Self {
        Self::with(MockDrive::new(content(), ROOM))
    }

    fn with(drive: MockDrive) -> Self {
        let (w, t) = World::with_disk(&drive);
        Self { drive, w, t }
    }

    /// Ends what the disk is doing.
    fn end(&self, done: bool) {
        assert!(self.drive.end(done), "nothing is under way");
        self.w.server.handle(Event::Disk { done });
    }

    /// Begins a call that waits for the disk. Where its result is to be looked for.
    fn start(&self, nr: u32, args: &[u64]) -> u64 {
        assert_eq!(self.w.call(self.t, nr, args), None, "call {nr} does not wait");
        self.w.regs(self.t).rip
    }

    /// A call, with as much of the disk's work as it takes.
    fn call(&self, nr: u32, args: &[u64]) -> i64 {
        if let Some(value) = self.w.call(self.t, nr, args) {
            return value as i64;
        }
        let at = self.w.regs(self.t).rip;
        while self.w.result(self.t, at).is_none() {
            self.end(true);
        }
        self.w.regs(self.t).rax as i64
    }

    fn open_at(&self, path: &str, flags: u32) -> i64 {
        self.w.store(self.t, PATH, &[path.as_bytes(), b"\0"].concat()).unwrap();
        self.call(__NR_openat, &[AT_FDCWD as u64, PATH, flags.into(), 0])
    }

    fn open(&self, flags: u32) -> u64 {
        let fd = self.open_at("/dev/vda", flags);
        assert!(fd >= 0, "open: {fd}");
        fd as u64
    }

    fn bytes(&self, len: usize) -> Vec<u8> {
        self.w.load(self.t, BUFFER, len).unwrap()
    }
}

fn error(e: Errno) -> i64 {
    -i64::from(e.number())
}

#[test]
fn it_looks_as_it_does_on_linux() {
    let p = Program::new();
    let fd = p.open(O_RDONLY);
    assert_eq!(p.call(__NR_fstat, &[fd, BUFFER]), 0);
    assert_eq!(p.w.load_u32(p.t, BUFFER + 24), 0o060_660, "st_mode");
    assert_eq!((p.w.load_u32(p.t, BUFFER + 28), p.w.load_u32(p.t, BUFFER + 32)), (0, 6), "root, disk");
    let [rdev, size, block] = [40, 48, 56].map(|at| p.w.load_u64(p.t, BUFFER + at));
    assert_eq!((rdev, size, block), (254 << 8, 0, 4096));
    assert_eq!(p.call(__NR_lseek, &[fd, 0, SEEK_END.into()]), SIZE as i64);
    assert_eq!(p.call(__NR_lseek, &[fd, 1, SEEK_END.into()]), error(Errno::EINVAL));
    assert_eq!(p.call(__NR_lseek, &[fd, 0, SEEK_DATA.into()]), error(Errno::EINVAL));
    let map = [0, 4096, PROT_READ.into(), MAP_PRIVATE.into(), fd, 0];
    assert_eq!(p.call(__NR_mmap, &map), error(Errno::ENODEV));
}

#[test]
fn it_is_read_and_written_at_any_place() {
    let p = Program::new();
    let fd = p.open(O_RDWR | O_NONBLOCK);
    assert_eq!(p.call(__NR_read, &[fd, BUFFER, 700]), 700);
    assert_eq!(p.call(__NR_read, &[fd, BUFFER, 700]), 700, "from where the first has ended");
    assert_eq!(p.bytes(700), content()[700..1400]);
    assert_eq!(p.call(__NR_pread64, &[fd, BUFFER, 5000, 3]), 5000);
    assert_eq!(p.bytes(5000), content()[3..5003]);
    assert_eq!(p.call(__NR_pwrite64, &[fd, BUFFER, 5000, 10001]), 5000);
    assert_eq!(p.drive.content()[10001..15001], content()[3..5003]);
    assert_eq!(p.call(__NR_lseek, &[fd, 0, SEEK_CUR.into()]), 1400);
    assert_eq!(p.call(__NR_pread64, &[fd, BUFFER, 9, SIZE as u64]), 0);
    assert_eq!(p.call(__NR_pwrite64, &[fd, BUFFER, 9, SIZE as u64]), error(Errno::ENOSPC));
    assert_eq!(p.call(__NR_pwrite64, &[fd, BUFFER, 9, SIZE as u64 - 4]), 4);
}

#[test]
fn faults_of_the_program_are_its_own() {
    let p = Program::new();
    let fd = p.open(O_RDWR);
    assert_eq!(p.call(__NR_read, &[fd, CODE, 10]), error(Errno::EFAULT));
    assert_eq!(p.call(__NR_write, &[fd, 8, 10]), error(Errno::EFAULT));
    // Only the first 100 bytes are there: the rest of the sector stays as it was.
    let end = DATA + super::DATA_PAGES * 4096 - 100;
    p.w.store(p.t, end, &[0xab; 100]).unwrap();
    assert_eq!(p.call(__NR_pwrite64, &[fd, end, 200, 1000]), 100);
    let expected = [&content()[..1000], &[0xab; 100], &content()[1100..]].concat();
    assert!(p.drive.content() == expected);
}

#[test]
fn others_go_on_while_one_waits_for_it() {
    let p = Program::new();
    let fd = p.open(O_RDONLY);
    let (_, other) = p.w.fork(p.t);
    let at = p.start(__NR_read, &[fd, BUFFER, 10]);
    assert_eq!(p.w.ok(other, __NR_getppid, &[]), 1);
    assert_eq!(p.w.call(other, __NR_pread64, &[fd, BUFFER, 10, 8192]), None);
    assert_eq!(p.w.result(p.t, at), None);
    p.end(true);
    assert_eq!(p.w.result(p.t, at), Some(10));
    p.end(true);
    assert_eq!(p.w.load(other, BUFFER, 10).unwrap(), content()[8192..8202]);
}

#[test]
fn a_signal_waits_until_the_disk_is_done() {
    let p = Program::new();
    let fd = p.open(O_RDONLY);
    let (child, reader) = p.w.fork(p.t);
    assert_eq!(p.w.call(reader, __NR_read, &[fd, BUFFER, 10]), None);
    let at = p.w.regs(reader).rip;
    p.w.ok(p.t, __NR_kill, &[child, SIGSTOP.into()]);
    p.w.ok(p.t, __NR_kill, &[child, SIGCONT.into()]);
    assert_eq!(p.w.result(reader, at), None);
    p.end(true);
    assert_eq!(p.w.result(reader, at), Some(10), "no EINTR");
}

#[test]
fn a_program_that_is_ended_leaves_the_disk_to_others() {
    let p = Program::new();
    let fd = p.open(O_RDWR);
    let (child, writer) = p.w.fork(p.t);
    assert_eq!(p.w.call(writer, __NR_pwrite64, &[fd, BUFFER, 600, 10]), None);
    p.w.ok(p.t, __NR_kill, &[child, SIGKILL.into()]);
    assert!(p.w.is_gone(writer));
    let at = p.start(__NR_pread64, &[fd, BUFFER, 600, 0]);
    // The first answer is to the request of the one that is gone.
    p.end(true);
    assert_eq!(p.w.result(p.t, at), None);
    p.end(true);
    assert_eq!(p.w.result(p.t, at), Some(600));
    assert_eq!(p.bytes(600), content()[..600]);
}

#[test]
fn it_is_made_durable() {
    use crate::disk::Request;
    let p = Program::new();
    let fd = p.open(O_RDWR);
    p.drive.asked();
    for (nr, args) in [(__NR_fsync, &[fd][..]), (__NR_fdatasync, &[fd]), (__NR_sync, &[])] {
        assert_eq!(p.call(nr, args), 0);
        assert_eq!(p.drive.asked(), [Request::Flush], "call {nr}");
    }
    let at = p.start(__NR_fsync, &[fd]);
    p.end(false);
    assert_eq!(p.w.result(p.t, at), Some(error(Errno::EIO) as u64));
    let synchronous = p.open(O_WRONLY | O_DSYNC);
    p.drive.asked();
    assert_eq!(p.call(__NR_write, &[synchronous, BUFFER, 512]), 512);
    assert_eq!(p.drive.asked().last(), Some(&Request::Flush));
}

#[test]
fn programs_ask_what_it_is() {
    let p = Program::new();
    let fd = p.open(O_RDONLY);
    let ask = |request: u32| {
        p.w.store_u64(p.t, BUFFER, 0);
        assert_eq!(p.call(__NR_ioctl, &[fd, request.into(), BUFFER]), 0, "{request:#x}");
        p.w.load_u64(p.t, BUFFER)
    };
    assert_eq!((ask(BLKGETSIZE64), ask(BLKGETSIZE)), (SIZE as u64, SIZE as u64 / 512));
    assert_eq!((ask(BLKSSZGET), ask(BLKPBSZGET), ask(BLKBSZGET), ask(BLKROGET)), (512, 512, 2048, 0));
    assert_eq!(p.call(__NR_ioctl, &[fd, BLKFLSBUF.into(), 0]), 0);
    assert_eq!(p.call(__NR_ioctl, &[fd, BLKDISCARD.into(), BUFFER]), error(Errno::ENOTTY));
    assert_eq!(p.call(__NR_ioctl, &[fd, BLKGETSIZE64.into(), CODE]), error(Errno::EFAULT));
    assert_eq!(p.call(__NR_ioctl, &[0, BLKGETSIZE64.into(), BUFFER]), error(Errno::ENOTTY));
}

#[test]
fn one_that_cannot_be_written_to_can_be_opened() {
    let p = Program::with(MockDrive::read_only(content(), ROOM));
    let fd = p.open(O_RDWR);
    assert_eq!(p.call(__NR_write, &[fd, BUFFER, 512]), error(Errno::EPERM));
    assert_eq!(p.call(__NR_fsync, &[fd]), 0);
    assert_eq!(p.call(__NR_ioctl, &[fd, BLKROGET.into(), BUFFER]), 0);
    assert_eq!(p.w.load_u32(p.t, BUFFER), 1);
}

#[test]
fn only_a_block_device_of_its_number_is_the_disk() {
    let p = Program::new();
    let make = |path: &str, mode: u32, number: u64| {
        p.w.store(p.t, PATH, &[path.as_bytes(), b"\0"].concat()).unwrap();
        assert_eq!(p.call(__NR_mknod, &[PATH, mode.into(), number]), 0);
        p.open_at(path, O_RDONLY)
    };
    assert!(make("/tmp/same", S_IFBLK | 0o600, 254 << 8) >= 0);
    assert_eq!(make("/tmp/other", S_IFBLK | 0o600, 254 << 8 | 1), error(Errno::ENXIO));
    assert_eq!(make("/tmp/character", S_IFCHR | 0o600, 254 << 8), error(Errno::ENXIO));
}

#[test]
fn without_a_disk_there_is_no_file() {
    let (w, t) = World::new();
    w.store(t, PATH, b"/dev/vda\0").unwrap();
    assert_eq!(w.err(t, __NR_open, &[PATH, 0, 0]), i64::from(Errno::ENOENT.number()));
    assert_eq!(w.ok(t, __NR_sync, &[]), 0);
}
