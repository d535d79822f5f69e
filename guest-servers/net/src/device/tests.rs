//! The driver and its client, with a device of the test's.

use super::*;
use crate::client::{Interface as Client, NotSent, REGION_LOG2};
use driver::client::{Link, Repeat};
use driver::mock::server::{Death, Server};
use driver::mock::{Machine, Ram, Request as Chain};
use proto::Refusal;
use std::cell::RefCell;
use std::rc::Rc;

type Driver = Net<Machine, Ram>;
const MAC: [u8; 6] = [0x52, 0x54, 0, 1, 2, 3];

/// A device, and what it has sent.
struct World {
    machine: Machine,
    server: Server<Driver>,
    sent: Rc<RefCell<Vec<Vec<u8>>>>,
}

fn config(is_up: bool) -> Vec<u8> {
    [&MAC[..], &[is_up.into(), 0]].concat()
}

impl World {
    fn new() -> Self {
        let sent = Rc::new(RefCell::new(Vec::new()));
        let out = sent.clone();
        let serve = move |chain: &mut Chain<'_>| {
            if chain.queue == 0 {
                assert_eq!(chain.room(), HEADER as usize + FRAME_MAX);
                return None;
            }
            let (header, frame) = chain.readable.split_at(HEADER as usize);
            assert!(header.iter().all(|b| *b == 0));
            out.borrow_mut().push(frame.to_vec());
            Some(0)
        };
        let features = HAS_MAC | HAS_STATUS | feature::EVENT_INDEX;
        let machine = Machine::new(DeviceKind::Net.id(), features, &config(true), Box::new(serve));
        let server = server(&machine);
        Self { machine, server, sent }
    }

    fn client(&self) -> Client<Server<Driver>> {
        Client::open(self.server.clone()).unwrap()
    }

    /// A frame comes; false if the device has no buffer for it.
    fn come(&self, frame: &[u8]) -> bool {
        self.machine.answer(0, &[&[0; HEADER as usize], frame].concat())
    }
}

fn server(machine: &Machine) -> Server<Driver> {
    let (device, receive, send) = (machine.clone(), machine.memory(8192), machine.memory(8192));
    let headers = machine.memory(HEADERS);
    let make = move || {
        let (receive, send, headers) = (receive.clone(), send.clone(), headers.clone());
        Net::new(device.clone(), Parts { receive, send, headers }).unwrap()
    };
    Server::new(machine, 1 << REGION_LOG2, make)
}

fn frame(n: usize) -> Vec<u8> {
    (0..60 + n % 1400).map(|i| (i * 7 + n) as u8).collect()
}

fn received(client: &mut Client<Server<Driver>>) -> Option<Vec<u8>> {
    let mut bytes = [0; FRAME_MAX];
    client.receive(&mut bytes).map(|len| bytes[..len].to_vec())
}

#[test]
fn an_interface_has_its_address() {
    let world = World::new();
    let client = world.client();
    assert_eq!((client.mac(), client.is_up()), (MAC, true));
    let machine = Machine::new(DeviceKind::Net.id(), 0, &[], Box::new(|_| None));
    let client = Client::open(server(&machine)).unwrap();
    assert_eq!((client.mac(), client.is_up()), (DEFAULT_MAC, true), "of a device that says nothing");
}

#[test]
fn frames_go() {
    let world = World::new();
    let mut client = world.client();
    let mut expected = Vec::new();
    for n in 0..500 {
        while client.send(&frame(n)) == Err(NotSent::Busy) {
            client.poll().unwrap();
        }
        expected.push(frame(n));
    }
    client.poll().unwrap();
    assert_eq!(*world.sent.borrow(), expected);
    assert_eq!(client.send(&[0; 13]), Err(NotSent::Length));
    assert_eq!(client.send(&[0; FRAME_MAX + 1]), Err(NotSent::Length));
}

