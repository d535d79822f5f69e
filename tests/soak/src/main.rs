//! A server that lets an unprivileged program do whatever a program can do, at random, and watches that nobody notices.
//!
//! It makes tasks of its own. One is the *fuzzer*: its threads make system calls with random and with plausible
//! arguments, raise exceptions, touch memory at random, and make tasks that do the same. The others are the *victims*:
//! they exchange messages with known contents, keep patterns in memory and registers, wait for timers, and stop at the
//! first thing that is not as it has to be. That, a victim that stands still, or kernel memory that does not come back
//! when the fuzzer's task is deleted ends the run with status 1.
//!
//! What happens follows from a seed, as far as the machine's timing does.
//!
//! - [`options`]: seed and number of calls
//! - [`supervisor`]: starts everybody, answers faults, sees that calls are made and victims live
//! - [`fuzz`]: the fuzzer's program
//! - [`victims`]: the victims' programs
//! - [`capacity`]: how much kernel memory there is
//! - [`places`], [`pages`], [`image`]: where things are in the tasks, and the memory for them
//! - [`program`], [`random`], [`failure`]: what programs do by instructions; random numbers; what goes wrong

#![no_std]
#![no_main]

extern crate alloc;

mod capacity;
mod failure;
mod fuzz;
mod image;
mod options;
mod pages;
mod places;
mod program;
mod random;
mod supervisor;
mod victims;

use options::Options;
use userlib::{Me, log, root, start};

userlib::server!(main);

fn main(me: Me) -> ! {
    let options = Options::read();
    log!("seed {}, {} calls", options.seed, options.calls);
    match supervisor::run(me, &options) {
        Ok(done) => {
            log!("passed: seed {}, {done}", options.seed);
            root::exit(0);
        }
        Err(failure) => {
            log!("FAILED: seed {}: {failure}", options.seed);
            root::exit(1);
        }
    }
    start::stop()
}
