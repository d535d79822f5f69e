//! The 9P device: its queue, with a server that has no files.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::mock::{DATA, Driver};
use devices::virtio::p9::mock::Backwards;
use devices::virtio::p9::{P9, Tag};

const AT: u32 = DATA as u32;

pub fn run(script: &[u8]) {
    let tag = Tag::new("fuzz").expect("a tag");
    let mut driver = Driver::ready(Box::new(P9::new(&tag, Backwards::default())), u64::MAX);
    play(&mut driver, script, |_, _, _| {});
    driver.store(DATA, b"good");
    assert_eq!(driver.request(0, &[(DATA, 4)], &[(DATA + 64, 16)]), Some(4));
    assert_eq!(driver.load(DATA + 64, 4), b"doog");
}

pub fn seeds() -> Vec<Seed> {
    let store = Step::Store { at: AT, bytes: b"message".to_vec() };
    let put = |readable: &[(u32, u32)], writable: &[(u32, u32)]| Step::Put {
        queue: 0,
        readable: readable.to_vec(),
        writable: writable.to_vec(),
    };
    let ring = Step::Ring { queue: 0 };
    let (message, room) = ((AT, 7), (AT + 0x100, 100));
    vec![
        ("one", encode(&[store.clone(), put(&[message], &[room]), ring.clone()])),
        (
            "pieces",
            encode(&[
                store.clone(),
                put(&[(AT, 3), (AT + 3, 0), (AT + 3, 4)], &[(AT + 0x100, 2), (AT + 0x200, 5)]),
                put(&[(AT, 0x2000)], &[(AT + 0x1000, 0x2000)]),
                ring.clone(),
            ]),
        ),
        ("no-room", encode(&[put(&[message], &[]), ring.clone()])),
        ("too-long", encode(&[put(&[(AT, 0x2001)], &[room]), ring.clone()])),
        ("reset", encode(&[put(&[message], &[room]), Step::SetUp { features: 1 << 32 }, ring])),
    ]
}
