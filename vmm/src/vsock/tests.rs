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
        let options = VsockOptions { cid: Cid::new(3).unwrap(), path: folder.path().join("socket") };
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
    let options = VsockOptions { cid: Cid::new(3).unwrap(), path: path.clone() };
    let error = Host::open(options).unwrap_err().to_string();
    assert!(error.contains("socket: it cannot be listened there: "), "{error}");
    assert!(path.exists());
    drop(rig.host);
    assert!(!path.exists());
}
