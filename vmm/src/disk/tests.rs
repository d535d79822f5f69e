use super::*;
use devices::virtio::block::{Backend, Block, Failure, Finished, Operation};
use devices::virtio::mock::{DATA, Driver, ram};
use devices::virtio::{Memory, Range};
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tempfile::NamedTempFile;
use vm_memory::{Bytes, GuestAddress};

const SIZE: u64 = 1 << 20;

/// Both ways of doing it, as far as this host's kernel goes along.
fn engines() -> Vec<Engine> {
    match io_uring::IoUring::new(1) {
        Ok(_) => vec![Engine::Ring, Engine::Threads],
        Err(error) => {
            eprintln!("no io_uring here, only threads are tested: {error}");
            vec![Engine::Threads]
        }
    }
}

fn options(path: &Path, engine: Engine) -> DiskOptions {
    DiskOptions { path: path.into(), read_only: false, serial: None, direct: false, engine }
}

fn file(size: u64) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    file.as_file().set_len(size).unwrap();
    file
}

fn open(options: DiskOptions) -> Result<Image, String> {
    Image::open(options, "disk0").map_err(|error| error.to_string())
}

/// A disk in a file, with the guest's memory.
struct Rig {
    file: NamedTempFile,
    memory: Memory,
    disk: HostDisk,
}

impl Rig {
    fn new(engine: Engine) -> Self {
        Self::with(file(SIZE), |options| options.engine = engine)
    }

    fn with(file: NamedTempFile, change: impl FnOnce(&mut DiskOptions)) -> Self {
        let mut options = options(file.path(), Engine::Auto);
        change(&mut options);
        let memory = ram();
        let disk = HostDisk::new(open(options).unwrap(), memory.clone()).unwrap();
        Self { file, memory, disk }
    }

    /// Does all of `operations`, with the slots 0, 1, …; their results.
    fn all(&mut self, operations: Vec<Operation>) -> Vec<Result<(), Failure>> {
        let mut results = vec![None; operations.len()];
        for (slot, operation) in (0..).zip(operations) {
            self.disk.submit(slot, &operation);
        }
        self.disk.start();
        while results.iter().any(Option::is_none) {
            match self.disk.finished() {
                Some(Finished { slot, result }) => {
                    let before = results[usize::from(slot)].replace(result);
                    assert_eq!(before, None, "slot {slot} has finished twice");
                }
                None => wait(&self.disk),
            }
        }
        assert_eq!(self.disk.finished(), None);
        results.into_iter().flatten().collect()
    }

    fn one(&mut self, operation: Operation) -> Result<(), Failure> {
        self.all(vec![operation])[0]
    }

    fn contents(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.file.seek(SeekFrom::Start(0)).unwrap();
        self.file.read_to_end(&mut bytes).unwrap();
        bytes
    }
}

/// Waits until the disk says that it is ready.
#[track_caller]
fn wait(disk: &HostDisk) {
    wait_for(&mut File::from(disk.ready().unwrap()));
}

#[track_caller]
fn wait_for(ready: &mut File) {
    let mut poll = libc::pollfd { fd: ready.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: `poll` is one pollfd.
    let count = unsafe { libc::poll(&mut poll, 1, 60_000) };
    assert_eq!(count, 1, "nothing has become ready within a minute");
    ready.read_exact(&mut [0; 8]).unwrap();
}

fn ranges(list: &[(u64, u32)]) -> Vec<Range> {
    list.iter().map(|&(addr, len)| Range { addr: GuestAddress(addr), len }).collect()
}

fn read(offset: u64, into: &[(u64, u32)]) -> Operation {
    Operation::Read { offset, into: ranges(into) }
}

fn write(offset: u64, from: &[(u64, u32)]) -> Operation {
    Operation::Write { offset, from: ranges(from), durable: false }
}

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|n| ((n + seed) * 31 % 253) as u8).collect()
}

