use super::mock::Backwards;
use super::*;
use crate::virtio::mock::{DATA, Descriptor, Driver, EVENT_IDX, INDIRECT, RAM, WRITE, reg};
use std::sync::atomic::Ordering;

const MESSAGE: u64 = DATA;
const ROOM: u64 = DATA + 0x1_0000;
const ALL: u64 = u64::MAX;

fn tag() -> Tag {
    Tag::new("files").unwrap()
}

fn driver(features: u64) -> Driver {
    Driver::ready(Box::new(P9::new(&tag(), Backwards::default())), features)
}

#[test]
fn the_configuration_is_the_tag() {
    let driver = driver(ALL);
    assert_eq!(driver.get(0x8), 9, "the kind of device");
    assert_eq!(driver.offered() & 0xff_ffff, 1);
    let space = |at: u64, len: usize| {
        let mut bytes = vec![0xee; len];
        driver.mmio.read(reg::CONFIG + at, &mut bytes);
        bytes
    };
    assert_eq!(space(0, 2), [5, 0]);
    assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|at| space(2 + at, 1)[0]), *b"files\0\0");
    assert_eq!(space(0x400, 4), [0; 4]);
}

#[test]
fn tags_are_words() {
    for good in ["a", "host-files", "/dev/root", "ü", &"x".repeat(31)] {
        assert_eq!(Tag::new(good).unwrap().as_str(), good);
    }
    for bad in ["", "a b", "a,b", "a\n", "a\0", "\u{a0}", &"x".repeat(32), &"ü".repeat(16)] {
        assert_eq!(Tag::new(bad), Err(BadTag), "{bad:?}");
    }
}

#[test]
fn messages_are_answered_whatever_the_buffers_are() {
    for features in [0, INDIRECT, EVENT_IDX, ALL] {
        let mut driver = driver(features);
        driver.store(MESSAGE, b"abcdefgh");
        let written = driver.request(0, &[(MESSAGE, 8)], &[(ROOM, 100)]);
        assert_eq!((written, driver.load(ROOM, 9)), (Some(8), b"hgfedcba\0".to_vec()));

        let pieces = [(MESSAGE, 1), (MESSAGE + 1, 2), (MESSAGE + 3, 5)];
        let rooms = [(ROOM + 0x100, 3), (ROOM + 0x200, 1), (ROOM + 0x300, 4)];
        assert_eq!(driver.request(0, &pieces, &rooms), Some(8));
        assert_eq!(driver.load(ROOM + 0x100, 4), b"hgf\0");
        assert_eq!(driver.load(ROOM + 0x200, 2), b"e\0");
        assert_eq!(driver.load(ROOM + 0x300, 4), b"dcba");
        assert!(!driver.is_broken());
    }
}

#[test]
fn many_messages_are_answered_in_turn() {
    let mut driver = driver(ALL);
    let mut heads = Vec::new();
    for n in 0..60u8 {
        driver.store(MESSAGE + 16 * u64::from(n), &[n, n + 1]);
        heads.push(driver.put(0, &[(MESSAGE + 16 * u64::from(n), 2)], &[(ROOM + 16 * u64::from(n), 16)]));
    }
    driver.ring(0);
    for (n, head) in (0..60).zip(heads) {
        assert_eq!(driver.take(0), Some((head, 2)));
        assert_eq!(driver.load(ROOM + 16 * u64::from(n), 3), [n + 1, n, 0]);
    }
    assert_eq!(driver.take(0), None);
    assert!(driver.interrupts.count() > 0);
}

#[test]
fn a_reply_after_a_longer_one_has_nothing_of_that() {
    let mut driver = driver(ALL);
    driver.store(MESSAGE, &[7; 0x1000]);
    assert_eq!(driver.request(0, &[(MESSAGE, 0x1000)], &[(ROOM, 0x1000)]), Some(0x1000));
    driver.store(ROOM, &[0; 0x1000]);
    assert_eq!(driver.request(0, &[(MESSAGE, 2)], &[(ROOM, 0x1000)]), Some(2));
    assert_eq!(driver.load(ROOM, 4), [7, 7, 0, 0]);
}

#[test]
fn the_largest_message_and_room() {
    let mut driver = driver(ALL);
    let largest = Backwards::LARGEST as u32;
    driver.store(MESSAGE, &[7; Backwards::LARGEST]);
    assert_eq!(driver.request(0, &[(MESSAGE, largest)], &[(ROOM, largest)]), Some(largest));
    assert_eq!(driver.request(0, &[(MESSAGE, 2)], &[(ROOM, 0x10_0000)]), Some(2));
    assert_eq!(driver.request(0, &[(MESSAGE, largest + 1)], &[(ROOM, 0x1_0000)]), None);
    assert!(driver.is_broken());
}

#[test]
fn what_cannot_be_answered_stops_the_device() {
    type Buffers<'a> = &'a [(u64, u32)];
    let cases: [(Buffers<'_>, Buffers<'_>); 7] = [
        (&[], &[(ROOM, 100)]),
        (&[(MESSAGE, 1)], &[(ROOM, 100)]),
        (&[(MESSAGE, 10)], &[]),
        (&[(MESSAGE, 10)], &[(ROOM, 5)]),
        (&[(RAM as u64 - 4, 8)], &[(ROOM, 100)]),
        (&[(MESSAGE, 8)], &[(RAM as u64 - 4, 8)]),
        (&[(MESSAGE, u32::MAX)], &[(ROOM, 100)]),
    ];
    for (readable, writable) in cases {
        let mut driver = driver(ALL);
        assert_eq!(driver.request(0, readable, writable), None, "{readable:?} {writable:?}");
        assert!(driver.is_broken());
        // A reset makes it as good as new.
        driver.set_up(ALL);
        driver.store(MESSAGE, b"ab");
        assert_eq!(driver.request(0, &[(MESSAGE, 2)], &[(ROOM, 2)]), Some(2));
    }
}

#[test]
fn a_chain_that_loops_stops_the_device() {
    let mut driver = driver(ALL);
    driver.describe(0, None, 0, Descriptor { addr: MESSAGE, len: 8, flags: 1, next: 1 });
    driver.describe(0, None, 1, Descriptor { addr: ROOM, len: 8, flags: 1 | WRITE, next: 0 });
    driver.offer(0, 0);
    driver.ring(0);
    assert!(driver.is_broken());
}

#[test]
fn message_and_reply_may_share_their_memory() {
    let mut driver = driver(ALL);
    driver.store(MESSAGE, b"abcd");
    assert_eq!(driver.request(0, &[(MESSAGE, 4)], &[(MESSAGE, 4)]), Some(4));
    assert_eq!(driver.load(MESSAGE, 4), b"dcba");
}

#[test]
fn a_reset_reaches_the_server() {
    let server = Backwards::default();
    let resets = server.resets();
    let mut driver = Driver::ready(Box::new(P9::new(&tag(), server)), ALL);
    let before = resets.load(Ordering::SeqCst);
    driver.set(reg::STATUS, 0);
    assert_eq!(resets.load(Ordering::SeqCst), before + 1);
    driver.set_up(ALL);
    driver.store(MESSAGE, b"ab");
    assert_eq!(driver.request(0, &[(MESSAGE, 2)], &[(ROOM, 2)]), Some(2));
}
