//! The driver and its client, with a device of the test's.

use super::*;
use crate::client::{NoBytes, Random};
use crate::pool;
use driver::Client;
use driver::client::Link;
use driver::mock::server::{Death, Server};
use driver::mock::{Machine, Ram, Request as Chain};
use std::sync::OnceLock;

const REGION: usize = 16 << 10;
type Driver = Rng<Machine, Ram>;

/// What the device gives: bytes in which no part comes twice.
fn stream() -> &'static [u8] {
    static STREAM: OnceLock<Vec<u8>> = OnceLock::new();
    STREAM.get_or_init(|| (0..200_000u32).map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()[0]).collect())
}

fn is_from_device(bytes: &[u8]) -> bool {
    stream().windows(bytes.len()).any(|window| window == bytes)
}

/// A device that gives at most so many bytes at a time.
fn machine(most: usize) -> Machine {
    let mut at = 0;
    let serve = move |chain: &mut Chain<'_>| {
        let len = chain.room().min(most);
        chain.write(0, &stream()[at..at + len]);
        at += len;
        Some(len as u32)
    };
    Machine::new(DeviceKind::Rng.id(), feature::EVENT_INDEX, &[], Box::new(serve))
}

fn server(machine: &Machine) -> Server<Driver> {
    let (device, queue, pool) = (machine.clone(), machine.memory(8192), machine.memory(4096));
    Server::new(machine, REGION, move || Rng::new(device.clone(), queue.clone(), pool.clone()).unwrap())
}

fn random(machine: &Machine) -> (Random<Server<Driver>>, Server<Driver>) {
    let server = server(machine);
    (Random::open(server.clone(), REGION).unwrap(), server)
}

#[test]
fn a_few_bytes() {
    let machine = machine(usize::MAX);
    let (mut random, _) = random(&machine);
    let mut all = Vec::new();
    for len in [0, 1, 16, 48, 7].into_iter().cycle().take(200) {
        let mut bytes = vec![0; len];
        random.fill(&mut bytes).unwrap();
        assert!(len < 16 || is_from_device(&bytes), "{bytes:?}");
        if len == 48 {
            assert!(!all.contains(&bytes), "bytes that were handed out before");
            all.push(bytes);
        }
    }
}

#[test]
fn many_bytes() {
    for most in [usize::MAX, 1000, 64] {
        let machine = machine(most);
        let (mut random, server) = random(&machine);
        let mut bytes = vec![0; 3 * REGION];
        random.fill(&mut bytes).unwrap();
        assert!(bytes.chunks(64.min(most)).all(is_from_device), "{most}");
        let mut left = vec![0xff; REGION - 4096];
        driver::Memory::read(&server.region(), 4096, &mut left);
        assert!(left.iter().all(|b| *b == 0), "none is left behind");
    }
}

#[test]
fn a_driver_that_dies_is_asked_again() {
    for death in [Death::Before, Death::After] {
        for call in 2..7 {
            let machine = machine(4000);
            let (mut random, server) = random(&machine);
            server.dies(call, death);
            let (mut few, mut many) = ([0; 32], vec![0; 20_000]);
            random.fill(&mut few).unwrap();
            random.fill(&mut many).unwrap();
            assert!(is_from_device(&few) && many.chunks(500).all(is_from_device), "{death:?} {call}");
            assert!(server.calls() > call);
        }
    }
}

#[test]
fn a_device_that_gives_nothing_is_left_alone() {
    let machine = Machine::new(DeviceKind::Rng.id(), 0, &[], Box::new(|_| Some(0)));
    assert_eq!(Random::open(server(&machine), REGION).err(), Some(Refusal::NoDevice));
}

#[test]
fn a_device_that_is_silent_is_left_alone() {
    let machine = Machine::new(DeviceKind::Rng.id(), 0, &[], Box::new(|_| None));
    let (mut random, _) = random(&machine);
    assert_eq!(random.fill(&mut [0; 100]), Err(NoBytes::Request(Outcome::NoDevice)));
}

#[test]
fn nonsense_is_refused() {
    let machine = machine(usize::MAX);
    let mut client = Client::open(server(&machine)).unwrap();
    for words in [[0], [49], [u64::MAX]] {
        let answer = client.link_mut().call(&Message::new(proto::rng::SHORT, words)).unwrap();
        assert_eq!(answer.accepted(), Err(Refusal::BadRequest));
    }
    for request in [
        Submission { operation: 2, offset: 4096, len: 10, ..Submission::default() },
        Submission::from(Fill),
        Submission { offset: 4096, len: REGION as u32, ..Fill.into() },
    ] {
        client.submit(request, driver::client::Repeat::Allowed).unwrap();
        client.wait(1).unwrap();
        assert_eq!(client.take().unwrap().outcome, Outcome::BadRequest, "{request:?}");
    }
}

#[test]
fn another_device() {
    let machine = Machine::new(DeviceKind::Block.id(), 0, &[], Box::new(|_| None));
    let (queue, pool) = (machine.memory(8192), machine.memory(pool::BYTES));
    assert!(Rng::new(machine, queue, pool).is_err());
}
