//! Both halves, with a device of the test's.

use super::*;
use driver::mock::{Faults, Machine, Ram, Request};
use std::cell::RefCell;
use std::rc::Rc;

const LINE: u8 = 17;

struct World {
    machine: Machine,
    output: Ram,
    printed: Rc<RefCell<Vec<u8>>>,
    naps: Rc<RefCell<Vec<u32>>>,
}

type Pair = (Printer<Machine, Ram, Box<dyn FnMut(u32)>>, Reader<Machine, Ram>);

fn config(rows: u16, cols: u16) -> Vec<u8> {
    [cols.to_le_bytes(), rows.to_le_bytes()].concat()
}

/// A device with these features, which takes output at once.
fn world(features: u64) -> (World, Pair) {
    let printed = Rc::new(RefCell::new(Vec::new()));
    let out = printed.clone();
    let serve = move |chain: &mut Request<'_>| {
        if chain.queue == usize::from(RECEIVE) {
            return None;
        }
        out.borrow_mut().extend_from_slice(&chain.readable);
        Some(0)
    };
    let machine = Machine::new(DeviceKind::Console.id(), features, &config(24, 80), Box::new(serve));
    let (receive, send, input) = (machine.memory(8192), machine.memory(8192), machine.memory(INPUT));
    let output = machine.memory(TX_SIZE);
    let naps = Rc::new(RefCell::new(Vec::new()));
    let (slept, ears) = (naps.clone(), machine.clone());
    let nap: Box<dyn FnMut(u32)> = Box::new(move |us| {
        slept.borrow_mut().push(us);
        // A host that is slow: it hears after some time.
        if slept.borrow().len().is_multiple_of(20) {
            ears.fault(Faults::default());
            ears.hear();
        }
        assert!(slept.borrow().len() < 1000, "it waits for ever");
    });
    let parts = Parts { receive, send, input, output: output.clone() };
    let Halves { printer, reader } = claim([machine.clone(), machine.clone()], parts, LINE, nap).unwrap();
    (World { machine, output, printed, naps }, (printer, reader))
}

fn read_all(reader: &mut Reader<Machine, Ram>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(event) = reader.poll() {
        let Event::Input(bytes) = event else { panic!("{event:?}") };
        all.extend_from_slice(bytes.as_slice());
    }
    all
}

#[test]
fn the_buffer_is_printed() {
    for features in [0, feature::EVENT_INDEX] {
        let (world, (mut printer, _)) = world(features);
        let mut expected = Vec::new();
        for n in 1..200usize {
            let text: Vec<u8> = (0..n * 41 % (TX_SIZE + 1)).map(|i| (i + n) as u8).collect();
            world.output.write(0, &text);
            printer.print(1 + n as u32 % 2, text.len() as u32).unwrap();
            expected.extend(text);
        }
        assert!(*world.printed.borrow() == expected);
        assert!(world.naps.borrow().is_empty());
    }
}

#[test]
fn a_slow_host_is_waited_for_patiently() {
    let (world, (mut printer, _)) = world(feature::EVENT_INDEX);
    world.machine.fault(Faults { deaf: true, ..Faults::default() });
    world.output.write(0, b"hello");
    printer.print(1, 5).unwrap();
    assert_eq!(*world.printed.borrow(), b"hello");
    let naps = world.naps.borrow();
    assert_eq!((naps[0], naps[naps.len() - 1]), (NAP_MIN, NAP_MAX));
}

#[test]
fn input_comes_in_order() {
    for features in [HAS_SIZE, feature::EVENT_INDEX] {
        let (world, (_, mut reader)) = world(features);
        assert_eq!((reader.line(), reader.poll()), (LINE, None));
        let (mut typed, mut read) = (0u32, 0u32);
        for round in 0..200usize {
            // Until the device has no buffer left.
            while {
                let text: Vec<u8> =
                    (0..1 + round % SLOT as usize).map(|i| (typed + i as u32) as u8).collect();
                let taken = world.machine.answer(usize::from(RECEIVE), &text);
                typed += if taken { text.len() as u32 } else { 0 };
                taken
            } {}
            for byte in read_all(&mut reader) {
                assert_eq!(byte, read as u8);
                read += 1;
            }
            assert_eq!(read, typed);
        }
    }
}

#[test]
fn empty_input_is_none() {
    let (world, (_, mut reader)) = world(0);
    assert!(world.machine.answer(usize::from(RECEIVE), b""));
    assert!(world.machine.answer(usize::from(RECEIVE), b"x"));
    assert_eq!(read_all(&mut reader), b"x");
}

#[test]
fn a_new_size_is_told_once() {
    let (world, (_, mut reader)) = world(HAS_SIZE | feature::EVENT_INDEX);
    assert_eq!(reader.size(), Size { rows: 24, cols: 80 });
    world.machine.change_config(&config(50, 132));
    assert_eq!(reader.poll(), Some(Event::Resize(Size { rows: 50, cols: 132 })));
    assert_eq!(reader.poll(), None);
    world.machine.change_config(&config(50, 132));
    assert_eq!(reader.poll(), None, "it is what it was");
}

#[test]
fn a_device_without_sizes() {
    let (world, (_, mut reader)) = world(0);
    assert_eq!(reader.size(), Size::default());
    world.machine.change_config(&config(50, 132));
    assert_eq!(reader.poll(), None);
}

#[test]
fn a_device_that_breaks_the_rules() {
    for faults in
        [Faults { used_id: Some(1000), ..Faults::default() }, Faults { used_ahead: 100, ..Faults::default() }]
    {
        let (world, (mut printer, mut reader)) = world(0);
        world.machine.fault(faults);
        assert_eq!(printer.print(1, 5), Err(NoDevice), "{faults:?}");
        world.machine.answer(usize::from(RECEIVE), b"x");
        assert_eq!(reader.poll(), None, "{faults:?}");
    }
    let (world, (mut printer, _)) = world(0);
    world.machine.fault(Faults { deaf: true, ..Faults::default() });
    world.machine.need_reset();
    assert_eq!(printer.print(1, 5), Err(NoDevice));
}

#[test]
fn another_device() {
    let machine = Machine::new(DeviceKind::Net.id(), 0, &[], Box::new(|_| None));
    let [receive, send, input, output] = [0; 4].map(|_| machine.memory(8192));
    let parts = Parts { receive, send, input, output };
    assert!(claim([machine.clone(), machine.clone()], parts, LINE, |_| ()).is_err());
}
