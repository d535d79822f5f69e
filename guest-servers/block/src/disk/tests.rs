//! The driver and its client, with a device of the test's that misbehaves.

use super::*;
use driver::client::Repeat;
use driver::disk::{Disk as Client, DiskError};
use driver::mock::server::{Death, Server};
use driver::mock::{Faults, Machine, Ram, Request};
use std::cell::RefCell;
use std::rc::Rc;

const SECTORS: usize = 256;
const REGION: usize = 64 << 10;

type Mock = VirtioDisk<Machine, Ram>;

/// Sectors of a device, and what it answers instead of doing its work.
#[derive(Clone)]
struct Medium(Rc<RefCell<(Vec<u8>, Option<u8>)>>);

fn config(sectors: u64) -> Vec<u8> {
    let mut config = vec![0; 60];
    config[..8].copy_from_slice(&sectors.to_le_bytes());
    for (offset, value) in [(20, 512u32), (36, 128), (48, 64)] {
        config[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
    config
}

fn serve(medium: &Medium, r: &mut Request) -> Option<u32> {
    let (bytes, status) = &mut *medium.0.borrow_mut();
    let readable = r.readable.clone();
    let word = |at: usize| u64::from_le_bytes(readable[at..at + 8].try_into().unwrap());
    let (kind, at) = (readable[0], word(8) as usize * 512);
    let data = r.room() - 1;
    let status = status.unwrap_or_else(|| {
        match kind {
            0 => r.write(0, &bytes[at..at + data]),
            1 => bytes[at..at + readable.len() - HEADER].copy_from_slice(&readable[HEADER..]),
            11 | 13 => {
                let (at, len) = (word(16) as usize * 512, (word(24) as u32 as usize) * 512);
                bytes[at..at + len].fill(0);
            }
            4 => {}
            _ => return 2,
        }
        0
    });
    r.write(data, &[status]);
    Some(data as u32 + 1)
}

struct Rig {
    machine: Machine,
    medium: Medium,
    server: Server<Mock>,
    client: Client<Server<Mock>>,
}

fn rig_with(features: u64) -> Rig {
    let medium = Medium(Rc::new(RefCell::new((vec![0; SECTORS * 512], None))));
    let of_device = medium.clone();
    let machine =
        Machine::new(DEVICE_ID, features, &config(SECTORS as u64), Box::new(move |r| serve(&of_device, r)));
    let (device, memory) = (machine.clone(), machine.memory(1 << MEMORY_LOG2));
    let make = move || VirtioDisk::new(device.clone(), memory.clone()).unwrap();
    let server = Server::new(&machine, REGION, make);
    let client = Client::open(server.clone(), REGION).unwrap();
    Rig { machine, medium, server, client }
}

fn rig() -> Rig {
    rig_with(feature::WANTED & !feature::READ_ONLY & !feature::SIZE_MAX | EVENT_INDEX)
}

fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| ((n + seed) * 31 % 251) as u8).collect()
}

#[test]
fn what_is_written_is_read_back() {
    let mut r = rig();
    let facts = *r.client.facts();
    assert_eq!((facts.sectors, facts.discard_max, facts.zeroes_max), (SECTORS as u64, 128, 64));
    r.client.fill(0, &pattern(1, 8192));
    r.client.write(3, 0, 8192).unwrap();
    r.client.flush().unwrap();
    assert_eq!(r.medium.0.borrow().0[3 * 512..][..8192], pattern(1, 8192));
    r.client.read(3, 16384, 8192).unwrap();
    let mut found = vec![0; 8192];
    r.client.look(16384, &mut found);
    assert_eq!(found, pattern(1, 8192));
    r.client.write_zeroes(3, 2).unwrap();
    r.client.discard(5, 1).unwrap();
    r.client.read(3, 0, 2048).unwrap();
    r.client.look(0, &mut found[..2048]);
    assert_eq!((&found[..1536], &found[1536..2048]), (&[0; 1536][..], &pattern(1, 8192)[1536..2048]));
}

