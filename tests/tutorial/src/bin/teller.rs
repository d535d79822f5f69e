//! A client: tells the server `mean` the numbers behind `--`, prints what it says, and ends the machine.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use proto::{Message, Refusal};
use userlib::{Me, ipc, log, root, thread};
use vmm_abi::boot::ARGV_MODULE;

userlib::server!(main);

fn main(_me: Me) -> ! {
    let status = match mean() {
        Ok(mean) => {
            log!("the mean is {mean}");
            0
        }
        Err(refusal) => {
            log!("no answer: {refusal:?}");
            2
        }
    };
    root::exit(status);
    userlib::start::stop()
}

fn mean() -> Result<u64, Refusal> {
    // Each word ends with a NUL; without words there is no such module.
    let words = root::module(ARGV_MODULE).unwrap_or_default();
    for word in words.split(|byte| *byte == 0).filter(|word| !word.is_empty()) {
        let number = str::from_utf8(word).ok().and_then(|word| word.parse().ok());
        ask(&Message::new(tutorial::ADD, [number.ok_or(Refusal::BadRequest)?]))?;
    }
    ask(&Message::new(tutorial::MEAN, []))
}

/// Asks until there is an answer: a server that dies meanwhile may be there again soon.
fn ask(request: &Message) -> Result<u64, Refusal> {
    loop {
        match root::lookup("mean") {
            Ok(server) => {
                if let Ok(reply) = ipc::call(server, request) {
                    return Ok(reply.accepted()?.words[0]);
                }
                log!("mean has died");
            }
            Err(Refusal::Again) => thread::sleep(1000),
            Err(refusal) => return Err(refusal),
        }
    }
}
