//! The client: asks `calc` what the command line says, prints the answer, and ends the machine: with status 0 if there is one, 2 if the
//! request makes no sense.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;
use calc::Request;
use proto::{Message, Refusal};
use userlib::{Me, ipc, log, root, start};
use vmm_abi::boot::ARGV_MODULE;

userlib::server!(main);

fn main(_me: Me) -> ! {
    let status = match answer() {
        Ok(number) => {
            log!("the answer is {number}");
            0
        }
        Err(refusal) => {
            log!("no answer: {refusal:?}");
            2
        }
    };
    root::exit(status);
    start::stop()
}

fn answer() -> Result<u64, Refusal> {
    // Each word ends with a NUL.
    let text = str::from_utf8(root::module(ARGV_MODULE)?).map_err(|_| Refusal::BadRequest)?;
    let words: Vec<_> = text.split_terminator('\0').collect();
    let request = Request::parse(&words).ok_or(Refusal::BadRequest)?;
    let calc = root::lookup("calc")?;
    let reply = ipc::call(calc, &Message::from(request)).map_err(|_| Refusal::BadRequest)?;
    Ok(reply.accepted()?.words[0])
}
