use super::*;
use devices::virtio::vsock::{Backend, Cid, Event, Stream, Transfer};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Rig {
    host: Host,
    folder: TempDir,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options =
            VsockOptions { cid: Cid::new(3).unwrap(), path: folder.path().join("socket"), via: None };
        Self { host: Host::open(options).unwrap().1, folder }
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.folder.path().join(format!("socket{suffix}"))
    }

    /// The next thing that happens, which must.
    fn next<T>(&mut self, wanted: impl Fn(Event<stream::HostStream>) -> Option<T>) -> T {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(20) {
            while let Some(event) = self.host.poll() {
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("it did not happen");
    }
}

fn wanted(event: Event<stream::HostStream>) -> Option<(stream::HostStream, u32)> {
    match event {
        Event::Wanted { stream, port } => Some((stream, port)),
        Event::Ready(_) => None,
    }
}

fn ready(id: u64) -> impl Fn(Event<stream::HostStream>) -> Option<()> {
    move |event| matches!(event, Event::Ready(other) if other == id).then_some(())
}

#[test]
fn the_guest_connects_to_a_program() {
    let mut rig = Rig::new();
    assert!(rig.host.connect(80).is_none(), "nobody listens");
    let listener = UnixListener::bind(rig.path("_80")).unwrap();
    let mut stream = rig.host.connect(80).unwrap();
    let (mut program, _) = listener.accept().unwrap();
    assert_eq!(stream.write(b"hello"), Transfer::Done(5));
    let mut bytes = [0; 5];
    program.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"hello");
    assert_eq!(stream.read(&mut bytes), Transfer::Blocked);
    while rig.host.poll().is_some() {}
    program.write_all(b"there").unwrap();
    rig.next(ready(stream.id()));
    assert_eq!((stream.read(&mut bytes), &bytes), (Transfer::Done(5), b"there"));
    stream.finish();
    assert_eq!(program.read(&mut bytes).unwrap(), 0);
    drop(program);
    rig.next(ready(stream.id()));
    assert_eq!(stream.read(&mut bytes), Transfer::Closed);
    assert_eq!(stream.write(b"x"), Transfer::Closed);
}

#[test]
fn a_program_that_does_not_accept_is_not_waited_for() {
    let mut rig = Rig::new();
    let _listener = UnixListener::bind(rig.path("_80")).unwrap();
    let mut streams = Vec::new();
    // Longer than any queue of connections is.
    let refused = (0..10_000).any(|_| rig.host.connect(80).map(|stream| streams.push(stream)).is_none());
    assert!(refused);
}

#[test]
fn a_program_connects_to_the_guest() {
    let mut rig = Rig::new();
    let mut program = UnixStream::connect(rig.path("")).unwrap();
    program.write_all(b"CONNECT 22\nearly").unwrap();
    let (mut stream, port) = rig.next(wanted);
    assert_eq!(port, 22);
    stream.accepted(1 << 30);
    let mut answer = [0; 14];
    program.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"OK 1073741824\n");
    let mut bytes = [0; 9];
    assert_eq!((stream.read(&mut bytes), &bytes[..5]), (Transfer::Done(5), &b"early"[..]));
}

#[test]
fn programs_that_talk_nonsense_or_not_at_all_do_not_matter() {
    let mut rig = Rig::new();
    let silent: Vec<_> = (0..100).map(|_| UnixStream::connect(rig.path("")).unwrap()).collect();
    let mut wrong = UnixStream::connect(rig.path("")).unwrap();
    wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut right = UnixStream::connect(rig.path("")).unwrap();
    right.write_all(b"CONNECT 5\n").unwrap();
    assert_eq!(rig.next(wanted).1, 5);
    assert!(matches!(wrong.read(&mut [0; 1]), Ok(0) | Err(_)));
    drop(silent);
    while rig.host.poll().is_some() {}
}

#[test]
fn the_socket_goes_when_we_go() {
    let rig = Rig::new();
    let path = rig.path("");
    let options = VsockOptions { cid: Cid::new(3).unwrap(), path: path.clone(), via: None };
    let error = Host::open(options).unwrap_err().to_string();
    assert!(error.contains("socket: it cannot be listened there: "), "{error}");
    assert!(path.exists());
    drop(rig.host);
    assert!(!path.exists());
}

mod device {
    //! The device with both its sides: a guest that keeps to the rules, and a program that sends back what it gets.

    use super::*;
    use devices::virtio::mock::{DATA, Driver};
    use devices::virtio::vsock::Vsock;
    use devices::virtio::vsock::request::HEADER;
    use rustix::buffer::spare_capacity;
    use rustix::event::{Timespec, epoll};
    use std::collections::VecDeque;

    /// Bytes that cross, in each direction.
    const AMOUNT: usize = 4 << 20;
    /// The guest's room, and how much of it is used before it says so (Linux has 256 KiB, and says so late).
    const ROOM: u32 = 0x1_0000;
    const LATE: u32 = 0xc000;
    const OUT: u64 = DATA;
    const IN: u64 = DATA + 0x4_0000;
    const IN_SIZE: u64 = 0x1000;
    const BUFFERS: u64 = 32;