#[test]
fn data_goes_to_the_file_and_back() {
    for engine in engines() {
        let mut rig = Rig::new(engine);
        let data = pattern(8192, 1);
        rig.memory.write_slice(&data, GuestAddress(0x1001)).unwrap();
        assert_eq!(rig.one(write(1024, &[(0x1001, 1), (0x1002, 4000), (0x1001 + 4001, 4191)])), Ok(()));
        assert_eq!(rig.contents()[1024..1024 + 8192], data);
        assert_eq!(rig.one(read(1536, &[(0x8000, 100), (0x9000, 7580)])), Ok(()));
        let mut back = vec![0; 7680];
        rig.memory.read_slice(&mut back[..100], GuestAddress(0x8000)).unwrap();
        rig.memory.read_slice(&mut back[100..], GuestAddress(0x9000)).unwrap();
        assert_eq!(back, data[512..]);
        assert_eq!(rig.one(Operation::Flush), Ok(()));
        let durable = Operation::Write { offset: 0, from: ranges(&[(0x1001, 512)]), durable: true };
        assert_eq!(rig.one(durable), Ok(()));
        assert_eq!(rig.contents()[..512], data[..512]);
        assert_eq!(rig.contents().len() as u64, SIZE);
    }
}

#[test]
fn many_operations_are_each_done_once() {
    for engine in engines() {
        let mut rig = Rig::new(engine);
        let data = pattern(SIZE as usize, 2);
        rig.memory.write_slice(&data, GuestAddress(0)).unwrap();
        // More at a time than io_uring's queue has entries.
        let sectors = SIZE / 512;
        let writes = (0..sectors).map(|n| write(n * 512, &[(n * 512, 512)])).collect();
        assert!(rig.all(writes).iter().all(Result::is_ok), "{engine:?}");
        assert!(rig.contents() == data, "{engine:?}");
        let reads = (0..sectors).rev().map(|n| read(n * 512, &[(SIZE + n * 512, 512)])).collect();
        assert!(rig.all(reads).iter().all(Result::is_ok), "{engine:?}");
        let mut back = vec![0; SIZE as usize];
        rig.memory.read_slice(&mut back, GuestAddress(SIZE)).unwrap();
        assert!(back == data, "{engine:?}");
    }
}

#[test]
fn a_file_that_shrinks_gives_errors_and_one_that_grows_again_does_not() {
    for engine in engines() {
        let mut rig = Rig::new(engine);
        rig.file.as_file().set_len(4096 + 100).unwrap();
        let results = rig.all(vec![
            read(0, &[(0, 4096)]),
            read(4096, &[(0x2000, 512)]),
            read(8192, &[(0x3000, 512)]),
            read(0, &[(0x4000, 1 << 20)]),
        ]);
        assert_eq!(results, [Ok(()), Err(Failure), Err(Failure), Err(Failure)], "{engine:?}");
        rig.file.as_file().set_len(SIZE).unwrap();
        assert_eq!(rig.one(read(8192, &[(0x3000, 512)])), Ok(()));
    }
}

#[test]
fn zeros_are_zeros_wherever_they_begin_and_end() {
    for engine in engines() {
        for unmap in [false, true] {
            let mut rig = Rig::new(engine);
            rig.file.write_all(&vec![7; SIZE as usize]).unwrap();
            let (offset, len) = (512 * 3, 512 * 700);
            let zeroes = Operation::WriteZeroes { offset, len, unmap, durable: true };
            assert_eq!(rig.one(zeroes), Ok(()));
            let contents = rig.contents();
            let (from, to) = (offset as usize, (offset + len) as usize);
            assert!(contents[..from].iter().all(|&b| b == 7) && contents[to..].iter().all(|&b| b == 7));
            assert!(contents[from..to].iter().all(|&b| b == 0));
            assert_eq!(contents.len() as u64, SIZE);
        }
    }
}

