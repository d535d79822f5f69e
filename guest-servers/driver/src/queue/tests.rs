use super::*;
use crate::mock::{Faults, Machine};
use crate::transport::{Transport, feature};

/// A device that writes back what it reads, and its queue.
fn echo(features: u64) -> (Machine, Transport<Machine>, Queue<crate::mock::Ram>) {
    let serve = |r: &mut crate::mock::Request| {
        let bytes = r.readable.clone();
        r.write(0, &bytes);
        Some(bytes.len().min(r.room()) as u32)
    };
    let machine = Machine::new(2, features, &[], Box::new(serve));
    let mut transport = Transport::claim(machine.clone(), 2).unwrap();
    transport.negotiate(features).unwrap();
    let queue = transport.queue(0, machine.memory(bytes(8))).unwrap();
    transport.start();
    assert_eq!(queue.size(), 8);
    (machine, transport, queue)
}

fn round_trips(features: u64) {
    let (machine, transport, mut queue) = echo(features);
    let data = machine.memory(4096);
    for n in 0..100_000u32 {
        let text = n.to_le_bytes();
        data.write(0, &text);
        let parts = [
            Part::readable(data.phys(), 1),
            Part::readable(data.phys() + 1, 3),
            Part::writable(data.phys() + 64, 4),
        ];
        let head = queue.add(&parts).unwrap();
        assert!(queue.take().unwrap().is_none());
        assert!(queue.publish(), "the device has seen everything");
        transport.notify(0);
        assert_eq!(queue.take(), Ok(Some(Used { head, written: 4 })));
        let mut back = [0; 4];
        data.read(64, &mut back);
        assert_eq!(back, text);
        assert_eq!((queue.take(), queue.room()), (Ok(None), 8));
    }
}

#[test]
fn requests_go_and_come() {
    round_trips(0);
    round_trips(feature::EVENT_INDEX);
}

#[test]
fn a_queue_has_an_end() {
    let (machine, transport, mut queue) = echo(0);
    let data = machine.memory(4096);
    let three = [Part::readable(data.phys(), 8); 3];
    assert!(queue.add(&three).is_ok() && queue.add(&three).is_ok());
    assert_eq!((queue.add(&three), queue.add(&[]), queue.room()), (Err(Full), Err(Full), 2));
    assert_eq!(queue.under_way(), 2);
    assert!(queue.publish() && !queue.publish());
    transport.notify(0);
    while queue.take().unwrap().is_some() {}
    assert_eq!((queue.room(), queue.under_way()), (8, 0));
}

#[test]
fn interrupts_come_when_wanted() {
    for features in [0, feature::EVENT_INDEX] {
        let (machine, transport, mut queue) = echo(features);
        let data = machine.memory(4096);
        let request = |queue: &mut Queue<_>| {
            queue.add(&[Part::readable(data.phys(), 8)]).unwrap();
            if queue.publish() {
                transport.notify(0);
            }
        };
        queue.ignore();
        request(&mut queue);
        assert!(!machine.interrupts());
        assert!(queue.listen(), "one is there already");
        assert!(queue.take().unwrap().is_some());
        assert!(!queue.listen());
        request(&mut queue);
        assert!(machine.interrupts());
        assert!(transport.acknowledge().unwrap().used);
    }
}

#[test]
fn a_device_that_lies() {
    for (faults, why) in [
        (Faults { used_id: Some(7), ..Faults::default() }, "not under way"),
        (Faults { used_id: Some(u32::MAX), ..Faults::default() }, "not under way"),
        (Faults { used_id: Some(1 << 16), ..Faults::default() }, "not under way"),
        (Faults { used_ahead: 9, ..Faults::default() }, "more requests"),
        (Faults { used_ahead: u16::MAX - 5, ..Faults::default() }, "more requests"),
        (Faults { written: Some(5), ..Faults::default() }, "wrote more"),
    ] {
        let (machine, transport, mut queue) = echo(0);
        let data = machine.memory(4096);
        machine.fault(faults);
        queue.add(&[Part::readable(data.phys(), 4), Part::writable(data.phys(), 4)]).unwrap();
        assert!(queue.publish());
        transport.notify(0);
        let error = queue.take().err().unwrap_or_else(|| panic!("{faults:?}"));
        assert!(error.0.contains(why), "{faults:?}: {}", error.0);
    }
}

#[test]
fn one_that_comes_twice() {
    let (machine, transport, mut queue) = echo(0);
    let data = machine.memory(4096);
    for _ in 0..2 {
        queue.add(&[Part::readable(data.phys(), 4)]).unwrap();
    }
    machine.fault(Faults { used_id: Some(0), ..Faults::default() });
    assert!(queue.publish());
    transport.notify(0);
    assert!(queue.take().unwrap().is_some());
    assert!(queue.take().is_err());
}
