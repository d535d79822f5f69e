//! The tests that boot guests. See `docs/testing.md`.
//!
//! - [`cases`]: Linux programs, each run natively, on this machine's KVM and in the lab
//! - [`status`]: what `ukvmm` makes of a program's end
//! - [`settings`]: a machine that is set up by a file, variables and the command line
//! - [`accel`]: `ukvmm` in the lab by itself
//! - [`shell`]: the interactive shell, on a pseudo-terminal
//! - [`pvh`]: the same guest, booted by QEMU
//! - [`conformance`]: the µ-kernel by itself, under a server set of its own
//! - [`idle`]: a CPU that is interrupted just before it sleeps
//! - [`counts`]: what the µ-kernel's paths and the shortest system calls take
//! - [`events`]: what a system call is made of
//! - [`trace`]: whether records tell the same
//! - [`paper`]: the paper's measurements
//! - [`soak`]: random system calls
//! - [`stock`]: stock Linux kernels
//! - [`drivers`], [`console`], [`rng`], [`net`], [`share`]: drivers that are killed while they are used; [`driven`]: what most of them share;
//!   [`driver_profile`]: what a profile shows of them
//! - [`disk`]: `/dev/vda` of Linux programs
//! - [`gdb`]: sessions of GDB; [`gdb_hostile`]: debuggers that talk nonsense; [`debuggee`]: a test that is the debugger itself
//! - [`live`]: machines that are watched; [`control`]: machines that are controlled
//! - [`profile`]: profiles of whole runs; [`records`]: what servers and programs record; [`samples`]: where their time was
//! - [`pages`]: what README and the tutorial show of a terminal
//! - [`trials`]: tests of libtest-mimic, and what they share; [`slots`]: how many work at a time

#![forbid(unsafe_code)]

mod accel;
mod cases;
mod conformance;
mod console;
mod control;
mod counts;
mod debuggee;
mod disk;
mod driven;
mod driver_profile;
mod drivers;
mod events;
mod evidence;
mod gdb;
mod gdb_hostile;
mod idle;
mod live;
mod net;
mod pages;
mod paper;
mod profile;
mod pvh;
mod records;
mod rng;
mod samples;
mod settings;
mod share;
mod shell;
mod slots;
mod soak;
mod status;
mod stock;
mod trace;
mod trials;

use guest_tests::build::Build;
use libtest_mimic::Arguments;
use std::sync::Arc;

fn main() {
    let arguments = Arguments::from_args();
    let is_list = arguments.list;
    let context = trials::Context::new(Build::locate(), arguments);
    if !is_list {
        context.announce();
    }
    let context = Arc::new(context);
    let mut trials = Vec::new();
    // What takes longest begins first.
    trials.extend(gdb::trials(&context));
    trials.extend(stock::trials(&context));
    trials.extend(cases::trials(&context));
    trials.extend(status::trials(&context));
    trials.extend(accel::trials(&context));
    trials.extend(settings::trials(&context));
    trials.extend(shell::trials(&context));
    trials.extend(pvh::trials(&context));
    trials.extend(conformance::trials(&context));
    trials.extend(idle::trials(&context));
    trials.extend(counts::trials(&context));
    trials.extend(events::trials(&context));
    trials.extend(trace::trials(&context));
    trials.extend(paper::trials(&context));
    trials.extend(soak::trials(&context));
    trials.extend(drivers::trials(&context));
    trials.extend(disk::trials(&context));
    trials.extend(console::trials(&context));
    trials.extend(rng::trials(&context));
    trials.extend(net::trials(&context));
    trials.extend(share::trials(&context));
    trials.extend(gdb_hostile::trials(&context));
    trials.extend(debuggee::trials(&context));
    trials.extend(profile::trials(&context));
    trials.extend(records::trials(&context));
    trials.extend(samples::trials(&context));
    trials.extend(live::trials(&context));
    trials.extend(control::trials(&context));
    trials.extend(evidence::trials(&context));
    trials.extend(pages::trials(&context));
    context.run(trials).exit();
}
