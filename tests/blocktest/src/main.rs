//! A server that writes to a disk while the disk's driver is killed, crashes, hangs, again and again.
//!
//! Its first thread writes blocks, each with a pattern of its own in each generation, flushes, reads back, and in the end verifies
//! everything: what was acknowledged has to be there. Its second thread is the *assassin*: at random moments it has the driver killed,
//! or lets it fail by itself, and notes how long it was until the writer's next request was done. The log ends with these times and a checksum of
//! what is now on the disk, which whoever has the disk can compare; the machine ends with status 0, or 1 if anything was not as it has to be.
//!
//! - [`options`]: how many kills
//! - [`pattern`]: what is in a block
//! - [`writer`], [`assassin`]: the two threads; [`shared`]: what they tell each other
//! - [`extras`]: requests that the writer does not make, a disk that is not there, a driver that always dies
//! - [`outage`]: times and their percentiles

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod assassin;
mod extras;
mod options;
mod outage;
mod pattern;
mod shared;
mod writer;

use options::Options;
use proto::Refusal;
use userlib::thread::spawn;
use userlib::{Me, Status, log, root, start, trace};
use writer::Writer;

userlib::server!(main);

/// The server that is tested.
const DRIVER: &str = "block";

fn main(_me: Me) -> ! {
    trace::start();
    let options = Options::read();
    let status = match run(&options) {
        Ok(()) => 0,
        Err(failure) => {
            log!("FAILED: {failure}");
            1
        }
    };
    root::exit(status);
    start::stop()
}

fn run(options: &Options) -> Result<(), Failure> {
    let mut writer = Writer::open(options)?;
    extras::a_disk_that_is_not_there()?;
    extras::other_requests(writer.disk())?;
    log!("disk of {} sectors, {} kills", writer.disk().facts().sectors, options.kills);
    shared::set_plan(options);
    spawn(1, &assassin::STACK, assassin::main)?;
    while !shared::is_over() {
        writer.round()?;
    }
    if let Some(what) = shared::failure() {
        return Err(Failure::Assassin(what));
    }
    extras::a_driver_that_always_dies(writer.disk())?;
    let checksum = writer.verify()?;
    let blocks = writer.blocks();
    log!(
        "passed: {} writes, {} recoveries, {blocks} blocks, checksum {checksum:#018x}",
        writer.writes(),
        writer.recoveries()
    );
    Ok(())
}

/// What was not as it has to be.
#[derive(Debug)]
pub enum Failure {
    Refused(Refusal),
    Kernel(Status),
    Disk(driver::disk::DiskError),
    /// A block is not what was acknowledged: its number, the generation that it should have, the first word.
    Lost {
        block: u32,
        generation: u32,
        found: u64,
    },
    Check(&'static str),
    Assassin(&'static str),
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why:?}"),
            Self::Kernel(status) => write!(f, "the kernel says {status:?}"),
            Self::Disk(why) => write!(f, "the disk says {why:?}"),
            Self::Lost { block, generation, found } => {
                write!(f, "block {block} should be of generation {generation}; its first word is {found:#x}")
            }
            Self::Check(what) => f.write_str(what),
            Self::Assassin(what) => write!(f, "assassin: {what}"),
        }
    }
}

impl From<Refusal> for Failure {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        Self::Kernel(status)
    }
}

impl From<driver::disk::DiskError> for Failure {
    fn from(why: driver::disk::DiskError) -> Self {
        Self::Disk(why)
    }
}
