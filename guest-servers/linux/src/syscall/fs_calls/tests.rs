//! Calls on files, as programs make them.

use crate::errno::Errno;
use crate::syscall::table;
use crate::tests::{CODE, DATA, World, elf};
use linux_raw_sys::general::*;
use proptest::prelude::*;
use ukernel_abi::ThreadId;

/// Places in the program's memory.
const PATH: u64 = DATA + 0x1000;
const PATH2: u64 = DATA + 0x1800;
const BUFFER: u64 = DATA + 0x2000;
const CWD: u64 = AT_FDCWD as u64;

struct Program {
    w: World,
    t: ThreadId,
}

impl Program {
    fn new() -> Self {
        Self::on(World::new())
    }
    fn on((w, t): (World, ThreadId)) -> Self {
        Self { w, t }
    }
    fn put(&self, at: u64, text: &str) -> u64 {
        self.w.store(self.t, at, &[text.as_bytes(), b"\0"].concat()).unwrap();
        at
    }
    fn path(&self, text: &str) -> u64 {
        self.put(PATH, text)
    }
    fn ok(&self, nr: u32, args: &[u64]) -> u64 {
        self.w.ok(self.t, nr, args)
    }
    fn fails(&self, nr: u32, args: &[u64], error: Errno) {
        assert_eq!(self.w.err(self.t, nr, args).unsigned_abs(), u64::from(error.number()), "call {nr}");
    }
    fn bytes(&self, at: u64, len: usize) -> Vec<u8> {
        self.w.load(self.t, at, len).unwrap()
    }
    fn open(&self, path: &str, flags: u32) -> u64 {
        self.ok(__NR_openat, &[CWD, self.path(path), flags.into(), 0o644])
    }
    fn write(&self, fd: u64, text: &str) -> u64 {
        self.put(BUFFER, text);
        self.ok(__NR_write, &[fd, BUFFER, text.len() as u64])
    }
    fn read(&self, fd: u64, len: u64) -> String {
        let n = self.ok(__NR_read, &[fd, BUFFER, len]) as usize;
        String::from_utf8(self.bytes(BUFFER, n)).unwrap()
    }
    fn pipe(&self) -> (u64, u64) {
        self.ok(__NR_pipe2, &[BUFFER, 0]);
        (self.w.load_u32(self.t, BUFFER).into(), self.w.load_u32(self.t, BUFFER + 4).into())
    }
    /// Starts a call that waits. Returns where its result is to be looked for.
    fn start(&self, nr: u32, args: &[u64]) -> u64 {
        assert_eq!(self.w.call(self.t, nr, args), None);
        self.w.machine.thread(self.t).unwrap().state.regs.rip
    }
}

#[test]
fn nobody_looks_at_what_goes_to_null() {
    let p = Program::new();
    let null = p.open("/dev/null", O_WRONLY);
    assert_eq!(p.ok(__NR_write, &[null, 8, 100]), 100, "from an address where nothing is");
    for (n, word) in [8, 100, BUFFER, 20].into_iter().enumerate() {
        p.w.store_u64(p.t, BUFFER + 8 * n as u64, word);
    }
    assert_eq!(p.ok(__NR_writev, &[null, BUFFER, 2]), 120);
}

#[test]
fn a_file_is_written_read_and_measured() {
    let p = Program::new();
    let fd = p.open("/tmp/f", O_CREAT | O_RDWR);
    assert_eq!(fd, 3);
    assert_eq!(p.write(fd, "hello world"), 11);
    assert_eq!(p.ok(__NR_lseek, &[fd, 6, SEEK_SET.into()]), 6);
    assert_eq!(p.read(fd, 100), "world");
    assert_eq!(p.ok(__NR_pread64, &[fd, BUFFER, 5, 0]), 5);
    assert_eq!(p.bytes(BUFFER, 5), b"hello");
    p.fails(__NR_pread64, &[fd, BUFFER, 5, u64::MAX], Errno::EINVAL);
    p.ok(__NR_fstat, &[fd, BUFFER]);
    // st_mode and st_size, at their places in struct stat.
    assert_eq!((p.w.load_u32(p.t, BUFFER + 24), p.w.load_u64(p.t, BUFFER + 48)), (0o100_644, 11));
    p.ok(__NR_newfstatat, &[fd, p.path(""), BUFFER, AT_EMPTY_PATH.into()]);
    p.fails(__NR_newfstatat, &[fd, p.path(""), BUFFER, 0x4000_0000], Errno::EINVAL);
    p.ok(__NR_ftruncate, &[fd, 5]);
    assert_eq!(p.ok(__NR_lseek, &[fd, 0, SEEK_END.into()]), 5);
    p.ok(__NR_close, &[fd]);
    p.fails(__NR_close, &[fd], Errno::EBADF);
    p.fails(__NR_read, &[fd, BUFFER, 1], Errno::EBADF);
}

