//! The driver and its client, with a device of the test's: what a file server would do is elsewhere (`client::tests`).

use super::*;
use crate::client::kind::DIALECT;
use crate::client::{Channel, Error, Lost, Session};
use crate::wire::Wire;
use driver::client::{Link, Repeat};
use driver::mock::server::{Death, Server};
use driver::mock::{Faults, Machine, Ram, Request as Chain};
use driver::{Client, engine};

const REGION: usize = 32 << 10;
type Driver = P9<Machine, Ram>;

/// A device whose answer is the message, upside down.
fn echo(chain: &mut Chain<'_>) -> Option<u32> {
    let answer: Vec<u8> = chain.readable.iter().rev().copied().collect();
    chain.write(0, &answer);
    Some(answer.len() as u32)
}

fn machine(serve: impl FnMut(&mut Chain<'_>) -> Option<u32> + 'static) -> Machine {
    let config = [&5u16.to_le_bytes()[..], b"files"].concat();
    Machine::new(DeviceKind::P9.id(), HAS_TAG | feature::EVENT_INDEX, &config, Box::new(serve))
}

fn server(machine: &Machine) -> Server<Driver> {
    let (device, queue) = (machine.clone(), machine.memory(8192));
    Server::new(machine, REGION, move || P9::new(device.clone(), queue.clone()).unwrap())
}

fn exchange(wire: &mut Wire<Server<Driver>>, message: &[u8]) -> Result<Vec<u8>, Lost> {
    wire.put(0, message);
    let len = wire.exchange(message.len())?;
    let mut answer = vec![0; len];
    wire.get(0, &mut answer);
    Ok(answer)
}

#[test]
fn messages_go_to_the_device_and_back() {
    let machine = machine(echo);
    let mut wire = Wire::open(server(&machine), REGION).unwrap();
    assert_eq!(wire.share().tag(), b"files");
    assert_eq!(wire.room(), (REGION - 4096) / 2);
    for len in [7, 100, wire.room()] {
        let message: Vec<u8> = (0..len).map(|n| n as u8).collect();
        let answer = exchange(&mut wire, &message).unwrap();
        assert!(answer.iter().rev().eq(&message), "{len}");
    }
}

#[test]
fn what_has_no_room_is_cut_off() {
    let machine = machine(|chain| {
        assert_eq!(chain.readable.len(), 7);
        Some(7)
    });
    let mut wire = Wire::open(server(&machine), REGION).unwrap();
    wire.put(wire.room() - 1, b"ab");
    wire.put(usize::MAX, b"a");
    assert_eq!(wire.exchange(6), Err(Lost::Gone), "no message is so short");
    assert_eq!(wire.exchange(7), Ok(7));
    let mut bytes = [7; 4];
    wire.get(usize::MAX, &mut bytes);
    assert_eq!(bytes, [0; 4]);
}

#[test]
fn a_client_hears_of_a_restart() {
    for death in [Death::Before, Death::After] {
        let machine = machine(echo);
        let server = server(&machine);
        let mut wire = Wire::open(server.clone(), REGION).unwrap();
        exchange(&mut wire, &[1; 20]).unwrap();
        server.dies(server.calls() + 1, death);
        assert_eq!(exchange(&mut wire, &[2; 20]), Err(Lost::Restarted), "{death:?}");
        assert_eq!(exchange(&mut wire, &[3; 20]), Ok(vec![3; 20]));
    }
}

#[test]
fn a_client_hears_of_a_reset() {
    let machine = machine(echo);
    let mut wire = Wire::open(server(&machine), REGION).unwrap();
    exchange(&mut wire, &[1; 20]).unwrap();
    // While nothing is under way.
    machine.need_reset();
    assert_eq!(exchange(&mut wire, &[2; 20]), Err(Lost::Restarted));
    assert_eq!(exchange(&mut wire, &[3; 20]), Ok(vec![3; 20]));
    // With a message under way: the device breaks the rules, once.
    machine.fault(Faults { used_id: Some(9), ..Faults::default() });
    let lost = exchange(&mut wire, &[4; 20]);
    machine.fault(Faults::default());
    assert_eq!(lost, Err(Lost::Restarted));
    assert_eq!(exchange(&mut wire, &[5; 20]), Ok(vec![5; 20]));
}

#[test]
fn a_device_that_answers_nothing_is_broken() {
    for written in [0, 6] {
        let machine = machine(move |_| Some(written));
        let mut wire = Wire::open(server(&machine), REGION).unwrap();
        let ends: Vec<_> = (0..=engine::RESETS + 1).map(|_| exchange(&mut wire, &[1; 20])).collect();
        assert!(ends.contains(&Err(Lost::Restarted)) && ends.last() == Some(&Err(Lost::Gone)), "{ends:?}");
        let session = Session::start(Wire::open(server(&machine), REGION).unwrap(), 0);
        assert_eq!(session.err(), Some(Error::Gone));
    }
}

#[test]
fn nonsense_is_refused() {
    let machine = machine(echo);
    let mut client = Client::open(server(&machine)).unwrap();
    let good = Submission { offset: 4096, len: 100, ..Exchange { len: 7, answer: 50 }.into() };
    for (request, outcome) in [
        (good, Outcome::Done),
        (Submission { operation: 2, ..good }, Outcome::BadRequest),
        (Submission { len: 56, ..good }, Outcome::BadRequest),
        (Submission { offset: 4095, ..good }, Outcome::BadRequest),
        (Submission { len: REGION as u32 - 4095, ..good }, Outcome::BadRequest),
        (Submission { arguments: [51, 50], ..good }, Outcome::BadRequest),
        (Submission { arguments: [7, u64::MAX], ..good }, Outcome::BadRequest),
    ] {
        client.submit(request, Repeat::Never).unwrap();
        client.wait(1).unwrap();
        assert_eq!(client.take().unwrap().outcome, outcome, "{request:?}");
    }
}

#[test]
fn a_session_through_a_driver_that_dies() {
    // A file server that knows one file, and that only if it has been walked to since the last reset.
    let machine = machine(serve_one_file());
    let server = server(&machine);
    let mut session = Session::start(Wire::open(server.clone(), REGION).unwrap(), 0).unwrap();
    let file = session.open("hello", 0).unwrap();
    for round in 0..20 {
        let death = if round % 2 == 0 { Death::Before } else { Death::After };
        server.dies(server.calls() + 1 + round % 3, death);
        let mut bytes = [0; 16];
        assert_eq!(session.read(file, 0, &mut bytes), Ok(5));
        assert_eq!(&bytes[..5], b"hello");
    }
    assert!(session.restarts() >= 10);
    session.close(file).unwrap();
}

fn serve_one_file() -> impl FnMut(&mut Chain<'_>) -> Option<u32> {
    let (mut walked, mut open) = (false, false);
    move |chain| {
        let [kind, tag @ ..] = &chain.readable[4..7] else { panic!("a message has a header") };
        let (kind, qid) = (*kind, [0; 13]);
        let body = match kind {
            100 => {
                (walked, open) = (false, false);
                [&8192u32.to_le_bytes()[..], &8u16.to_le_bytes(), DIALECT.as_bytes()].concat()
            }
            104 => qid.to_vec(),
            110 => {
                walked = true;
                [&1u16.to_le_bytes()[..], &qid].concat()
            }
            12 if walked => {
                open = true;
                [&qid[..], &[0; 4]].concat()
            }
            116 if open => [&5u32.to_le_bytes()[..], b"hello"].concat(),
            120 => Vec::new(),
            _ => panic!("message {kind} to a server that has forgotten the file"),
        };
        let answer = [&(body.len() as u32 + 7).to_le_bytes()[..], &[kind + 1], tag, &body].concat();
        chain.write(0, &answer);
        Some(answer.len() as u32)
    }
}

#[test]
fn names_of_shares_are_what_the_device_says() {
    for (config, features, tag) in [
        (vec![3, 0, b'a', b'b', b'c', b'd'], HAS_TAG, &b"abc"[..]),
        (vec![3, 0, b'a', b'b', b'c', b'd'], 0, b""),
        ([&[0xff, 0xff][..], &[b'x'; 100]].concat(), HAS_TAG, &[b'x'; 32]),
    ] {
        let machine = Machine::new(DeviceKind::P9.id(), features, &config, Box::new(echo));
        let mut link = server(&machine);
        link.find().unwrap();
        assert_eq!(Wire::open(link, REGION).unwrap().share().tag(), tag);
    }
}
