//! Requests that the writer does not make, a disk that is not there, and a driver that always dies.

use crate::{DRIVER, Failure};
use alloc::vec;
use driver::disk::{Disk, DiskError};
use driver::real::ToServer;
use proto::Refusal;
use proto::block::{Operation, SECTOR};
use proto::session::{DATA, Hook, Outcome, Request, Submission};
use userlib::thread::sleep;
use userlib::{drivers, ipc, root};

/// The server of the set whose device the machine does not have.
const ABSENT: &str = "nodisk";
/// Bytes that are played with, at the beginning of the disk.
const BYTES: usize = 64 << 10;

/// The driver says clearly that it has none.
pub fn a_disk_that_is_not_there() -> Result<(), Failure> {
    match Disk::open(ToServer::new(ABSENT, 16)?, 1 << 16) {
        Err(Refusal::NoDevice) => Ok(()),
        Err(why) => Err(Failure::Refused(why)),
        Ok(_) => Err(Failure::Check("there is a disk where there should be none")),
    }
}

/// Zeroes, discards, requests that cannot be.
pub fn other_requests(disk: &mut Disk<ToServer>) -> Result<(), Failure> {
    disk.fill(0, &vec![0xa5; BYTES]);
    disk.write(0, 0, BYTES)?;
    let sectors = (BYTES as u64 / SECTOR) as u32;
    if disk.facts().discard_max >= sectors {
        disk.discard(0, sectors)?;
    }
    if disk.facts().zeroes_max >= sectors {
        disk.write_zeroes(0, sectors)?;
        disk.read(0, 0, BYTES)?;
        let mut found = vec![1; BYTES];
        disk.look(0, &mut found);
        if found.iter().any(|byte| *byte != 0) {
            return Err(Failure::Check("what was made zero is not"));
        }
    }
    disk.flush()?;
    nonsense(disk)
}

/// What the driver must refuse: memory that is not shared, sectors that are not there.
fn nonsense(disk: &mut Disk<ToServer>) -> Result<(), Failure> {
    let end = disk.facts().sectors;
    let read = |sector, offset: usize, len: u32| Submission {
        offset: offset as u32,
        len,
        ..Operation::Read { sector }.into()
    };
    for bad in [
        read(0, 0, 512),
        read(0, DATA - 512, 512),
        read(0, DATA + disk.room(), 512),
        read(0, DATA, !511),
        read(0, 0xffff_f000, 512),
        read(end, DATA, 512),
        read(u64::MAX, DATA, 512),
        read(0, DATA, 100),
        Submission { operation: 77, ..read(0, DATA, 512) },
    ] {
        let client = disk.client_mut();
        client
            .submit(bad, driver::client::Repeat::Allowed)
            .map_err(|_| Failure::Check("the session is full"))?;
        client.wait(1).map_err(DiskError::Driver)?;
        match client.take() {
            Some(completion) if completion.outcome == Outcome::BadRequest => {}
            _ => return Err(Failure::Check("a request that cannot be was not refused")),
        }
    }
    Ok(())
}

/// Longer than root takes to give up a driver that dies as soon as it can: so many looks, so far apart (µs).
const LOOKS: u32 = 10_000;
const LOOK_US: u32 = 2000;

/// It is given up, and its clients are told so; somebody who may kill it can have it started again.
pub fn a_driver_that_always_dies(disk: &mut Disk<ToServer>) -> Result<(), Failure> {
    let given_up = (0..LOOKS).any(|_| match root::lookup(DRIVER) {
        Ok(driver) => {
            let _it_is_gone = ipc::call(driver, &Request::Hook(Hook::Crash).into());
            false
        }
        Err(Refusal::NoDevice) => true,
        Err(_) => {
            sleep(LOOK_US);
            false
        }
    });
    if !given_up {
        return Err(Failure::Check("a driver that dies each time was not given up"));
    }
    if disk.flush() != Err(DiskError::Driver(Refusal::NoDevice)) {
        return Err(Failure::Check("a driver that was given up did not answer so"));
    }
    Ok(drivers::kill(DRIVER)?)
}
