//! The driver of the entropy device.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use driver::{Broken, real};
use rng::Rng;
use userlib::Me;
use userlib::drivers::Dma;
use userlib::log;
use vmm_abi::set::DeviceKind;

userlib::server!(main);

/// Memory for the queue, and as much for the pool.
const LOG2: u32 = 13;
const _: () =
    assert!(driver::queue::bytes(driver::queue::SIZE_MAX) <= 1 << LOG2 && rng::pool::BYTES <= 1 << LOG2);

fn main(_me: Me) -> ! {
    real::main(DeviceKind::Rng.id(), |registers| {
        let (Ok(queue), Ok(pool)) = (Dma::new(LOG2), Dma::new(LOG2)) else {
            return Err(Broken("there is no memory for it"));
        };
        let rng = Rng::new(registers, queue, pool)?;
        log!("random numbers of the host's");
        Ok(rng)
    })
}
