//! The driver of the 9P device.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use driver::{Broken, real};
use p9::P9;
use userlib::Me;
use userlib::drivers::Dma;
use userlib::log;
use vmm_abi::set::DeviceKind;

userlib::server!(main);

/// Memory for the queue.
const LOG2: u32 = 13;
const _: () = assert!(driver::queue::bytes(driver::queue::SIZE_MAX) <= 1 << LOG2);

fn main(_me: Me) -> ! {
    real::main(DeviceKind::P9.id(), |registers| {
        let Ok(queue) = Dma::new(LOG2) else { return Err(Broken("there is no memory for it")) };
        let p9 = P9::new(registers, queue)?;
        log!("the host shares {:?}", p9.share());
        Ok(p9)
    })
}