#[test]
fn zeros_can_be_written_where_a_file_system_cannot_make_them() {
    let mut rig = Rig::new(Engine::Threads);
    rig.file.write_all(&vec![7; SIZE as usize]).unwrap();
    perform::fill(rig.file.as_file(), 512, 200_704).unwrap();
    let contents = rig.contents();
    assert!(contents[512..512 + 200_704].iter().all(|&b| b == 0));
    assert_eq!((contents[511], contents[512 + 200_704], contents.len() as u64), (7, 7, SIZE));
}

#[test]
fn what_is_discarded_gives_up_its_room() {
    for engine in engines() {
        let mut rig = Rig::new(engine);
        rig.file.write_all(&vec![7; SIZE as usize]).unwrap();
        rig.file.as_file().sync_all().unwrap();
        let before = rig.file.as_file().metadata().unwrap().blocks();
        assert_eq!(rig.one(Operation::Discard { offset: 0, len: SIZE / 2 }), Ok(()));
        let contents = rig.contents();
        assert!(contents[SIZE as usize / 2..].iter().all(|&b| b == 7));
        // Where the file system has no holes, nothing happens, and that is right too.
        let after = rig.file.as_file().metadata().unwrap().blocks();
        assert!(after < before || contents[0] == 7, "{before} blocks, then {after}");
    }
}

#[test]
fn past_the_page_cache_anything_can_be_read_and_written_too() {
    for engine in engines() {
        let file = file(SIZE);
        let wanted = DiskOptions { direct: true, ..options(file.path(), engine) };
        if let Err(error) = open(wanted) {
            assert!(error.contains("no way past the page cache"), "{error}");
            return;
        }
        let mut rig = Rig::with(file, |options| (options.direct, options.engine) = (true, engine));
        assert_eq!(rig.disk.disk().block, 4096);
        let data = pattern(SIZE as usize, 3);
        rig.memory.write_slice(&data, GuestAddress(0)).unwrap();
        // Aligned; not aligned in memory; not on the disk; not in length.
        let writes = vec![
            write(0, &[(0, 0x4000), (0x4000, 0x1000)]),
            write(0x5000, &[(0x5000, 0x3001), (0x8001, 0xfff)]),
            write(0x9000, &[(0x9000, 0x200)]),
            write(0x9200, &[(0x9200, SIZE as u32 - 0x9200)]),
        ];
        assert_eq!(rig.all(writes), [Ok(()); 4], "{engine:?}");
        assert!(rig.contents() == data, "{engine:?}");
        let reads = vec![read(0, &[(SIZE, 0x8000)]), read(0x8000, &[(SIZE + 0x8000, SIZE as u32 - 0x8000)])];
        assert_eq!(rig.all(reads), [Ok(()); 2], "{engine:?}");
        let mut back = vec![0; SIZE as usize];
        rig.memory.read_slice(&mut back, GuestAddress(SIZE)).unwrap();
        assert!(back == data, "{engine:?}");
    }
}

#[test]
fn after_draining_nothing_touches_the_memory() {
    for engine in engines() {
        let mut rig = Rig::new(engine);
        rig.file.write_all(&vec![7; SIZE as usize]).unwrap();
        for slot in 0..256u16 {
            rig.disk.submit(slot, &read(u64::from(slot) * 4096, &[(u64::from(slot) * 4096, 4096)]));
        }
        rig.disk.start();
        rig.disk.drain();
        rig.memory.write_slice(&vec![1; SIZE as usize], GuestAddress(0)).unwrap();
        assert_eq!(rig.disk.finished(), None);
        // The next finds no trace of them.
        assert_eq!(rig.one(Operation::Flush), Ok(()));
        let mut bytes = vec![0; SIZE as usize];
        rig.memory.read_slice(&mut bytes, GuestAddress(0)).unwrap();
        assert!(bytes.iter().all(|&b| b == 1), "{engine:?}");
    }
}