    fn pattern(at: usize) -> u8 {
        (at * 7 + at / 251) as u8
    }

    struct Guest {
        driver: Driver,
        /// Buffers for packets, in the order in which they will be used.
        posted: VecDeque<u64>,
        sent: usize,
        got: usize,
        told: usize,
        /// What the device has said of its room.
        room: u32,
        used: u32,
        ended: bool,
    }

    impl Guest {
        fn post(&mut self, at: u64) {
            self.driver.put(0, &[], &[(at, IN_SIZE as u32)]);
            self.posted.push_back(at);
            self.driver.ring(0);
        }

        fn send(&mut self, op: u16, flags: u32, data: &[u8]) {
            let mut bytes = [3u64.to_le_bytes(), 2u64.to_le_bytes()].concat();
            bytes.extend([5000, 80, data.len() as u32].map(u32::to_le_bytes).concat());
            bytes.extend([1u16, op].map(u16::to_le_bytes).concat());
            bytes.extend([flags, ROOM, self.got as u32].map(u32::to_le_bytes).concat());
            bytes.extend(data);
            self.told = self.got;
            self.driver.store(OUT, &bytes);
            assert_eq!(self.driver.request(1, &[(OUT, bytes.len() as u32)], &[]), Some(0));
        }

        /// Takes a packet, if there is one.
        fn take(&mut self) -> bool {
            let Some((_, written)) = self.driver.take(0) else { return false };
            let at = self.posted.pop_front().unwrap();
            let bytes = self.driver.load(at, written as usize);
            let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
            (self.room, self.used) = (word(36), word(40));
            match bytes[30] {
                2 | 6 => {}
                7 => self.send(6, 0, &[]),
                5 => {
                    for &byte in &bytes[HEADER..] {
                        assert_eq!(byte, pattern(self.got));
                        self.got += 1;
                    }
                    if self.got - self.told > LATE as usize {
                        self.send(6, 0, &[]);
                    }
                }
                4 => self.ended = true,
                op => panic!("a packet of the kind {op}"),
            }
            self.post(at);
            true
        }

        /// Sends what there is room for, if there is any. True if it did.
        fn give(&mut self) -> bool {
            let free = self.room - (self.sent as u32).wrapping_sub(self.used);
            let count = (free as usize).min(AMOUNT - self.sent).min(10_000);
            if count > 0 {
                let data: Vec<u8> = (self.sent..self.sent + count).map(pattern).collect();
                self.sent += count;
                self.send(5, 0, &data);
                if self.sent == AMOUNT {
                    self.send(4, 2, &[]);
                }
            }
            count > 0
        }
    }

    fn echo(listener: &UnixListener) {
        let (mut stream, _) = listener.accept().unwrap();
        let mut bytes = vec![0; 1 << 16];
        loop {
            match stream.read(&mut bytes).unwrap() {
                0 => return,
                count => stream.write_all(&bytes[..count]).unwrap(),
            }
        }
    }

    #[test]
    fn much_crosses_in_both_directions() {
        let Rig { host, folder } = Rig::new();
        let outer = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
        let edge = epoll::EventFlags::IN | epoll::EventFlags::ET;
        epoll::add(&outer, host.source().unwrap(), epoll::EventData::new_u64(0), edge).unwrap();
        let listener = UnixListener::bind(folder.path().join("socket_80")).unwrap();
        let program = std::thread::spawn(move || echo(&listener));
        let device = Vsock::new(Cid::new(3).unwrap(), host);
        let driver = Driver::ready(Box::new(device), u64::MAX);
        let (posted, room) = (VecDeque::new(), 0);
        let mut guest = Guest { driver, posted, sent: 0, got: 0, told: 0, room, used: 0, ended: false };
        (0..BUFFERS).for_each(|n| guest.post(IN + n * IN_SIZE));
        guest.send(1, 0, &[]);
        while guest.got < AMOUNT || !guest.ended {
            let moved = guest.take() | guest.give();
            // As the device's thread does it: an edge.
            let limit = Timespec { tv_sec: if moved { 0 } else { 20 }, tv_nsec: 0 };
            let mut events = Vec::with_capacity(1);
            if epoll::wait(&outer, spare_capacity(&mut events), Some(&limit)).unwrap() > 0 {
                guest.driver.mmio.ready(0);
                while guest.driver.mmio.again() {}
            } else {
                assert!(moved, "nothing moves: sent {}, got {}", guest.sent, guest.got);
            }
        }
        assert_eq!(guest.sent, AMOUNT);
        program.join().unwrap();
    }
}

#[test]
fn one_socket_may_stand_for_all_programs() {
    let folder = tempfile::tempdir().unwrap();
    let via = folder.path().join("via");
    let listener = UnixListener::bind(&via).unwrap();
    let path = folder.path().join("socket");
    let options = VsockOptions { cid: Cid::new(3).unwrap(), path, via: Some(via) };
    let (_, mut host) = Host::open(options).unwrap();
    let mut stream = host.connect(1234).unwrap();
    assert_eq!(stream.write(b"hello"), Transfer::Done(5));
    let (mut program, _) = listener.accept().unwrap();
    let mut heard = [0; 18];
    program.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"CONNECT 1234\nhello");
}
