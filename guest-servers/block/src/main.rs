//! The block server.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use block::disk::{MEMORY_LOG2, VirtioDisk};
use driver::Broken;
use userlib::Me;
use userlib::drivers::Dma;

userlib::server!(main);

fn main(_me: Me) -> ! {
    driver::real::main(block::DEVICE_ID, |registers| {
        let memory = Dma::new(MEMORY_LOG2).map_err(|_| Broken("there is no memory for it"))?;
        VirtioDisk::new(registers, memory)
    })
}
