use super::endpoint::Endpoint;
use super::options::{PortOptions, Target};
use super::*;
use crate::rehearsal::Files;
use devices::virtio::console::{Port, PortSpec};
use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vmm_sys_util::epoll::{ControlOperation, Epoll, EpollEvent, EventSet};

/// A port, waited for as the device's thread does it.
struct Rig {
    port: Box<dyn Port>,
    _source: OwnedFd,
    epoll: Epoll,
}

impl Rig {
    fn new(target: Target) -> Self {
        let endpoint = Endpoint::open(PortOptions { name: "test".into(), target }, Files::Made).unwrap();
        let (PortSpec { port, .. }, source) = endpoint.into_parts();
        Self::of(port, source)
    }

    fn of(port: Box<dyn Port>, source: OwnedFd) -> Self {
        let epoll = Epoll::new().unwrap();
        let event = EpollEvent::new(EventSet::IN | EventSet::EDGE_TRIGGERED, 0);
        epoll.ctl(ControlOperation::Add, source.as_raw_fd(), event).unwrap();
        Self { port, _source: source, epoll }
    }

    /// Calls `check` each time that the source is ready, and in the beginning, until it returns something.
    #[track_caller]
    fn until<T>(&mut self, mut check: impl FnMut(&mut dyn Port) -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            if let Some(found) = check(&mut *self.port) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now()).as_millis() as i32;
            let mut events = [EpollEvent::default()];
            let count = self.epoll.wait(left, &mut events).unwrap();
            assert_eq!(count, 1, "the source has not become ready");
        }
    }

    fn read(&mut self, len: usize) -> Vec<u8> {
        let mut all = Vec::new();
        self.until(|port| {
            let mut bytes = vec![0; len];
            // Until there is nothing more: it is an edge that wakes.
            while all.len() < len {
                match port.read(&mut bytes) {
                    0 => return None,
                    count => all.extend(&bytes[..count]),
                }
            }
            Some(())
        });
        all
    }
}

#[test]
fn a_file_takes_output() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    fs::write(&path, "what was there before, and longer").unwrap();
    let mut rig = Rig::new(Target::Path(path.clone()));
    assert!(rig.port.is_open());
    assert_eq!(rig.port.write(b"hello"), 5);
    assert_eq!(rig.port.read(&mut [0; 8]), 0);
    assert!(rig.port.is_open(), "a file has no end");
    assert_eq!(fs::read(&path).unwrap(), b"hello");
}

#[test]
fn a_socket_is_connected_to() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(Target::Path(path));
    let (mut far, _) = listener.accept().unwrap();
    assert_eq!(rig.port.write(b"to the host"), 11);
    let mut bytes = [0; 11];
    far.read_exact(&mut bytes).unwrap();
    assert_eq!(&bytes, b"to the host");
    far.write_all(b"to the guest").unwrap();
    assert_eq!(rig.read(12), b"to the guest");
    drop(far);
    rig.until(|port| {
        port.read(&mut [0; 8]);
        (!port.is_open()).then_some(())
    });
    assert_eq!(rig.port.write(b"thrown away"), 11);
}

#[test]
fn a_full_socket_takes_nothing_until_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let mut rig = Rig::new(Target::Path(path));
    let (mut far, _) = listener.accept().unwrap();
    let mut sent = 0;
    loop {
        match rig.port.write(&[b'x'; 4096]) {
            0 => break,
            count => sent += count,
        }
    }
    let reader = std::thread::spawn(move || {
        let mut got = 0;
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = far.read(&mut bytes) {
            got += count;
        }
        got
    });
    sent += rig.until(|port| Some(port.write(b"more")).filter(|&count| count > 0));
    drop(rig);
    assert_eq!(reader.join().unwrap(), sent);
}

#[test]
fn one_after_the_other_connects() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let mut rig = Rig::new(Target::Listen(path.clone()));
    assert!(!rig.port.is_open());
    assert_eq!(rig.port.write(b"to nobody"), 9);
    for n in 0..3u8 {
        let mut far = UnixStream::connect(&path).unwrap();
        rig.until(|port| port.is_open().then_some(()));
        far.write_all(&[n; 3]).unwrap();
        assert_eq!(rig.read(3), [n; 3]);
        assert_eq!(rig.port.write(&[n + 10]), 1);
        let mut byte = [0];
        far.read_exact(&mut byte).unwrap();
        assert_eq!(byte, [n + 10]);
        drop(far);
        rig.until(|port| {
            port.read(&mut [0; 8]);
            (!port.is_open()).then_some(())
        });
    }
    let error =
        Endpoint::open(PortOptions { name: "two".into(), target: Target::Listen(path.clone()) }, Files::Made);
    assert!(error.unwrap_err().to_string().starts_with("--virtio-console name=two: listening at /"));
    drop(rig);
    assert!(!path.exists());
}

#[test]
fn a_socket_that_was_left_behind_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    let mut rig = Rig::new(Target::Listen(path.clone()));
    let _far = UnixStream::connect(&path).unwrap();
    rig.until(|port| port.is_open().then_some(()));
}

#[test]
fn a_pseudo_terminal_is_a_wire() {
    let mut rig = Rig::new(Target::Pty);
    assert!(rig.port.is_open());
    assert_eq!(rig.port.write(b"line\n"), 5);
    // Nobody is there: nothing is echoed, and it stays open.
    assert_eq!(rig.port.read(&mut [0; 8]), 0);
    assert!(rig.port.is_open());
}

#[test]
fn what_cannot_be_opened_is_named() {
    for path in ["/", "/absent/file"] {
        let target = Target::Path(path.into());
        let error =
            Endpoint::open(PortOptions { name: "a".into(), target }, Files::Made).unwrap_err().to_string();
        assert!(error.starts_with(&format!("--virtio-console name=a: opening {path}: ")), "{error}");
    }
}

#[test]
fn input_goes_to_the_port_and_makes_room_there() {
    let room = Arc::new(crate::events::eventfd().unwrap());
    let standard = Standard::new(room.clone(), Arc::default()).unwrap();
    let (mailbox, _, _) = crate::events::Mailbox::new().unwrap();
    let (port, source) = standard.port(mailbox).unwrap();
    let mut rig = Rig::of(port, source);
    assert!(!standard.is_claimed() && room.read().is_err());
    rig.port.guest_opened(true);
    assert!(standard.is_claimed() && room.read().is_ok());
    let all = standard.room();
    standard.put(b"hello");
    assert_eq!(standard.room(), all - 5);
    assert_eq!(rig.read(5), b"hello");
    assert!(standard.room() == all && room.read().is_ok());
    standard.resize((25, 80));
    assert_eq!(standard.size(), (80, 25));
}
