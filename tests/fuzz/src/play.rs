//! Does a script to a device.

use crate::script::{Step, address, decode, length};
use devices::virtio::mock::Driver;
use vm_memory::{Bytes, GuestAddress};

/// All features.
pub const ALL: u64 = u64::MAX;

/// Does what `script` says. `extra` does what only the target knows: with the driver, and the operands of the step.
///
/// Afterwards, whatever was done, a reset makes the device good as new: the target goes on to check that.
pub fn play(driver: &mut Driver, script: &[u8], mut extra: impl FnMut(&mut Driver, u8, u16)) {
    for step in decode(script) {
        do_step(driver, step, &mut extra);
    }
    driver.set_up(ALL);
    assert!(!driver.is_broken(), "a reset does not mend the device");
}

fn do_step(driver: &mut Driver, step: Step, extra: &mut impl FnMut(&mut Driver, u8, u16)) {
    // A queue that the device has; a doorbell may be any.
    let queues = driver.mmio.queues().max(1);
    let existing = |queue: u8| usize::from(queue) % queues;
    match step {
        Step::Store { at, bytes } => {
            // What would go beyond the end of RAM is cut off.
            let _ = driver.memory.write(&bytes, GuestAddress(address(at)));
        }
        Step::Put { queue, readable, writable } => {
            let buffers = |list: Vec<(u32, u32)>| -> Vec<_> {
                list.into_iter().map(|(at, len)| (address(at), length(len))).collect()
            };
            let (readable, writable) = (buffers(readable), buffers(writable));
            if !(readable.is_empty() && writable.is_empty()) {
                driver.put(existing(queue), &readable, &writable);
            }
        }
        Step::Ring { queue } => driver.ring(queue.into()),
        Step::Ready { source } => {
            driver.mmio.ready(source.into());
        }
        Step::Describe { queue, index, descriptor } => {
            driver.describe(existing(queue), None, index % 256, descriptor);
        }
        Step::Offer { queue, head } => driver.offer(existing(queue), head),
        Step::Available { queue, index } => driver.claim_available(existing(queue), index),
        Step::Write { register, width, value } => {
            let value = value.to_le_bytes();
            driver.mmio.write((register % 0x1000).into(), &value[..wide(width)]);
        }
        Step::Read { register, width } => {
            let mut value = [0xee; 8];
            driver.mmio.read((register % 0x1000).into(), &mut value[..wide(width)]);
        }
        Step::SetUp { features } => driver.set_up(features),
        Step::Extra { what, value } => extra(driver, what, value),
    }
}

/// The widths that KVM reports of an access.
fn wide(width: u8) -> usize {
    1 << (width % 4)
}
