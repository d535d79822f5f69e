use super::*;
use std::sync::{Condvar, Mutex};
use std::thread;

/// Wakes of one end, which are kept until they are waited for; and how many waits there were.
#[derive(Default)]
struct Bell {
    rung: Mutex<(u32, u32)>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        self.rung.lock().unwrap().0 += 1;
        self.changed.notify_one();
    }

    fn wait(&self) {
        let mut rung = self.changed.wait_while(self.rung.lock().unwrap(), |rung| rung.0 == 0).unwrap();
        *rung = (rung.0 - 1, rung.1 + 1);
    }

    /// Wakes that nobody has waited for, and waits.
    fn count(&self) -> (u32, u32) {
        *self.rung.lock().unwrap()
    }
}

struct Bells<'a> {
    own: &'a Bell,
    other: &'a Bell,
}

impl Peer for Bells<'_> {
    fn wait(&self) -> Result<(), Status> {
        self.own.wait();
        Ok(())
    }

    fn wake(&self) -> Result<(), Status> {
        self.other.ring();
        Ok(())
    }
}

/// Who must not wait, because nobody is there; wakes are lost.
struct Nobody;

impl Peer for Nobody {
    fn wait(&self) -> Result<(), Status> {
        Err(Status::NotExistent)
    }

    fn wake(&self) -> Result<(), Status> {
        Err(Status::NotExistent)
    }
}

/// Different at every place for longer than the ring is long.
fn pattern(at: usize) -> u8 {
    (at ^ at >> 8 ^ at >> 16) as u8
}

/// Sends `total` bytes through a ring, in pieces of these lengths in turn.
fn through(total: usize, written: &[usize], read: &[usize]) {
    let (ring, writers, readers) = (Ring::default(), Bell::default(), Bell::default());
    thread::scope(|scope| {
        scope.spawn(|| {
            // SAFETY: the ring is new, and this its only writer.
            let mut writer = unsafe { ring.writer(Bells { own: &writers, other: &readers }) };
            let (mut at, mut lengths) = (0, written.iter().cycle());
            while at < total {
                let len = (total - at).min(*lengths.next().unwrap());
                let bytes: Vec<u8> = (at..at + len).map(pattern).collect();
                writer.write(&bytes).unwrap();
                at += len;
            }
        });
        // SAFETY: the ring is new, and this its only reader.
        let mut reader = unsafe { ring.reader(Bells { own: &readers, other: &writers }) };
        let (mut at, mut lengths) = (0, read.iter().cycle());
        while at < total {
            let mut bytes = vec![0; *lengths.next().unwrap()];
            let got = reader.read(&mut bytes).unwrap();
            assert!(bytes[..got].iter().enumerate().all(|(n, byte)| *byte == pattern(at + n)), "at {at}");
            at += got;
        }
        assert_eq!(at, total);
    });
    assert_eq!((writers.count().0, readers.count().0), (0, 0), "each wake was waited for");
}

#[test]
fn bytes_come_in_order() {
    through(1 << 20, &[64 << 10], &[64 << 10]);
    through(1 << 20, &[70_001], &[4096]);
    through(1 << 20, &[1, 4097, 13], &[65_537, 3]);
    through(20_000, &[1], &[1]);
}

#[test]
fn who_has_nothing_to_do_waits_and_is_woken() {
    let (ring, writers, readers) = (Ring::default(), Bell::default(), Bell::default());
    // SAFETY: the ring is new, and this its only writer.
    let mut writer = unsafe { ring.writer(Bells { own: &writers, other: &readers }) };
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            // SAFETY: the ring is new, and this its only reader.
            let mut reader = unsafe { ring.reader(Bells { own: &readers, other: &writers }) };
            let mut byte = [0];
            reader.read(&mut byte).unwrap();
            byte[0]
        });
        while !ring.reader.waits.load(SeqCst) {
            thread::yield_now();
        }
        writer.write(b"x").unwrap();
        assert_eq!(reader.join().unwrap(), b'x');
    });
    assert_eq!(readers.count(), (0, 1));
}

#[test]
fn nobody_is_called_who_does_not_wait() {
    let ring = Ring::default();
    // SAFETY: the ring is new, and these its only ends.
    let (mut writer, mut reader) = unsafe { (ring.writer(Nobody), ring.reader(Nobody)) };
    let full = vec![7; CAPACITY];
    assert_eq!(writer.write(&full), Ok(()));
    assert_eq!(writer.write(b"x"), Err(Error::Peer(Status::NotExistent)), "it would have to wait");
    let mut bytes = vec![0; CAPACITY];
    ring.writer.waits.store(false, SeqCst);
    assert_eq!(reader.read(&mut bytes), Ok(CAPACITY));
    assert_eq!(bytes, full);
    assert_eq!(reader.read(&mut []), Ok(0));
    assert_eq!(reader.read(&mut bytes), Err(Error::Peer(Status::NotExistent)));
}

#[test]
fn counts_that_make_no_sense_are_refused() {
    let ring = Ring::default();
    // SAFETY: the ring is new, and these its only ends.
    let (mut writer, mut reader) = unsafe { (ring.writer(Nobody), ring.reader(Nobody)) };
    for wrong in [CAPACITY as u64 + 1, u64::MAX] {
        ring.writer.moved.store(wrong, SeqCst);
        assert_eq!(reader.read(&mut [0]), Err(Error::Broken));
    }
    ring.reader.moved.store(1, SeqCst);
    assert_eq!(writer.write(b"x"), Err(Error::Broken), "more was read than written");
}
