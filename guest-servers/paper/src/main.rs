//! A server that measures what programs of L4 do: the native rows of "The Performance of µ-Kernel-Based Systems" (SOSP '97), Tables 4 and 5.
//!
//! For each metric it makes tasks, which run functions of this server and share some memory. What comes out is a JSON object on the machine's
//! log, in the form of `tests/programs/paper`, whose readings are taken in the same way. It takes two lines, since the log's are short, each
//! behind [`MARK`].
//!
//! - [`metrics`]: what is measured; [`clients`], [`partners`]: what takes part
//! - [`child`], [`memory`]: tasks and their memory
//! - [`ticks`]: readings of the counter

#![no_std]
#![no_main]

mod child;
mod clients;
mod memory;
mod metrics;
mod partners;
mod ticks;

use memory::Shared;
use metrics::{EMPTY, METRICS};
use userlib::{Me, Status, log, root, start};

userlib::server!(main);

/// Begins a line, or half a line, of the report.
const MARK: &str = "PAPER";

fn main(me: Me) -> ! {
    let measured = measure(me);
    if let Err(status) = measured {
        log!("failed: {status:?}");
    }
    root::exit(measured.is_err().into());
    start::stop()
}

fn measure(me: Me) -> Result<(), Status> {
    let shared = Shared::make(me).ok_or(Status::NoMemory)?;
    let empty = EMPTY.least(me, shared)?;
    for metric in METRICS {
        let (name, unit, per) = (metric.name, metric.unit, metric.per);
        match metric.measure(me, shared, empty) {
            Ok(stats) => {
                log!(r#"{MARK} {{"name":"{name}","unit":"{unit}","per":{per},"subtracted":{empty},"#);
                log!(r#"{MARK} "stats":{stats}}}"#);
            }
            Err(status) => log!(r#"{MARK} {{"name":"{name}","error":"{status:?}"}}"#),
        }
    }
    Ok(())
}
