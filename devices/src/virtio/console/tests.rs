use super::mock::MockPort;
use super::*;
use crate::virtio::mock::{DATA, Driver, EVENT_IDX, RAM, reg};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const ALL: u64 = !EVENT_IDX;
const CONTROL_IN: usize = 2;
const CONTROL_OUT: usize = 3;
/// Sources: two ports, then the size.
const SIZE_SOURCE: usize = 2;

/// A driver with a console of two ports, the first a terminal without a name.
struct Rig {
    driver: Driver,
    ends: [MockPort; 2],
    size: Arc<AtomicU32>,
}

impl Rig {
    fn new(features: u64) -> Self {
        let ends = [MockPort::default(), MockPort::default()];
        for end in &ends {
            end.state().room = 1 << 20;
        }
        let spec = |n: usize, name: &str| PortSpec {
            name: name.into(),
            is_console: n == 0,
            port: Box::new(ends[n].clone()),
        };
        let size = Arc::new(AtomicU32::new(80 << 16 | 25));
        let shared = size.clone();
        let size_now = move || {
            let size = shared.load(Ordering::SeqCst);
            ((size >> 16) as u16, size as u16)
        };
        let console = Console::new(vec![spec(0, ""), spec(1, "org.example")], Box::new(size_now));
        Self { driver: Driver::ready(Box::new(console), features), ends, size }
    }

    /// With both ports in use, and both ends open.
    fn in_use() -> Self {
        let mut rig = Self::new(ALL);
        rig.ends.iter().for_each(|end| end.state().is_open = true);
        rig.give_control_buffers(16);
        rig.say(0, 0, 1);
        for port in 0..2 {
            rig.say(port, 3, 1);
            rig.say(port, 6, 1);
        }
        rig.heard();
        rig
    }

    fn give_control_buffers(&mut self, count: u64) {
        for n in 0..count {
            self.driver.put(CONTROL_IN, &[], &[(DATA + 0x1000 + n * 0x100, 0x100)]);
        }
        self.driver.ring(CONTROL_IN);
    }

    /// Sends a control message.
    fn say(&mut self, port: u32, event: u16, value: u16) {
        let message = [&port.to_le_bytes()[..], &event.to_le_bytes(), &value.to_le_bytes()].concat();
        self.driver.store(DATA, &message);
        assert_eq!(self.driver.request(CONTROL_OUT, &[(DATA, 8)], &[]), Some(0));
    }

    /// The control messages that have come: port, event, value, what follows.
    fn heard(&mut self) -> Vec<(u32, u16, u16, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some((head, len)) = self.driver.take(CONTROL_IN) {
            let bytes = self.driver.load(DATA + 0x1000 + u64::from(head) * 0x100, len as usize);
            let half = |at| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            all.push((u32::from(half(0)) | u32::from(half(2)) << 16, half(4), half(6), bytes[8..].to_vec()));
        }
        all
    }
}

#[test]
fn without_multiport_there_is_one_port_and_it_is_open() {
    let mut rig = Rig::new(ALL & !MULTIPORT);
    assert!(rig.ends[0].state().guest_open);
    rig.driver.store(DATA, b"hello world");
    assert_eq!(rig.driver.request(1, &[(DATA, 6), (DATA + 6, 5)], &[]), Some(0));
    assert_eq!(rig.ends[0].state().sent, b"hello world");
    rig.ends[0].state().to_receive.extend(b"input");
    assert_eq!(rig.driver.request(0, &[], &[(DATA + 64, 3), (DATA + 128, 8)]), Some(5));
    assert_eq!(
        (rig.driver.load(DATA + 64, 3), rig.driver.load(DATA + 128, 2)),
        (b"inp".into(), b"ut".into())
    );
    // Buffers that wait for input get it when it comes.
    let head = rig.driver.put(0, &[], &[(DATA, 8)]);
    rig.driver.ring(0);
    assert_eq!(rig.driver.take(0), None);
    rig.ends[0].state().to_receive.extend(b"late");
    rig.driver.mmio.ready(0);
    assert_eq!(rig.driver.take(0), Some((head, 4)));
    rig.driver.mmio.ready(SIZE_SOURCE);
    assert_eq!(rig.driver.take(CONTROL_IN), None);
}

#[test]
fn the_driver_is_told_of_each_port() {
    let mut rig = Rig::new(ALL);
    rig.ends[0].state().is_open = true;
    rig.give_control_buffers(16);
    rig.say(0, 0, 1);
    assert_eq!(rig.heard(), [(0, 1, 0, vec![]), (1, 1, 0, vec![])]);
    rig.say(0, 3, 1);
    assert_eq!(
        rig.heard(),
        [(0, 4, 1, vec![]), (0, 5, 0, vec![80, 0, 25, 0]), (0, 6, 1, vec![])],
        "a terminal, its size, open"
    );
    rig.say(1, 3, 1);
    assert_eq!(rig.heard(), [(1, 7, 0, b"org.example".to_vec())], "its name; it is not open");
    rig.ends[1].state().is_open = true;
    rig.driver.mmio.ready(1);
    assert_eq!(rig.heard(), [(1, 6, 1, vec![])]);
    rig.ends[1].state().is_open = false;
    rig.driver.mmio.ready(1);
    rig.driver.mmio.ready(1);
    assert_eq!(rig.heard(), [(1, 6, 0, vec![])], "told once");
}

#[test]
fn who_listens_late_hears_how_things_stand_then() {
    let mut rig = Rig::new(ALL);
    for _ in 0..50 {
        rig.say(0, 0, 1);
        rig.say(1, 3, 1);
        let open = rig.ends[1].state().is_open;
        rig.ends[1].state().is_open = !open;
        rig.driver.mmio.ready(1);
    }
    rig.give_control_buffers(16);
    let news = [(0, 1, 0, vec![]), (1, 1, 0, vec![]), (1, 7, 0, b"org.example".to_vec())];
    assert_eq!(rig.heard(), news, "and nobody is at the other end, as in the beginning");
}

