//! The console device: two ports and the control queues.

use super::Seed;
use crate::play::play;
use crate::script::{Step, encode};
use devices::virtio::console::mock::MockPort;
use devices::virtio::console::{Console, PortSpec};
use devices::virtio::mock::{DATA, Driver};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

const AT: u32 = DATA as u32;
const PORTS: usize = 2;
/// What a port keeps of what the guest sends.
const ROOM: usize = 64 << 10;
/// Steps that only this target knows, each for a port.
const INPUT: u8 = 0;
const ROOM_IS: u8 = 1;
const OPEN: u8 = 2;
const RESIZE: u8 = 3;

pub fn run(script: &[u8]) {
    let ends = [MockPort::default(), MockPort::default()];
    let spec =
        |n: usize| PortSpec { name: format!("port{n}"), is_console: n == 0, port: Box::new(ends[n].clone()) };
    let columns = Arc::new(AtomicU16::new(80));
    let size = columns.clone();
    let console =
        Console::new((0..PORTS).map(spec).collect(), Box::new(move || (size.load(Ordering::Relaxed), 25)));
    let mut driver = Driver::ready(Box::new(console), u64::MAX);
    play(&mut driver, script, |driver, what, value| {
        let port = usize::from(what >> 4) % PORTS;
        let mut end = ends[port].state();
        match what % 4 {
            INPUT if end.to_receive.len() < ROOM => end.to_receive.extend(vec![0x41; usize::from(value)]),
            INPUT => {}
            ROOM_IS => end.room = usize::from(value).min(ROOM),
            OPEN => end.is_open = value & 1 != 0,
            _ => columns.store(value, Ordering::Relaxed),
        }
        drop(end);
        driver.mmio.ready(if what % 4 == RESIZE { PORTS } else { port });
    });
    // Without several ports, port 0 is open and takes what is sent.
    driver.set_up(!(1 << 1));
    for end in &ends {
        assert!(end.state().sent.len() <= ROOM);
    }
    let before = {
        let mut end = ends[0].state();
        end.room = usize::MAX;
        assert!(end.guest_open && !ends[1].state().guest_open);
        end.sent.len()
    };
    driver.store(DATA, b"good");
    assert_eq!(driver.request(1, &[(DATA, 4)], &[]), Some(0));
    assert_eq!(ends[0].state().sent[before..], *b"good");
}

fn say(port: u32, event: u16, value: u16) -> Vec<Step> {
    let message = [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat();
    vec![
        Step::Store { at: AT, bytes: message },
        Step::Put { queue: 3, readable: vec![(AT, 8)], writable: vec![] },
        Step::Ring { queue: 3 },
    ]
}

pub fn seeds() -> Vec<Seed> {
    let buffers = |queue| {
        let put = |n: u32| Step::Put { queue, readable: vec![], writable: vec![(AT + 0x1000 + n * 64, 64)] };
        vec![put(0), put(1), put(2), Step::Ring { queue }]
    };
    let send =
        |queue| vec![Step::Put { queue, readable: vec![(AT, 100)], writable: vec![] }, Step::Ring { queue }];
    let extra = |what, value| vec![Step::Extra { what, value }];
    let introduced = [buffers(2), say(0, 0, 1), say(0, 3, 1), say(1, 3, 1), say(1, 6, 1)].concat();
    let seed = |name, parts: &[Vec<Step>]| (name, encode(&parts.concat()));
    vec![
        seed("introduced", std::slice::from_ref(&introduced)),
        seed("both-ways", &[introduced.clone(), extra(0x11, 1000), send(5), buffers(4), extra(0x10, 200)]),
        seed("full", &[introduced, extra(0x11, 10), send(5), extra(0x11, 1000)]),
        seed("other-end", &[say(0, 0, 1), say(0, 3, 1), extra(OPEN, 1), buffers(2), extra(OPEN, 0)]),
        seed("resize", &[say(0, 3, 1), buffers(2), extra(RESIZE, 132)]),
        seed(
            "alone",
            &[
                vec![Step::SetUp { features: 1 << 32 }],
                extra(INPUT, 70),
                buffers(0),
                extra(ROOM_IS, 50),
                send(1),
            ],
        ),
        seed("at-once", &[vec![Step::Write { register: 0x108, width: 0, value: 0x21 }]]),
    ]
}
