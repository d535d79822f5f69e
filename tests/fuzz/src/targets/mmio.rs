//! The registers that every device has: the driver sets the device up by hand, in any order and with anything.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::mock::{DATA, Driver, reg};
use devices::virtio::rng::Rng;

pub fn run(script: &[u8]) {
    let fill = |bytes: &mut [u8]| bytes.len();
    let mut driver = Driver::new(Box::new(Rng::new(fill)));
    // Not set up by the mock, but it has to know of queues.
    driver.set_up(0);
    driver.set(reg::STATUS, 0);
    play(&mut driver, script, |driver, what, _| {
        // The device's thread.
        match what % 3 {
            0 => driver.mmio.doorbell(0),
            1 => driver.mmio.again(),
            _ => driver.mmio.ready(0),
        };
    });
    assert_eq!(driver.request(0, &[], &[(DATA, 16)]), Some(16));
}

fn write(register: u64, value: u32) -> Step {
    Step::Write { register: register as u16, width: 2, value: value.into() }
}

/// A whole set-up by registers, with a queue of `size` at `base`.
fn set_up(size: u32, base: u32) -> Vec<Step> {
    let mut steps = vec![
        write(reg::STATUS, 0),
        write(reg::STATUS, 3),
        write(reg::DRIVER_FEATURES_SEL, 1),
        write(reg::DRIVER_FEATURES, 1),
        write(reg::STATUS, 11),
        write(reg::QUEUE_SEL, 0),
        write(reg::QUEUE_NUM, size),
    ];
    for (register, at) in
        [(reg::QUEUE_DESC, base), (reg::QUEUE_DRIVER, base + 0x4000), (reg::QUEUE_DEVICE, base + 0x5000)]
    {
        steps.extend([write(register, at), write(register + 4, 0)]);
    }
    steps.extend([write(reg::QUEUE_READY, 1), write(reg::STATUS, 15)]);
    steps
}

pub fn seeds() -> Vec<Seed> {
    let request = [
        Step::Put { queue: 0, readable: vec![], writable: vec![(DATA as u32, 64)] },
        write(reg::QUEUE_NOTIFY, 0),
        Step::Read { register: reg::INTERRUPT_STATUS as u16, width: 2 },
        write(reg::INTERRUPT_ACK, 1),
    ];
    let reads = (0..0x40).map(|n| Step::Read { register: n * 4, width: 2 });
    vec![
        ("set-up", encode(&[set_up(64, 0x1_0000), request.to_vec()].concat())),
        ("outside-of-ram", encode(&set_up(64, 0x8000_0000))),
        ("reads", encode(&reads.collect::<Vec<_>>())),
        (
            "configuration",
            encode(&[
                Step::Write { register: 0x100, width: 3, value: 1 },
                Step::Read { register: 0xffe, width: 3 },
            ]),
        ),
        (
            "queue-that-goes",
            encode(&[set_up(64, 0x1_0000), vec![write(reg::QUEUE_READY, 0)], request.to_vec()].concat()),
        ),
    ]
}
