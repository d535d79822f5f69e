use super::*;
use crate::mock::{Faults, Machine};

fn machine() -> Machine {
    Machine::new(2, feature::EVENT_INDEX | 1 << 9, &[1, 2, 3, 4, 5, 6, 7, 8, 9], Box::new(|_| Some(0)))
}

#[test]
fn a_device_is_started() {
    let machine = machine();
    let mut transport = Transport::claim(machine.clone(), 2).unwrap();
    assert_eq!(transport.negotiate(1 << 9 | 1 << 3), Ok(1 << 9 | feature::VERSION_1));
    assert_eq!(machine.accepted(), transport.features());
    let queue = transport.queue(0, machine.memory(16 << 10)).unwrap();
    assert_eq!(queue.size(), 64, "the device's largest");
    transport.start();
    assert_eq!((machine.resets(), machine.read_u32(STATUS)), (1, 15));
    assert_eq!(transport.config(|c| (c.u8(8), c.u16(2), c.u32(4))), (9, 0x0403, 0x0807_0605));
    assert_eq!(transport.config(|c| c.u64(0)), 0x0807_0605_0403_0201);
}

#[test]
fn what_is_no_such_device() {
    assert!(Transport::claim(machine(), 1).is_err());
    let old = machine();
    old.set_version(1);
    assert!(Transport::claim(old, 2).err().unwrap().0.contains("before virtio 1.0"));
    let stuck = machine();
    stuck.write_u32(STATUS, 1);
    stuck.fault(Faults { never_resets: true, ..Faults::default() });
    assert_eq!(Transport::claim(stuck, 2).err(), Some(Broken("it does not reset")));
}

#[test]
fn a_device_that_refuses_its_own_features() {
    let machine = machine();
    machine.fault(Faults { refuses_features: true, ..Faults::default() });
    assert!(Transport::claim(machine.clone(), 2).unwrap().negotiate(0).is_err());
    assert_eq!(machine.read_u32(STATUS) & status::FAILED, status::FAILED);
}

#[test]
fn queues_that_are_missing_or_too_large() {
    let machine = machine();
    let mut transport = Transport::claim(machine.clone(), 2).unwrap();
    transport.negotiate(0).unwrap();
    assert!(transport.queue(99, machine.memory(16 << 10)).is_err());
    let queue = transport.queue(1, machine.memory(crate::queue::bytes(16))).unwrap();
    assert_eq!(queue.size(), 16, "what fits into the memory");
    assert!(transport.queue(2, machine.memory(4)).is_err());
}

#[test]
fn interrupts_say_why() {
    let machine = machine();
    let transport = Transport::claim(machine.clone(), 2).unwrap();
    assert_eq!(transport.acknowledge(), Ok(Reasons { used: false, config: false }));
    machine.need_reset();
    assert!(transport.acknowledge().is_err());
    assert!(!machine.interrupts());
}