#[test]
fn vectors_and_faults_in_them() {
    let p = Program::new();
    let fd = p.open("/tmp/f", O_CREAT | O_RDWR);
    p.put(BUFFER, "onetwo");
    for (i, word) in [BUFFER, 3, 8, 5, BUFFER + 3, 3].into_iter().enumerate() {
        p.w.store_u64(p.t, PATH2 + 8 * i as u64, word);
    }
    // The second of three buffers is bad: what came before it counts.
    assert_eq!(p.ok(__NR_writev, &[fd, PATH2, 3]), 3);
    p.fails(__NR_writev, &[fd, PATH2 + 16, 1], Errno::EFAULT);
    p.fails(__NR_writev, &[fd, PATH2, 1025], Errno::EINVAL);
    assert_eq!(p.ok(__NR_writev, &[fd, PATH2 + 32, 1]), 3);
    p.ok(__NR_lseek, &[fd, 0, 0]);
    assert_eq!(p.read(fd, 10), "onetwo");
    // Code cannot be read into.
    p.ok(__NR_lseek, &[fd, 0, 0]);
    p.fails(__NR_read, &[fd, CODE, 6], Errno::EFAULT);
}

#[test]
fn names_are_made_listed_and_removed() {
    let p = Program::new();
    p.ok(__NR_mkdir, &[p.path("/tmp/d"), 0o777]);
    p.ok(__NR_chdir, &[PATH]);
    for i in 0..100 {
        let fd = p.open(&format!("file-{i:03}"), O_CREAT | O_WRONLY);
        p.ok(__NR_close, &[fd]);
    }
    let dir = p.open(".", O_RDONLY | O_DIRECTORY);
    let mut names = Vec::new();
    loop {
        let n = p.ok(__NR_getdents64, &[dir, BUFFER, 200]) as usize;
        if n == 0 {
            break;
        }
        let records = p.bytes(BUFFER, n);
        let mut at = 0;
        while at < n {
            let len = usize::from(u16::from_le_bytes([records[at + 16], records[at + 17]]));
            let name: Vec<u8> = records[at + 19..at + len].iter().copied().take_while(|&b| b != 0).collect();
            names.push(String::from_utf8(name).unwrap());
            at += len;
        }
    }
    names.sort();
    assert_eq!(names.len(), 102);
    assert_eq!((names[0].as_str(), names[101].as_str()), (".", "file-099"));
    p.ok(__NR_lseek, &[dir, 0, 0]);
    p.fails(__NR_getdents64, &[dir, BUFFER, 10], Errno::EINVAL);
    p.fails(__NR_getdents64, &[0, BUFFER, 100], Errno::ENOTDIR);

    assert_eq!(p.ok(__NR_getcwd, &[BUFFER, 100]), 7);
    assert_eq!(p.bytes(BUFFER, 7), b"/tmp/d\0");
    p.fails(__NR_getcwd, &[BUFFER, 6], Errno::ERANGE);
    p.ok(__NR_rename, &[p.path("file-001"), p.put(PATH2, "../moved")]);
    p.ok(__NR_symlink, &[p.path("/tmp/moved"), p.put(PATH2, "link")]);
    assert_eq!(p.ok(__NR_readlink, &[PATH2, BUFFER, 4]), 4);
    assert_eq!(p.bytes(BUFFER, 4), b"/tmp");
    p.fails(__NR_readlink, &[PATH2, BUFFER, 0], Errno::EINVAL);
    p.ok(__NR_unlinkat, &[dir, p.path("file-002"), 0]);
    p.fails(__NR_unlinkat, &[dir, PATH, 0], Errno::ENOENT);
    p.fails(__NR_unlinkat, &[dir, p.path("../d"), AT_REMOVEDIR.into()], Errno::ENOTEMPTY);
}

