//! The receive loop of σ0.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use sigma0::Service;
use userlib::ipc::{Answer, serve};
use userlib::{Me, log, root};

userlib::server!(main);

fn main(me: Me) -> ! {
    log::use_debug_port();
    let mut service = Service::EMPTY;
    if service.init(userlib::kip::kip()).is_err() {
        userlib::log!("sigma0: too many regions of memory");
        root::fail();
    }
    serve(|from, message| match service.answer(from, message) {
        Some((mut reply, items)) => {
            for item in items.as_slice() {
                let _fits = me.utcb.push_item(&mut reply, *item);
            }
            Answer::Reply(reply)
        }
        None => Answer::None,
    })
}