#[test]
fn frames_come() {
    let world = World::new();
    let mut client = world.client();
    let (mut at, mut expected) = (0, 0);
    while expected < 500 {
        // As many as there are buffers for, and then none is lost that was taken.
        while world.come(&frame(at)) {
            at += 1;
        }
        client.wait(1000).unwrap();
        while let Some(bytes) = received(&mut client) {
            assert_eq!(bytes, frame(expected));
            expected += 1;
        }
        client.poll().unwrap();
        assert_eq!(at, expected);
    }
    client.wait(1000).unwrap();
    assert!(!client.can_receive());
}

#[test]
fn frames_of_no_length_that_a_frame_has_do_not_come() {
    let world = World::new();
    let mut client = world.client();
    for _ in 0..100 {
        assert!(world.machine.answer(0, &[0; HEADER as usize + 13]));
        assert!(world.machine.answer(0, &[0; 5]));
        client.poll().unwrap();
        client.poll().unwrap();
    }
    assert!(received(&mut client).is_none());
    assert!(world.come(&frame(1)));
    client.poll().unwrap();
    assert_eq!(received(&mut client), Some(frame(1)));
}

#[test]
fn links_go_down_and_up() {
    let world = World::new();
    let mut client = world.client();
    for is_up in [false, true, false] {
        world.machine.change_config(&config(is_up));
        client.wait(1000).unwrap();
        assert_eq!(client.is_up(), is_up);
        client.poll().unwrap();
    }
}

#[test]
fn a_driver_that_dies_loses_frames_and_nothing_else() {
    let world = World::new();
    let mut client = world.client();
    let mut got = 0;
    for round in 0..100 {
        let death = if round % 2 == 0 { Death::Before } else { Death::After };
        if round % 5 == 0 {
            world.server.dies(world.server.calls() + 1 + round % 4, death);
        }
        world.come(&frame(round as usize));
        while client.send(&frame(round as usize)) == Err(NotSent::Busy) {
            client.poll().unwrap();
        }
        client.wait(1000).unwrap();
        while let Some(bytes) = received(&mut client) {
            assert!((0..100).any(|n| bytes == frame(n)));
            got += 1;
        }
    }
    client.poll().unwrap();
    assert!(client.client().recoveries() > 10 && got > 10, "{got}");
    for n in 0..100 {
        assert!(world.sent.borrow().contains(&frame(n)), "frame {n}");
    }
    assert!(world.come(&frame(7)));
    client.wait(1000).unwrap();
    assert_eq!(received(&mut client), Some(frame(7)));
}

#[test]
fn a_device_that_does_not_send_is_left_alone() {
    let machine = Machine::new(DeviceKind::Net.id(), HAS_MAC, &MAC, Box::new(|_| None));
    let mut client = Client::open(server(&machine)).unwrap();
    client.send(&frame(1)).unwrap();
    let end = (0..10).find_map(|_| client.wait(1000).err());
    assert_eq!(end, Some(Refusal::NoDevice));
    assert_eq!(machine.resets(), 1 + driver::engine::RESETS, "one when it was claimed");
}

#[test]
fn nonsense_is_refused() {
    let world = World::new();
    let mut client = driver::Client::open(world.server.clone()).unwrap();
    let at =
        |len: usize, operation: Operation| Submission { offset: 4096, len: len as u32, ..operation.into() };
    for request in [
        at(FRAME_MAX - 1, Operation::Receive),
        at(13, Operation::Send),
        at(FRAME_MAX + 1, Operation::Send),
        at(1, Operation::Link { is_up: true }),
        Submission { operation: 99, ..at(60, Operation::Send) },
        Submission { offset: 0, ..at(60, Operation::Send) },
        Submission { offset: (1 << REGION_LOG2) - 59, ..at(60, Operation::Send) },
    ] {
        client.submit(request, Repeat::Allowed).unwrap();
        client.wait(1).unwrap();
        assert_eq!(client.take().unwrap().outcome, Outcome::BadRequest, "{request:?}");
    }
    assert!(client.link_mut().find().is_ok() && world.sent.borrow().is_empty());
}