#[test]
fn a_change_of_size_is_told_in_both_ways() {
    let mut rig = Rig::in_use();
    let (generation, interrupts) = (rig.driver.get(reg::CONFIG_GENERATION), rig.driver.interrupts.count());
    rig.driver.mmio.ready(SIZE_SOURCE);
    assert_eq!(rig.driver.interrupts.count(), interrupts, "it is the same");
    rig.size.store(132 << 16 | 50, Ordering::SeqCst);
    rig.driver.mmio.ready(SIZE_SOURCE);
    assert_eq!(rig.heard(), [(0, 5, 0, vec![132, 0, 50, 0])]);
    assert_eq!(rig.driver.get(reg::CONFIG), 50 << 16 | 132);
    assert_ne!(rig.driver.get(reg::CONFIG_GENERATION), generation);
    assert_eq!(rig.driver.get(reg::CONFIG + 4), 2, "ports");
}

#[test]
fn a_port_whose_other_end_is_full_does_not_hold_up_another() {
    let mut rig = Rig::in_use();
    rig.ends[0].state().room = 5;
    rig.driver.store(DATA, b"0123456789");
    let full = rig.driver.put(1, &[(DATA, 10)], &[]);
    let next = rig.driver.put(1, &[(DATA, 1)], &[]);
    rig.driver.ring(1);
    assert_eq!(rig.driver.take(1), None);
    assert_eq!(rig.driver.request(5, &[(DATA, 10)], &[]), Some(0));
    assert_eq!(rig.ends[1].state().sent, b"0123456789");
    rig.ends[0].state().room = 8;
    rig.driver.mmio.ready(0);
    assert_eq!(rig.driver.take(1), None);
    rig.ends[0].state().room = 100;
    rig.driver.mmio.ready(0);
    assert_eq!((rig.driver.take(1), rig.driver.take(1)), (Some((full, 0)), Some((next, 0))));
    assert_eq!(rig.ends[0].state().sent, b"01234567890");
}

#[test]
fn a_closed_port_receives_nothing_until_it_is_opened() {
    let mut rig = Rig::in_use();
    rig.say(1, 6, 0);
    assert!(!rig.ends[1].state().guest_open && rig.ends[0].state().guest_open);
    rig.ends[1].state().to_receive.extend(b"abc");
    let head = rig.driver.put(4, &[], &[(DATA, 2)]);
    rig.driver.ring(4);
    rig.driver.mmio.ready(1);
    assert_eq!(rig.driver.take(4), None);
    rig.say(1, 6, 1);
    assert_eq!(rig.driver.take(4), Some((head, 2)));
    assert_eq!(rig.ends[1].state().to_receive, b"c", "there is no buffer for it");
}

#[test]
fn a_byte_can_be_printed_without_any_queue() {
    let rig = Rig::new(ALL);
    rig.driver.set(reg::CONFIG + 8, b'!'.into());
    rig.driver.mmio.write(reg::CONFIG + 8, b"?");
    rig.driver.set(reg::CONFIG + 4, b'x'.into());
    assert_eq!(rig.ends[0].state().sent, b"!?");
}

#[test]
fn control_messages_that_mean_nothing_do_nothing() {
    let mut rig = Rig::new(ALL);
    rig.give_control_buffers(16);
    for (port, event, value) in [
        (0, 0, 0),
        (0, 3, 0),
        (2, 3, 1),
        (u32::MAX, 3, 1),
        (u32::MAX, 6, 1),
        (0, 6, 2),
        (0, 1, 1),
        (0, 99, 1),
    ] {
        rig.say(port, event, value);
    }
    assert_eq!(rig.driver.request(CONTROL_OUT, &[(DATA, 7)], &[]), Some(0), "too short");
    assert_eq!(rig.driver.request(CONTROL_OUT, &[], &[(DATA, 8)]), Some(0), "nothing to read");
    assert_eq!(rig.heard(), []);
    assert!(!rig.driver.is_broken());
}

#[test]
fn a_reset_forgets_everything() {
    let mut rig = Rig::in_use();
    rig.ends[0].state().room = 0;
    rig.driver.put(1, &[(DATA, 10)], &[]);
    rig.driver.ring(1);
    rig.driver.set_up(ALL & !MULTIPORT);
    assert!(rig.ends[0].state().guest_open && !rig.ends[1].state().guest_open);
    rig.ends[0].state().room = 100;
    rig.driver.mmio.ready(0);
    assert_eq!(rig.ends[0].state().sent, b"");
}

#[test]
fn what_is_no_message_breaks_the_device() {
    let mut rig = Rig::in_use();
    rig.driver.put(0, &[(DATA, 8)], &[]);
    rig.driver.ring(0);
    assert!(rig.driver.is_broken(), "input into a buffer that cannot be written");
    let mut rig = Rig::in_use();
    rig.driver.request(1, &[(0, RAM as u32); 5], &[]);
    assert!(rig.driver.is_broken(), "20 MiB at once");
}

#[test]
fn queues_are_where_the_specification_has_them() {
    let all = [
        Queue::Receive(0),
        Queue::Transmit(0),
        Queue::ControlReceive,
        Queue::ControlTransmit,
        Queue::Receive(1),
        Queue::Transmit(1),
        Queue::Receive(2),
    ];
    for (number, queue) in all.into_iter().enumerate() {
        assert_eq!((Queue::of(number), queue.number()), (queue, number));
    }
}
