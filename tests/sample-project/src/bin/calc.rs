//! The server: answers requests, one after the other, for ever.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use calc::Request;
use proto::{Message, Refusal};
use userlib::Me;
use userlib::ipc::{self, Answer};

userlib::server!(main);

fn main(_me: Me) -> ! {
    ipc::serve(|_client, message| match Request::try_from(message) {
        Ok(Request::Add(a, b)) => Answer::Reply(match a.checked_add(b) {
            Some(sum) => Message::ok([sum]),
            None => Message::refused(Refusal::BadRequest),
        }),
        // A mistake, which a test shows: dividing by zero ends the server.
        Ok(Request::Divide(a, b)) => Answer::Reply(Message::ok([a / b])),
        Ok(Request::Wait) => Answer::None,
        Err(malformed) => Answer::Reply(Message::refused(malformed.into())),
    })
}