#[test]
fn a_read_of_a_pipe_waits_for_its_writer() {
    let p = Program::new();
    let (r, wr) = p.pipe();
    let (_, child) = p.w.fork(p.t);
    let at = p.start(__NR_read, &[r, BUFFER, 10]);
    p.w.store(child, BUFFER, b"from child").unwrap();
    assert_eq!(p.w.ok(child, __NR_write, &[wr, BUFFER, 10]), 10);
    assert_eq!(p.w.result(p.t, at), Some(10));
    assert_eq!(p.bytes(BUFFER, 10), b"from child");
    // The end comes when the last writer is gone, however it goes.
    p.ok(__NR_close, &[wr]);
    let at = p.start(__NR_read, &[r, BUFFER, 10]);
    p.w.call(child, __NR_exit_group, &[0]);
    assert_eq!(p.w.result(p.t, at), Some(0));
}

#[test]
fn descriptors_are_duplicated_and_marked() {
    let p = Program::new();
    let fd = p.open("/tmp/f", O_CREAT | O_RDWR | O_CLOEXEC);
    assert_eq!(p.ok(__NR_fcntl, &[fd, F_GETFD.into()]), 1);
    assert_eq!(p.ok(__NR_fcntl, &[fd, F_GETFL.into()]), u64::from(O_RDWR) | 0o100_000);
    assert_eq!(p.ok(__NR_fcntl, &[fd, F_DUPFD.into(), 10]), 10);
    assert_eq!(p.ok(__NR_fcntl, &[10, F_GETFD.into()]), 0);
    assert_eq!(p.ok(__NR_dup2, &[fd, 20]), 20);
    assert_eq!(p.ok(__NR_dup2, &[fd, fd]), fd);
    p.fails(__NR_dup3, &[fd, fd, 0], Errno::EINVAL);
    p.fails(__NR_dup2, &[99, 99], Errno::EBADF);
    p.fails(__NR_fcntl, &[fd, F_DUPFD.into(), u64::MAX], Errno::EINVAL);
    p.fails(__NR_fcntl, &[fd, 9999], Errno::EINVAL);
    let limit = p.w.ok(p.t, __NR_dup, &[fd]);
    assert_eq!(limit, 4);
    let opened = (0..).take_while(|_| (p.w.call(p.t, __NR_dup, &[fd]).unwrap() as i64) > 0).count();
    assert_eq!(opened, 1024 - 7);
    p.fails(__NR_dup, &[fd], Errno::EMFILE);
    p.fails(__NR_pipe, &[BUFFER], Errno::EMFILE);
    p.ok(__NR_close_range, &[3, u64::from(u32::MAX), 0]);
    assert_eq!(p.ok(__NR_pipe, &[BUFFER]), 0);
    // A pipe whose numbers cannot be told is not there.
    p.fails(__NR_pipe, &[8], Errno::EFAULT);
    assert_eq!(p.ok(__NR_dup, &[0]), 5);
}

#[test]
fn poll_and_select_wait_and_time_out() {
    let p = Program::new();
    let (r, wr) = p.pipe();
    let entry = |fd: u64, events: u32| fd | u64::from(events) << 32;
    p.w.store_u64(p.t, PATH2, entry(r, POLLIN));
    p.w.store_u64(p.t, PATH2 + 8, entry(u64::from(u32::MAX), POLLIN));
    p.w.store_u64(p.t, PATH2 + 16, entry(77, POLLIN));
    assert_eq!(p.ok(__NR_poll, &[PATH2, 2, 0]), 0);
    assert_eq!(p.ok(__NR_poll, &[PATH2, 3, u64::MAX]), 1);
    assert_eq!(p.w.load_u64(p.t, PATH2 + 16), entry(77, POLLIN) | u64::from(POLLNVAL) << 48);
    p.fails(__NR_poll, &[PATH2, 100_000, 0], Errno::EINVAL);

    let at = p.start(__NR_poll, &[PATH2, 1, 50]);
    p.w.sleep(50_000_000);
    assert_eq!(p.w.result(p.t, at), Some(0));
    p.write(wr, "x");
    assert_eq!(p.ok(__NR_poll, &[PATH2, 1, u64::MAX]), 1);

    // select: the reading end in the first set, a timeout that is written back.
    p.w.store_u64(p.t, BUFFER, 1 << r);
    p.w.store_u64(p.t, BUFFER + 8, 1 << wr);
    for (at, value) in [(16, 5), (24, 0)] {
        p.w.store_u64(p.t, BUFFER + at, value);
    }
    assert_eq!(p.ok(__NR_select, &[wr + 1, BUFFER, BUFFER + 8, 0, BUFFER + 16]), 2);
    assert_eq!((p.w.load_u64(p.t, BUFFER), p.w.load_u64(p.t, BUFFER + 8)), (1 << r, 1 << wr));
    p.w.store_u64(p.t, BUFFER, 1 << 60);
    p.fails(__NR_select, &[64, BUFFER, 0, 0, 0], Errno::EBADF);
    p.fails(__NR_select, &[u64::from(u32::MAX), 0, 0, 0, 0], Errno::EINVAL);
}

