//! The driver of the network device.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use driver::{Broken, real};
use net::Net;
use net::device::{HEADERS, Parts};
use userlib::Me;
use userlib::drivers::Dma;
use userlib::log;
use vmm_abi::set::DeviceKind;

userlib::server!(main);

/// Memory for a queue.
const QUEUE_LOG2: u32 = 13;
const PAGE_LOG2: u32 = 12;
const _: () = assert!(driver::queue::bytes(driver::queue::SIZE_MAX) <= 1 << QUEUE_LOG2);
const _: () = assert!(HEADERS <= 1 << PAGE_LOG2);

fn main(_me: Me) -> ! {
    real::main(DeviceKind::Net.id(), |registers| {
        let parts = (Dma::new(QUEUE_LOG2), Dma::new(QUEUE_LOG2), Dma::new(PAGE_LOG2));
        let (Ok(receive), Ok(send), Ok(headers)) = parts else {
            return Err(Broken("there is no memory for it"));
        };
        let net = Net::new(registers, Parts { receive, send, headers })?;
        let [a, b, c, d, e, f] = net.interface().mac;
        let state = if net.interface().is_up { "up" } else { "down" };
        log!("interface {a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x} is {state}");
        Ok(net)
    })
}