#[test]
fn a_driver_s_requests_arrive_in_the_file() {
    for engine in engines() {
        let file = file(SIZE);
        let memory = ram();
        let image = open(options(file.path(), engine)).unwrap();
        let disk = HostDisk::new(image, memory.clone()).unwrap();
        let mut ready = File::from(disk.ready().unwrap());
        let mut driver = Driver::on(memory, Box::new(Block::new(disk)));
        driver.set_up(u64::MAX);
        // 100 writes of 4 KiB, one doorbell.
        for n in 0..100u64 {
            let at = DATA + n * 0x4000;
            driver.store(at, &[1, 0, 0, 0, 0, 0, 0, 0]);
            driver.store(at + 8, &(n * 8).to_le_bytes());
            driver.store(at + 16, &[0xee]);
            driver.store(at + 0x1000, &pattern(4096, n as usize));
            driver.put(0, &[(at, 16), (at + 0x1000, 4096)], &[(at + 16, 1)]);
            if n % 80 == 79 {
                driver.ring(0);
            }
        }
        driver.ring(0);
        let mut answers = 0;
        while answers < 100 {
            while driver.take(0).is_some() {
                answers += 1;
            }
            if answers < 100 {
                wait_for(&mut ready);
                driver.mmio.ready(0);
            }
        }
        let contents = fs::read(file.path()).unwrap();
        for n in 0..100 {
            assert_eq!(driver.load(DATA + n * 0x4000 + 16, 1), [0], "status of {n}");
            assert!(contents[n as usize * 4096..][..4096] == pattern(4096, n as usize)[..], "{engine:?} {n}");
        }
    }
}

#[test]
fn what_cannot_be_a_disk_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::write(path("empty"), "").unwrap();
    fs::write(path("odd"), [0; 1000]).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
    for (name, says) in [
        ("absent", "not found"),
        ("empty/below", "not found"),
        (".", "a folder"),
        ("empty", "empty"),
        ("odd", "1000 bytes are no multiple of 512"),
        ("socket", "a socket"),
        ("/dev/null", "a character device"),
    ] {
        let error = Image::open(options(&path(name), Engine::Auto), "").unwrap_err();
        assert!(error.to_string().contains(says) && error.to_string().starts_with("disk /"), "{error}");
        assert_eq!(error.status(), if says == "not found" { 127 } else { 125 });
    }
    let direct = DiskOptions { direct: true, ..options(file(4096 + 512).path(), Engine::Auto) };
    assert!(open(direct).unwrap_err().contains("not found"), "the file is gone by now");
    let file = file(4096 + 512);
    let direct = DiskOptions { direct: true, ..options(file.path(), Engine::Auto) };
    assert!(open(direct).unwrap_err().contains("no multiple of 4096"));
}

#[test]
fn a_file_that_is_in_use_is_refused() {
    let file = file(SIZE);
    let wanted = |read_only| DiskOptions { read_only, ..options(file.path(), Engine::Auto) };
    let writer = open(wanted(false)).unwrap();
    assert!(open(wanted(false)).unwrap_err().contains("has it open"));
    assert!(open(wanted(true)).unwrap_err().contains("writes it"));
    drop(writer);
    let readers = [open(wanted(true)).unwrap(), open(wanted(true)).unwrap()];
    assert!(readers.iter().all(|image| image.disk.read_only));
    assert!(open(wanted(false)).unwrap_err().contains("has it open"));
}

#[test]
fn the_disk_s_name_is_what_was_given_or_else_its_place() {
    let file = file(SIZE);
    let named = DiskOptions { serial: Some("mine".into()), ..options(file.path(), Engine::Auto) };
    assert_eq!(open(named).unwrap().disk.serial, b"mine");
    let image = open(options(file.path(), Engine::Auto)).unwrap();
    assert_eq!((image.disk.serial.as_slice(), image.disk.size), (&b"disk0"[..], SIZE));
}

