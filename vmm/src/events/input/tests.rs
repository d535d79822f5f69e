use super::*;
use crate::events::Notice;
use event_manager::{EventManager, SubscriberOps};
use std::os::unix::net::UnixStream;
use std::sync::Mutex;
use std::sync::mpsc::Receiver;
use std::time::Instant;

#[derive(Default)]
struct Guest {
    ready: bool,
    room: usize,
    got: Vec<u8>,
    ended: bool,
}

impl Taker for Arc<Mutex<Guest>> {
    fn is_ready(&self) -> bool {
        self.lock().unwrap().ready
    }
    fn room(&self) -> usize {
        self.lock().unwrap().room
    }
    fn put(&mut self, bytes: &[u8]) -> usize {
        let mut guest = self.lock().unwrap();
        let count = bytes.len().min(guest.room);
        guest.room -= count;
        guest.got.extend_from_slice(&bytes[..count]);
        count
    }
    fn end(&mut self) {
        self.lock().unwrap().ended = true;
    }
}

struct Bench {
    guest: Arc<Mutex<Guest>>,
    room: Arc<EventFd>,
    events: EventManager<Box<dyn MutEventSubscriber>>,
    notices: Receiver<Notice>,
}

impl Bench {
    fn new(stdin: File, is_tty: bool) -> Self {
        let guest = Arc::new(Mutex::new(Guest::default()));
        let room = Arc::new(crate::events::eventfd().unwrap());
        let (mailbox, notices, _) = Mailbox::new().unwrap();
        let stdin = ManuallyDrop::new(stdin);
        let input = Input::from(stdin, is_tty, guest.clone(), room.clone(), mailbox).unwrap();
        let mut events: EventManager<Box<dyn MutEventSubscriber>> = EventManager::new().unwrap();
        events.add_subscriber(Box::new(input));
        Self { guest, room, events, notices }
    }
    /// Gives the guest room, by the doorbell.
    fn give(&mut self, room: usize) {
        {
            let mut guest = self.guest.lock().unwrap();
            (guest.ready, guest.room) = (true, room);
        }
        self.room.write(1).unwrap();
    }
    /// Serves events until `done`, for a second at most.
    fn until(&mut self, done: impl Fn(&Guest) -> bool) {
        let start = Instant::now();
        while !done(&self.guest.lock().unwrap()) {
            assert!(start.elapsed() < Duration::from_secs(1), "it never happened");
            self.events.run_with_timeout(20).unwrap();
        }
    }
    fn got(&self) -> Vec<u8> {
        self.guest.lock().unwrap().got.clone()
    }
}

fn pipe() -> (UnixStream, File) {
    let (near, far) = UnixStream::pair().unwrap();
    (near, std::os::fd::OwnedFd::from(far).into())
}

#[test]
fn nothing_is_read_before_the_guest_asks() {
    let (mut near, far) = pipe();
    let mut bench = Bench::new(far, false);
    near.write_all(b"early").unwrap();
    for _ in 0..3 {
        bench.events.run_with_timeout(10).unwrap();
    }
    assert_eq!(bench.got(), b"");
    bench.give(100);
    bench.until(|g| g.got == b"early");
    drop(near);
    bench.until(|g| g.ended);
}

#[test]
fn no_more_is_taken_than_there_is_room_for() {
    let (mut near, far) = pipe();
    let mut bench = Bench::new(far, false);
    near.write_all(b"0123456789").unwrap();
    drop(near);
    bench.give(4);
    bench.until(|g| g.got == b"0123");
    assert!(!bench.guest.lock().unwrap().ended);
    bench.give(3);
    bench.until(|g| g.got == b"0123456");
    bench.give(10);
    bench.until(|g| g.ended);
    assert_eq!(bench.got(), b"0123456789");
}

#[test]
fn room_that_no_doorbell_told_of_is_found() {
    let (mut near, far) = pipe();
    let mut bench = Bench::new(far, false);
    near.write_all(b"0123456789").unwrap();
    bench.give(4);
    bench.until(|g| g.got.len() == 4);
    bench.guest.lock().unwrap().room = 6;
    bench.until(|g| g.got == b"0123456789");
}

#[test]
fn a_file_is_read_though_it_cannot_be_waited_for() {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[b'x'; 10_000]).unwrap();
    std::io::Seek::rewind(&mut file).unwrap();
    let mut bench = Bench::new(file, false);
    bench.give(9_999);
    bench.until(|g| g.got.len() == 9_999);
    bench.give(5);
    bench.until(|g| g.ended);
    assert_eq!(bench.got().len(), 10_000);
}

#[test]
fn escapes_are_ours_only_on_a_terminal() {
    let (mut near, far) = pipe();
    let mut bench = Bench::new(far, false);
    near.write_all(b"a\x01x").unwrap();
    bench.give(10);
    bench.until(|g| g.got == b"a\x01x");
    assert!(bench.notices.try_recv().is_err());
}