#[test]
fn many_at_a_time() {
    let mut r = rig();
    r.client.fill(0, &pattern(9, 32768));
    let tags: Vec<_> = (0..64)
        .map(|n| r.client.submit(Operation::Write { sector: n }, n as usize * 512, 512).unwrap())
        .collect();
    assert!(r.client.submit(Operation::Flush, 0, 0).is_err(), "the session has no more places");
    let bells = r.machine.doorbells();
    r.client.wait(64).unwrap();
    assert_eq!(r.server.calls(), 2, "the open, and one call for all");
    assert!(r.machine.doorbells() - bells <= 4, "not one for each");
    let mut done: Vec<_> = std::iter::from_fn(|| r.client.take()).collect();
    done.sort_by_key(|c| c.tag);
    assert!(done.iter().map(|c| c.tag).eq(tags) && done.iter().all(|c| c.outcome == Outcome::Done));
    assert_eq!(r.medium.0.borrow().0[..32768], pattern(9, 32768));
}

#[test]
fn what_the_device_says_is_passed_on() {
    let mut r = rig();
    for (status, outcome) in
        [(1, Outcome::Failed), (2, Outcome::Unsupported), (77, Outcome::Failed), (0xff, Outcome::Failed)]
    {
        r.medium.0.borrow_mut().1 = Some(status);
        assert_eq!(r.client.read(0, 0, 512), Err(DiskError::Request(outcome)), "{status}");
    }
    r.medium.0.borrow_mut().1 = None;
    assert_eq!(r.client.read(0, 0, 512), Ok(()));
}

#[test]
fn a_disk_that_is_read_only_or_cannot_flush() {
    let mut r = rig_with(feature::READ_ONLY);
    assert!(r.client.facts().read_only);
    assert_eq!(r.client.write(0, 0, 512), Err(DiskError::Request(Outcome::Unsupported)));
    assert_eq!(r.client.discard(0, 1), Err(DiskError::Request(Outcome::Unsupported)));
    let bells = r.machine.doorbells();
    assert_eq!(r.client.flush(), Ok(()));
    assert_eq!(r.machine.doorbells(), bells, "there is nothing to flush");
}

#[test]
fn a_device_that_misbehaves_is_reset_and_the_request_done() {
    // Deaf, or lying about one request: the next one is well.
    for faults in [
        Faults { deaf: true, ..Faults::default() },
        Faults { used_id: Some(200), ..Faults::default() },
        Faults { used_ahead: 300, ..Faults::default() },
        Faults { written: Some(u32::MAX), ..Faults::default() },
    ] {
        let mut r = rig();
        r.client.fill(0, &pattern(2, 512));
        r.client.submit(Operation::Write { sector: 9 }, 0, 512).unwrap();
        r.machine.fault_once(faults);
        let before = r.machine.resets();
        r.client.wait(1).unwrap();
        assert_eq!(r.client.take().map(|c| c.outcome), Some(Outcome::Done), "{faults:?}");
        assert_eq!(r.machine.resets(), before + 1, "{faults:?}");
        assert_eq!(r.medium.0.borrow().0[9 * 512..][..512], pattern(2, 512));
    }
}

#[test]
fn a_device_that_has_stopped_working_is_told_of() {
    for faults in [
        Faults { deaf: true, ..Faults::default() },
        Faults { used_id: Some(u32::MAX), ..Faults::default() },
        Faults { deaf: true, never_resets: true, ..Faults::default() },
        Faults { deaf: true, refuses_features: true, ..Faults::default() },
    ] {
        let mut r = rig();
        r.machine.fault(faults);
        assert_eq!(r.client.read(0, 0, 512), Err(DiskError::Request(Outcome::NoDevice)), "{faults:?}");
        assert_eq!(r.client.flush(), Err(DiskError::Request(Outcome::NoDevice)), "{faults:?}");
    }
}