/// Overwrites the device!
#[test]
#[ignore = "needs a block device of at least 1 MiB: UKVMM_TEST_DEVICE=/dev/loop0"]
fn a_block_device_is_a_disk() {
    let path = std::env::var_os("UKVMM_TEST_DEVICE").expect("UKVMM_TEST_DEVICE names a block device");
    for engine in engines() {
        for direct in [false, true] {
            let memory = ram();
            let wanted = DiskOptions { direct, ..options(Path::new(&path), engine) };
            let image = open(wanted).unwrap();
            assert!(image.is_device && image.disk.size >= SIZE && image.disk.block >= 512);
            let disk = HostDisk::new(image, memory.clone()).unwrap();
            let mut rig = Rig { file: file(0), memory, disk };
            let data = pattern(0x8000, 4);
            rig.memory.write_slice(&data, GuestAddress(0x1001)).unwrap();
            let zeroes =
                |unmap, offset| Operation::WriteZeroes { offset, len: 0x8000, unmap, durable: false };
            assert_eq!(rig.one(write(0, &[(0x1001, 0x3000), (0x4001, 0x5000)])), Ok(()));
            assert_eq!(rig.all(vec![zeroes(false, 0x10000), zeroes(true, 0x20000)]), [Ok(()); 2]);
            assert_eq!(rig.one(Operation::Discard { offset: 0x8000, len: 0x8000 }), Ok(()));
            assert_eq!(rig.one(Operation::Flush), Ok(()));
            let into = 0x10_0000;
            let reads = vec![
                read(0, &[(into, 0x8000)]),
                read(0x10000, &[(into + 0x8000, 0x8000)]),
                read(0x20000, &[(into + 0x10000, 0x8000)]),
            ];
            assert_eq!(rig.all(reads), [Ok(()); 3]);
            let mut back = vec![1; 0x18000];
            rig.memory.read_slice(&mut back, GuestAddress(into)).unwrap();
            assert!(back[..0x8000] == data && back[0x8000..] == [0; 0x10000], "{engine:?}");
            assert_eq!(rig.one(read(rig.disk.disk().size - 512, &[(0, 512)])), Ok(()));
        }
    }
}

/// Has io_uring_setup fail with EPERM in this thread, as a container's rules may.
fn forbid_io_uring() {
    let load_number = libc::sock_filter { code: 0x20, jt: 0, jf: 0, k: 0 };
    let is_it = libc::sock_filter { code: 0x15, jt: 0, jf: 1, k: libc::SYS_io_uring_setup as u32 };
    let answer = |k| libc::sock_filter { code: 0x06, jt: 0, jf: 0, k };
    let denied = answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32);
    let mut rules = [load_number, is_it, denied, answer(libc::SECCOMP_RET_ALLOW)];
    let program = libc::sock_fprog { len: rules.len() as u16, filter: rules.as_mut_ptr() };
    // SAFETY: the calls are about this thread alone, and `program` is a valid one, which is only read.
    let failed = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            | libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &program)
    };
    assert_eq!(failed, 0);
}

#[test]
fn a_kernel_that_refuses_io_uring_is_no_reason_to_give_up() {
    let forbidden = || {
        forbid_io_uring();
        let mut rig = Rig::new(Engine::Auto);
        rig.memory.write_slice(b"written by a thread", GuestAddress(0)).unwrap();
        assert_eq!(rig.all(vec![write(0, &[(0, 512)]), Operation::Flush]), [Ok(()); 2]);
        assert!(rig.contents().starts_with(b"written by a thread"));
        let other = file(SIZE);
        let image = open(options(other.path(), Engine::Ring)).unwrap();
        HostDisk::new(image, ram()).map(drop).unwrap_err().to_string()
    };
    let error = std::thread::spawn(forbidden).join().unwrap();
    assert!(
        error.contains("io=uring: this host's kernel offers no io_uring to us (Operation not"),
        "{error}"
    );
}
