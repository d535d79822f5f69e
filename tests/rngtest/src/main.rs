//! Uses the random-number driver: the word behind `--` is `KILLS`. Ends the machine, with status 0 if all went well.
//!
//! Whether numbers are random nobody can see. What a broken driver gives can be seen: zeros, the same bytes again, what was in
//! the buffer before, or bits of which one value is much more frequent.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;
use driver::real::ToServer;
use proto::Refusal;
use rng::Random;
use rng::client::NoBytes;
use userlib::{Me, drivers, log, root, start, trace};
use vmm_abi::boot::ARGV_MODULE;

userlib::server!(main);

const SERVER: &str = "rng";
const REGION_LOG2: u32 = 14;
/// Of the long requests: more than fits into the region.
const LONG: usize = 40_000;
/// Of the short ones.
const SHORT: usize = 32;
const ROUNDS: u64 = 8;

enum Failure {
    Driver(Refusal),
    NoBytes(NoBytes),
    /// These bytes have come before.
    Again,
    /// Bits that are set, of so many.
    Biased(u32, u32),
    Restarts(u64, u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Driver(why) => write!(f, "there is no driver: {why:?}"),
            Self::NoBytes(why) => write!(f, "no bytes: {why:?}"),
            Self::Again => f.write_str("bytes that have come before"),
            Self::Biased(ones, bits) => write!(f, "{ones} of {bits} bits are set"),
            Self::Restarts(found, expected) => {
                write!(f, "the driver was to be killed {expected} times and was restarted {found} times")
            }
        }
    }
}

fn main(_me: Me) -> ! {
    trace::start();
    let kills = root::module(ARGV_MODULE).ok().and_then(|text| {
        let word = core::str::from_utf8(text).ok()?.split('\0').next()?;
        word.parse().ok()
    });
    let status = match run(kills.unwrap_or(0)) {
        Ok(restarts) => {
            log!("passed: {restarts} restarts");
            0
        }
        Err(failure) => {
            log!("FAILED: {failure}");
            1
        }
    };
    root::exit(status);
    start::stop()
}

fn run(kills: u64) -> Result<u64, Failure> {
    let link = ToServer::new(SERVER, REGION_LOG2).map_err(Failure::Driver)?;
    let mut random = Random::open(link, 1 << REGION_LOG2).map_err(Failure::Driver)?;
    let mut seen: Vec<[u8; SHORT]> = Vec::new();
    for round in 0..ROUNDS.max(kills) {
        if round < kills {
            drivers::kill(SERVER).map_err(Failure::Driver)?;
        }
        let mut long = vec![0; LONG];
        random.fill(&mut long).map_err(Failure::NoBytes)?;
        unbiased(&long)?;
        let mut short = [0; SHORT];
        random.fill(&mut short).map_err(Failure::NoBytes)?;
        // The first and the last bytes of the long ones stand for all of them.
        for part in [long.first_chunk(), long.last_chunk(), Some(&short)].into_iter().flatten() {
            if seen.contains(part) {
                return Err(Failure::Again);
            }
            seen.push(*part);
        }
    }
    let restarts = random.client().recoveries();
    if restarts >= kills { Ok(restarts) } else { Err(Failure::Restarts(restarts, kills)) }
}

/// Whether about half of the bits are set: within ten standard deviations (a deviation is half of the root of the number of bits).
fn unbiased(bytes: &[u8]) -> Result<(), Failure> {
    let bits = bytes.len() as u32 * 8;
    let ones = bytes.iter().map(|byte| byte.count_ones()).sum::<u32>();
    let off = u64::from(ones.abs_diff(bits / 2));
    if off * off <= 25 * u64::from(bits) { Ok(()) } else { Err(Failure::Biased(ones, bits)) }
}