#[test]
fn a_device_that_asks_for_a_reset_gets_one() {
    let mut r = rig();
    r.client.fill(0, &pattern(4, 512));
    r.client.write(1, 0, 512).unwrap();
    let before = r.machine.resets();
    r.machine.need_reset();
    r.client.read(1, 512, 512).unwrap();
    assert_eq!(r.machine.resets(), before + 1);
}

#[test]
fn a_configuration_that_cannot_be() {
    for (offset, value) in [(20, 0u32), (20, 511), (20, 1000), (8, 511)] {
        let mut config = config(8);
        config[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
        let features = feature::WANTED;
        let machine = Machine::new(DEVICE_ID, features, &config, Box::new(|_| None));
        if offset != 8 {
            // The largest transfer of this disk is one sector.
            machine.set_config(&[&config[..8], &512u32.to_le_bytes(), &config[12..]].concat());
        }
        let made = VirtioDisk::new(machine.clone(), machine.memory(1 << MEMORY_LOG2));
        assert!(made.is_err(), "{offset} {value}");
    }
    let machine = Machine::new(DEVICE_ID, 0, &[], Box::new(|_| None));
    assert!(VirtioDisk::new(machine.clone(), machine.memory(4096)).is_err(), "too little memory");
}

/// Writes with a driver that dies at the calls given. What is acknowledged has to be on the disk, and everything is in the end.
fn write_while_it_dies(deaths: &[(u64, Death)]) {
    let mut r = rig();
    for &(call, death) in deaths {
        r.server.dies(call, death);
    }
    for round in 0..6usize {
        r.client.fill(0, &pattern(round * 7, 4096));
        for n in 0..8 {
            let sector = (round * 8 + n) as u64;
            r.client.submit(Operation::Write { sector }, n * 512, 512).unwrap();
        }
        let mut left = 8;
        while left > 0 {
            r.client.wait(1 + left / 3).unwrap();
            while let Some(completion) = r.client.take() {
                assert_eq!(completion.outcome, Outcome::Done, "{deaths:?}");
                left -= 1;
            }
        }
        let written = r.medium.0.borrow().0[round * 4096..][..4096].to_vec();
        assert_eq!(written, pattern(round * 7, 4096), "{deaths:?}");
        r.client.flush().unwrap();
    }
    assert!(deaths.is_empty() || r.client.client().recoveries() > 0, "{deaths:?}");
}

#[test]
fn nothing_is_lost_when_the_driver_dies() {
    write_while_it_dies(&[]);
    for call in 2..12 {
        for death in [Death::Before, Death::After] {
            write_while_it_dies(&[(call, death)]);
            // The driver that comes next dies at once, too.
            write_while_it_dies(&[(call, death), (call + 1, Death::Before), (call + 2, Death::After)]);
        }
    }
}

#[test]
fn what_must_not_be_done_twice_is_lost_with_the_driver() {
    let mut r = rig();
    r.server.dies(r.server.calls() + 1, Death::After);
    let client = r.client.client_mut();
    let tag = client.submit(Operation::Flush.into(), Repeat::Never).unwrap();
    client.wait(1).unwrap();
    let completion = client.take().unwrap();
    assert_eq!((completion.tag, completion.outcome), (tag, Outcome::Lost));
    assert_eq!((client.take(), client.under_way()), (None, 0));
    assert_eq!(r.client.flush(), Ok(()));
}

#[test]
fn buffers_outside_are_the_clients_mistake() {
    let mut r = rig();
    let room = r.client.room();
    assert_eq!(r.client.read(0, room - 511, 512), Err(DiskError::Buffer));
    assert_eq!(r.client.read(0, usize::MAX, 512), Err(DiskError::Buffer));
    assert_eq!(r.client.read(SECTORS as u64, 0, 512), Err(DiskError::Request(Outcome::BadRequest)));
}
