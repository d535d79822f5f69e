//! The receive loop of σ0.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use sigma0::Service;
use userlib::ipc::{Answer, serve};
use userlib::{Me, log, root};

userlib::server!(main);

fn main(_me: Me) -> ! {
    log::use_debug_port();
    let mut service = Service::EMPTY;
    if service.init(userlib::kip::kip()).is_err() {
        userlib::log!("sigma0: too many regions of memory");
        root::fail();
    }
    serve(|from, message| service.answer(from, message).map_or(Answer::None, Answer::Reply))
}