#[test]
fn copies_inside_the_server() {
    let p = Program::new();
    let from = p.open("/tmp/from", O_CREAT | O_RDWR);
    let text = "0123456789".repeat(400);
    p.write(from, &text);
    let to = p.open("/tmp/to", O_CREAT | O_RDWR);
    p.w.store_u64(p.t, PATH2, 10);
    assert_eq!(p.ok(__NR_sendfile, &[to, from, PATH2, 100_000]), 3990);
    assert_eq!(p.w.load_u64(p.t, PATH2), 4000);
    p.ok(__NR_lseek, &[from, 0, 0]);
    assert_eq!(p.ok(__NR_copy_file_range, &[from, 0, to, 0, 10, 0]), 10);
    p.ok(__NR_lseek, &[to, 3985, 0]);
    assert_eq!(p.read(to, 100), "567890123456789");
    let (r, wr) = p.pipe();
    p.fails(__NR_sendfile, &[to, r, 0, 10], Errno::EINVAL);
    p.ok(__NR_lseek, &[from, 0, 0]);
    assert_eq!(p.ok(__NR_sendfile, &[wr, from, 0, 5]), 5);
    assert_eq!(p.read(r, 10), "01234");
    p.fails(__NR_copy_file_range, &[from, 0, from, 0, 10, 0], Errno::EINVAL);
}

#[test]
fn terminals_are_not_what_these_streams_are() {
    let p = Program::new();
    // TCGETS
    p.fails(__NR_ioctl, &[0, 0x5401, BUFFER], Errno::ENOTTY);
    let (r, wr) = p.pipe();
    p.write(wr, "12345");
    p.ok(__NR_ioctl, &[r, linux_raw_sys::ioctl::FIONREAD.into(), BUFFER]);
    assert_eq!(p.w.load_u32(p.t, BUFFER), 5);
    p.fails(__NR_ioctl, &[r, 0xdead_beef, 0], Errno::ENOTTY);
}

#[test]
fn writing_to_nobody_is_a_signal() {
    let p = Program::new();
    let (r, wr) = p.pipe();
    p.ok(__NR_close, &[r]);
    p.w.call(p.t, __NR_write, &[wr, BUFFER, 1]);
    assert!(p.w.is_gone(p.t), "SIGPIPE ends a program");
}

/// Values that arguments of hostile programs have.
fn argument() -> impl Strategy<Value = u64> {
    prop_oneof![
        prop::sample::select(vec![
            0,
            1,
            2,
            3,
            8,
            PATH,
            PATH2,
            BUFFER,
            BUFFER + 4090,
            DATA + 8 * 4096 - 3,
            CODE,
            CWD,
            4096,
            u64::MAX,
            1 << 63,
            i64::MAX as u64,
            0x7fff_ffff_f000,
            0xffff_8000_0000_0000,
            u64::from(u32::MAX),
            1 << 31,
        ]),
        0..10u64,
        any::<u64>(),
    ]
}

