//! Uses the network driver: words behind `--` are `HOST:PORT BYTES KILLS`. Ends the machine, with status 0 if all went well.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod driven;
mod options;

use driven::Driven;
use nettest::transfer::Plan;
use nettest::{Failure, Host};
use options::Options;
use userlib::{Me, log, root, start, trace};

userlib::server!(main);

fn main(_me: Me) -> ! {
    trace::start();
    let status = match Options::read() {
        Some(options) => match run(&options) {
            Ok(()) => 0,
            Err(failure) => {
                log!("FAILED: {failure}");
                1
            }
        },
        None => {
            log!("FAILED: the arguments are HOST:PORT BYTES KILLS");
            1
        }
    };
    root::exit(status);
    start::stop()
}

fn run(options: &Options) -> Result<(), Failure> {
    let wire = Driven::open().map_err(|_| Failure::Closed("there is no network driver"))?;
    let mut host = Host::new(wire, userlib::clock::tsc());
    let lease = host.lease()?;
    log!("address {}", lease.address);
    host.ping_gateway()?;
    log!("the gateway answers");
    let plan = Plan { server: options.server, bytes: options.bytes, seed: 1 };
    host.send(&plan, |wire, sent| wire.kill_at(sent, options.bytes, options.kills))?;
    log!("sent {} bytes", options.bytes);
    host.receive(&Plan { seed: 2, ..plan }, |wire, got| wire.kill_at(got, options.bytes, options.kills))?;
    log!("received {} bytes", options.bytes);
    let restarts = host.wire().restarts();
    if restarts < options.kills {
        log!(
            "FAILED: the driver was to be killed {} times and was restarted {restarts} times",
            options.kills
        );
        return Err(Failure::TimedOut("the restarts"));
    }
    log!("passed: {restarts} restarts");
    Ok(())
}
