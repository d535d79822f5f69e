//! The socket device: its queues, its packets, and programs of the host that come, go and do not read.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::mock::{DATA, Driver};
use devices::virtio::vsock::mock::Programs;
use devices::virtio::vsock::request::{HEADER, Op};
use devices::virtio::vsock::{Cid, Vsock};

const CID: u32 = 3;
const AT: u32 = DATA as u32;
/// Where packets to the guest go.
const IN: u32 = AT + 0x1_0000;
/// Steps that only this target knows: what a program does. The value says which, and how much.
const WANT: u8 = 0;
const SEND: u8 = 1;
const TAKE: u8 = 2;
const END: u8 = 3;

pub fn run(script: &[u8]) {
    let programs = Programs::default();
    let control = programs.control();
    let device = Vsock::new(Cid::new(CID).expect("an address"), programs);
    let mut driver = Driver::ready(Box::new(device), u64::MAX);
    play(&mut driver, script, |driver, what, value| {
        let (id, amount) = (u64::from(value & 7), usize::from(value >> 3));
        match what % 5 {
            WANT => {
                control.want(value.into());
            }
            SEND => control.with(id, |end| end.sent.extend(vec![0x5a; amount])),
            TAKE => control.with(id, |end| end.takes = amount),
            END => control.with(id, |end| end.sent_all = true),
            _ => control.with(id, |end| end.gone = true),
        }
        driver.mmio.ready(0);
    });
    // Whoever came before the reset was heard after it.
    driver.set_up(u64::MAX);
    assert!(control.state().streams.values().all(|end| end.dropped), "the reset has forgotten a connection");
    // A connection, and a byte.
    let request = packet(Op::Request, b"");
    driver.store(DATA, &request);
    driver.put(0, &[], &[(IN.into(), 100)]);
    assert_eq!(driver.request(1, &[(DATA, request.len() as u32)], &[]), Some(0));
    assert_eq!(driver.take(0).map(|(_, written)| written), Some(HEADER as u32));
    assert_eq!(driver.load(u64::from(IN) + 30, 1), [Op::Response as u8]);
    let data = packet(Op::Data, b"x");
    driver.store(DATA, &data);
    driver.request(1, &[(DATA, data.len() as u32)], &[]);
    let state = control.state();
    assert_eq!(state.streams.values().next_back().map(|end| &end.received[..]), Some(&b"x"[..]));
}

/// A packet of the guest's from its port 5000 to the host's port 80.
fn packet(op: Op, data: &[u8]) -> Vec<u8> {
    with_flags(op, 0, data)
}

fn with_flags(op: Op, flags: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = [u64::from(CID).to_le_bytes(), 2u64.to_le_bytes()].concat();
    bytes.extend([5000, 80, data.len() as u32].map(u32::to_le_bytes).concat());
    bytes.extend([1, op as u16].map(u16::to_le_bytes).concat());
    bytes.extend([flags, 0x1000, 0].map(u32::to_le_bytes).concat());
    bytes.extend(data);
    bytes
}

fn send(packet: &[u8]) -> Vec<Step> {
    vec![
        Step::Store { at: AT, bytes: packet.to_vec() },
        Step::Put { queue: 1, readable: vec![(AT, packet.len() as u32)], writable: vec![] },
        Step::Ring { queue: 1 },
    ]
}

pub fn seeds() -> Vec<Seed> {
    let room = |n: u32| Step::Put { queue: 0, readable: vec![], writable: vec![(IN + n * 0x200, 0x200)] };
    let rooms = [room(0), room(1), room(2), room(3), Step::Ring { queue: 0 }];
    let program = |what, id: u16, amount: u16| Step::Extra { what, value: id | amount << 3 };
    let answer =
        [&packet(Op::Response, b"")[..16], &[22, 0, 0, 0, 0, 0, 0, 0x40], &packet(Op::Response, b"")[24..]];
    let connect = send(&packet(Op::Request, b""));
    vec![
        (
            "talk",
            encode(
                &[&rooms[..], &connect, &send(&packet(Op::Data, b"hello")), &[program(SEND, 1, 300)]]
                    .concat(),
            ),
        ),
        ("asked", encode(&[&rooms[..], &[program(WANT, 22 & 7, 22 >> 3)], &send(&answer.concat())].concat())),
        (
            "full",
            encode(
                &[
                    &rooms[..],
                    &connect,
                    &[program(TAKE, 1, 0)],
                    &send(&packet(Op::Data, &[7; 200])),
                    &send(&packet(Op::CreditRequest, b"")),
                    &[program(TAKE, 1, 100), program(TAKE, 1, 100)],
                ]
                .concat(),
            ),
        ),
        (
            "ends",
            encode(
                &[
                    &rooms[..],
                    &connect,
                    &[program(END, 1, 0)],
                    &send(&with_flags(Op::Shutdown, 1, b"")),
                    &send(&with_flags(Op::Shutdown, 2, b"")),
                ]
                .concat(),
            ),
        ),
        ("late", encode(&[&connect[..], &[program(SEND, 1, 2000), program(END + 1, 1, 0)], &rooms].concat())),
        (
            "strangers",
            encode(&[send(&packet(Op::Data, b"x")), send(&packet(Op::Reset, b"")), rooms.to_vec()].concat()),
        ),
    ]
}