/// The numbers of the calls on files.
fn numbers() -> Vec<u32> {
    let families = [
        super::OPEN,
        super::FCNTL,
        super::TRANSFER,
        super::COPY,
        super::NAMES,
        super::ATTRIBUTES,
        super::LISTING,
        super::READY,
        super::IOCTL,
    ];
    families.iter().flat_map(|calls| calls.iter().map(|e| e.nr.into())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    /// Whatever a program asks for, the server goes on, and the others with it.
    #[test]
    fn any_arguments(
        calls in prop::collection::vec(
            (prop::sample::select(numbers()), prop::array::uniform6(argument())), 1..80)
    ) {
        // A small machine, so that there can be many, and memory runs out too.
        let p = Program::on(World::with(1024, &[("bin/prog", &elf())], &["/bin/prog"]));
        let (_, other) = p.w.fork(p.t);
        let (r, wr) = p.pipe();
        p.write(wr, "some bytes");
        p.open("/tmp/f", O_CREAT | O_RDWR);
        p.open("/tmp", O_RDONLY);
        p.put(PATH2, "/tmp/g");
        p.path("/tmp/f");
        let _ = r;
        for (nr, args) in calls {
            prop_assert!(table::lookup(nr.into()).is_some());
            // One that waits, or is ended by a signal, makes no more calls.
            if p.w.call(p.t, nr, &args).is_none() {
                break;
            }
        }
        prop_assert!(p.w.ok(other, __NR_getpid, &[]) > 1);
        p.w.call(other, __NR_exit_group, &[0]);
    }
}

#[test]
fn a_pair_of_sockets() {
    use linux_raw_sys::net::{AF_INET, AF_UNIX, MSG_DONTWAIT, MSG_PEEK, SOCK_DGRAM, SOCK_SEQPACKET};
    let p = Program::new();
    // As Rust's standard library makes one to start a program.
    let kind = u64::from(SOCK_SEQPACKET | O_CLOEXEC);
    p.ok(__NR_socketpair, &[AF_UNIX.into(), kind, 0, BUFFER]);
    assert_eq!((p.w.load_u32(p.t, BUFFER), p.w.load_u32(p.t, BUFFER + 4)), (3, 4));
    assert_eq!(p.ok(__NR_fcntl, &[4, F_GETFD.into()]), u64::from(FD_CLOEXEC));
    assert_eq!(p.write(4, "8 bytes!"), 8);
    assert_eq!(p.read(3, 8), "8 bytes!");
    p.put(BUFFER, "as a message");
    assert_eq!(p.ok(__NR_sendto, &[3, BUFFER, 12, 0, 0, 0]), 12);
    p.fails(__NR_sendto, &[3, BUFFER, 12, 0, BUFFER, 16], Errno::EISCONN);
    assert_eq!(p.ok(__NR_recvfrom, &[4, BUFFER + 64, 5, 0, BUFFER, BUFFER + 32]), 5);
    assert_eq!((p.bytes(BUFFER + 64, 5), p.w.load_u32(p.t, BUFFER + 32)), (b"as a ".to_vec(), 0));
    p.fails(__NR_recvfrom, &[4, BUFFER, 5, MSG_DONTWAIT.into(), 0, 0], Errno::EAGAIN);
    p.fails(__NR_recvfrom, &[4, BUFFER, 5, MSG_PEEK.into(), 0, 0], Errno::EOPNOTSUPP);
    p.fails(__NR_recvfrom, &[0, BUFFER, 5, 0, 0, 0], Errno::ENOTSOCK);
    p.ok(__NR_close, &[4]);
    assert_eq!(p.ok(__NR_recvfrom, &[3, BUFFER, 8, 0, 0, 0]), 0);
    // Nothing is left of one that could not be told about.
    p.fails(__NR_socketpair, &[AF_UNIX.into(), kind, 0, CODE], Errno::EFAULT);
    p.fails(__NR_close, &[4], Errno::EBADF);
    p.fails(__NR_socketpair, &[AF_INET.into(), kind, 0, BUFFER], Errno::EAFNOSUPPORT);
    p.fails(__NR_socketpair, &[AF_UNIX.into(), SOCK_DGRAM.into(), 0, BUFFER], Errno::ESOCKTNOSUPPORT);
    p.fails(__NR_socketpair, &[AF_UNIX.into(), kind, 7, BUFFER], Errno::EPROTONOSUPPORT);
    p.fails(__NR_socketpair, &[AF_UNIX.into(), 0x100 | kind, 0, BUFFER], Errno::EINVAL);
}
