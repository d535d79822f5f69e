//! A server that measures the µ-kernel's paths.
//!
//! A *case* is a loop that a task of its own goes through, one path of the kernel a round: a call to a partner, a page
//! fault, an interrupt. The server reports, a line a case on the machine's log, what the loop took by the time stamp counter:
//!
//! ```text
//! BENCH NAME ROUNDS TICKS MORE-ROUNDS TICKS
//! ```
//!
//! Both figures are the least of several runs; their difference is free of what a run costs beside its rounds. Where the
//! counter counts instructions it is an exact number of instructions a round, the loop's own among them. How many those
//! are is seen by stepping through the loop, which has a symbol for that: `loop_NAME`.
//!
//! - [`cases`]: what is measured
//! - [`code`]: the loops
//! - [`puppet`], [`memory`]: tasks to run them in, and memory to give to these

#![no_std]
#![no_main]

mod cases;
mod code;
mod memory;
mod puppet;

use userlib::{Me, log, root, start};

userlib::server!(main);

fn main(me: Me) -> ! {
    memory::touch();
    let mut failed = false;
    for (name, case) in cases::CASES {
        if let Err(status) = case(me).and_then(|rig| rig.measure(name)) {
            log!("BENCH {name} failed: {status:?}");
            failed = true;
        }
    }
    root::exit(failed.into());
    start::stop()
}
