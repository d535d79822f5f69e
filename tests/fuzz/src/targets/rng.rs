//! The entropy device.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::mock::{DATA, Driver};
use devices::virtio::rng::Rng;

const AT: u32 = DATA as u32;

fn fill(bytes: &mut [u8]) -> usize {
    bytes.fill(0xa5);
    bytes.len()
}

pub fn run(script: &[u8]) {
    let mut driver = Driver::ready(Box::new(Rng::new(fill)), u64::MAX);
    play(&mut driver, script, |_, _, _| {});
    assert_eq!(driver.request(0, &[], &[(DATA, 16)]), Some(16));
    assert_eq!(driver.load(DATA, 16), [0xa5; 16]);
}

pub fn seeds() -> Vec<Seed> {
    let ask = |writable: &[(u32, u32)]| Step::Put { queue: 0, readable: vec![], writable: writable.to_vec() };
    let ring = Step::Ring { queue: 0 };
    vec![
        ("one", encode(&[ask(&[(AT, 64)]), ring.clone()])),
        ("several", encode(&[ask(&[(AT, 1), (AT + 8, 300)]), ask(&[(AT, 0x2fff)]), ring.clone()])),
        ("without-event-index", encode(&[Step::SetUp { features: 1 << 32 }, ask(&[(AT, 64)]), ring])),
    ]
}
