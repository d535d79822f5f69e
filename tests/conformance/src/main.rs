//! A server that tests the µ-kernel: every call, every status, what confines a task.
//!
//! It makes tasks of its own, its *puppets*, whose every instruction it decides ([`puppet`]), and compares what the
//! kernel lets them do with `docs/abi.md`. The report goes to the machine's log, a line a case ([`report`]), and
//! the machine's exit status says whether all passed.
//!
//! - [`cases`]: what is tested
//! - [`puppet`], [`code`], [`memory`]: tasks to test with, and memory that is shared with them
//! - [`options`]: which cases are run
//! - [`report`]: failures and the log

#![no_std]
#![no_main]

mod cases;
mod code;
mod memory;
mod options;
mod puppet;
mod report;

use options::Options;
use userlib::{Me, root, start};

userlib::server!(main);

fn main(me: Me) -> ! {
    memory::touch();
    let failed = report::run(me, &Options::read());
    root::exit((failed > 0).into());
    start::stop()
}
