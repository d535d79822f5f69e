//! The block device: its queue, its requests, and a disk that answers in any order.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::block::Block;
use devices::virtio::block::mock::RamDisk;
use devices::virtio::mock::{DATA, Descriptor, Driver, NEXT, TABLE, WRITE, ram};

const SIZE: usize = 64 << 10;
const AT: u32 = DATA as u32;
/// Steps that only this target knows.
const HOLD: u8 = 0;
const RELEASE: u8 = 1;
const FAIL: u8 = 2;

pub fn run(script: &[u8]) {
    // The first byte says what kind of disk it is.
    let (kind, script) = script.split_first().unwrap_or((&0, &[]));
    let memory = ram();
    let disk = RamDisk::new(SIZE, memory.clone()).with(|disk| disk.read_only = kind & 1 != 0);
    let control = disk.control();
    let mut driver = Driver::on(memory, Box::new(Block::new(disk)));
    driver.set_up(u64::MAX);
    play(&mut driver, script, |driver, what, value| {
        match what % 3 {
            HOLD => control.state().hold = value & 1 != 0,
            RELEASE => {
                let held = control.state().held.len();
                if held > 0 {
                    control.release(usize::from(value) % held);
                }
            }
            _ => control.state().fail = value & 1 != 0,
        }
        driver.mmio.ready(0);
    });
    let mut state = control.state();
    assert_eq!(state.bytes.len(), SIZE);
    assert!(state.held.is_empty(), "the reset has forgotten a request");
    (state.hold, state.fail) = (false, false);
    state.bytes[..4].copy_from_slice(b"good");
    drop(state);
    // A read of the first sector.
    driver.store(DATA, &[0; 17]);
    assert_eq!(driver.request(0, &[(DATA, 16)], &[(DATA + 64, 512), (DATA + 16, 1)]), Some(513));
    assert_eq!(driver.load(DATA + 64, 4), b"good");
}

/// A request of this kind at this sector, whose data is described by `readable` and `writable`.
fn request(kind: u32, sector: u64, readable: &[(u32, u32)], writable: &[(u32, u32)]) -> Vec<Step> {
    let header = [&kind.to_le_bytes()[..], &[0; 4], &sector.to_le_bytes()].concat();
    vec![
        Step::Store { at: AT, bytes: header },
        Step::Put {
            queue: 0,
            readable: [&[(AT, 16)], readable].concat(),
            writable: [writable, &[(AT + 32, 1)]].concat(),
        },
        Step::Ring { queue: 0 },
    ]
}

fn seed(name: &'static str, parts: &[Vec<Step>]) -> Seed {
    (name, [&[0][..], &encode(&parts.concat())].concat())
}

pub fn seeds() -> Vec<Seed> {
    let data = (AT + 0x1000, 1024);
    let ranges = |flags: u32| {
        let range = [&4u64.to_le_bytes()[..], &2u32.to_le_bytes(), &flags.to_le_bytes()].concat();
        vec![Step::Store { at: AT + 0x1000, bytes: range.repeat(2) }]
    };
    let extra = |what, value| vec![Step::Extra { what, value }];
    let table = |index: u32, addr, len, flags, next| Step::Store {
        at: AT + 0x4000 + 16 * index,
        bytes: [
            &u64::to_le_bytes(addr)[..],
            &u32::to_le_bytes(len),
            &u16::to_le_bytes(flags),
            &u16::to_le_bytes(next),
        ]
        .concat(),
    };
    let indirect = Descriptor { addr: DATA + 0x4000, len: 48, flags: TABLE, next: 0 };
    vec![
        seed("read", &[request(0, 3, &[], &[data])]),
        seed("write", &[request(1, 3, &[data], &[])]),
        seed("in-pieces", &[request(1, 0, &[(AT + 64, 1), (AT + 65, 511)], &[])]),
        seed("flush-and-identify", &[request(4, 0, &[], &[]), request(8, 0, &[], &[(AT + 64, 20)])]),
        seed("discard", &[ranges(0), request(11, 0, &[(AT + 0x1000, 32)], &[])]),
        seed("zero", &[ranges(1), request(13, 0, &[(AT + 0x1000, 32)], &[])]),
        seed(
            "out-of-order",
            &[
                extra(HOLD, 1),
                request(0, 1, &[], &[data]),
                request(4, 0, &[], &[]),
                extra(RELEASE, 1),
                extra(RELEASE, 0),
            ],
        ),
        seed(
            "reset-with-requests",
            &[
                extra(HOLD, 1),
                request(0, 1, &[], &[data]),
                vec![Step::SetUp { features: 0 }],
                request(1, 1, &[data], &[]),
            ],
        ),
        seed("failing", &[extra(FAIL, 1), request(0, 1, &[], &[data])]),
        seed(
            "indirect",
            &[
                request(0, 1, &[], &[]),
                vec![
                    table(0, DATA, 16, NEXT, 1),
                    table(1, DATA + 64, 512, NEXT | WRITE, 2),
                    table(2, DATA + 32, 1, WRITE, 0),
                    Step::Describe { queue: 0, index: 9, descriptor: indirect },
                    Step::Offer { queue: 0, head: 9 },
                    Step::Ring { queue: 0 },
                ],
            ],
        ),
        ("read-only", [&[1][..], &encode(&request(1, 3, &[data], &[]))].concat()),
    ]
}
