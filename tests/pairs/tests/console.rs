//! The console device and its driver.

use console::device::{Output, Source};
use console::virtio::{Halves, INPUT, Parts, claim};
use devices::virtio::console::{Console as Device, Port, PortSpec};
use driver::Memory;
use driver::mock::server::Board;
use pairs::{Pair, Ram};
use proto::console::{Event, Size};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

const BUFFER: usize = 8192;
/// The port's source, and that of the size.
const PORT: usize = 0;
const RESIZED: usize = 1;

/// The host's side.
#[derive(Default)]
struct Host {
    printed: Vec<u8>,
    typed: VecDeque<u8>,
    size: (u16, u16),
    /// Bytes that it takes before it has to be asked again.
    room: usize,
}

struct Terminal(Arc<Mutex<Host>>);

impl Port for Terminal {
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut host = self.0.lock().unwrap();
        let taken = bytes.len().min(host.room);
        host.room -= taken;
        host.printed.extend_from_slice(&bytes[..taken]);
        taken
    }
    fn read(&mut self, into: &mut [u8]) -> usize {
        let mut host = self.0.lock().unwrap();
        let len = into.len().min(host.typed.len());
        into[..len].iter_mut().zip(host.typed.drain(..len)).for_each(|(to, byte)| *to = byte);
        len
    }
    fn is_open(&mut self) -> bool {
        true
    }
}

type Driver = Halves<Pair, Ram, Box<dyn FnMut(u32)>>;

fn pair(room: usize) -> (Arc<Mutex<Host>>, Pair, Ram, Driver) {
    let host = Arc::new(Mutex::new(Host { size: (80, 24), room, ..Host::default() }));
    let sizes = host.clone();
    let port = Box::new(Terminal(host.clone()));
    let spec = PortSpec { name: String::new(), is_console: true, port };
    let pair = Pair::new(|_| Box::new(Device::new(vec![spec], Box::new(move || sizes.lock().unwrap().size))));
    let (receive, send, input) = (pair.memory(8192), pair.memory(8192), pair.memory(INPUT));
    let output = pair.memory(BUFFER);
    let (slow, ears) = (host.clone(), pair.clone());
    // Whoever reads what is printed has done so.
    let nap: Box<dyn FnMut(u32)> = Box::new(move |_us| {
        slow.lock().unwrap().room += 1000;
        ears.ready(PORT);
    });
    let parts = Parts { receive, send, input, output: output.clone() };
    let driver = claim([pair.clone(), pair.clone()], parts, 16, nap).unwrap();
    (host, pair, output, driver)
}

#[test]
fn what_is_printed_arrives() {
    for room in [usize::MAX, 0] {
        let (host, pair, output, mut driver) = pair(room);
        let mut expected = Vec::new();
        for n in 1..300usize {
            let text: Vec<u8> = (0..n * 27).map(|i| (i + n) as u8).collect();
            output.write(0, &text);
            driver.printer.print(1, text.len() as u32).unwrap();
            expected.extend(text);
        }
        assert!(host.lock().unwrap().printed == expected && pair.is_active());
    }
}

#[test]
fn what_is_typed_arrives() {
    let (host, pair, _, mut driver) = pair(0);
    let (mut typed, mut read) = (Vec::new(), Vec::new());
    for n in 0..300usize {
        let text: Vec<u8> = (0..n * 27).map(|i| (i + n) as u8).collect();
        host.lock().unwrap().typed.extend(&text);
        typed.extend(text);
        pair.ready(PORT);
        while let Some(event) = driver.reader.poll() {
            let Event::Input(bytes) = event else { panic!("{event:?}") };
            read.extend_from_slice(bytes.as_slice());
        }
    }
    assert!(read == typed && pair.is_active());
}

#[test]
fn the_terminals_size_arrives() {
    let (host, pair, _, mut driver) = pair(0);
    assert_eq!(driver.reader.size(), Size { rows: 24, cols: 80 });
    host.lock().unwrap().size = (132, 50);
    pair.ready(RESIZED);
    assert_eq!(driver.reader.poll(), Some(Event::Resize(Size { rows: 50, cols: 132 })));
    assert_eq!(driver.reader.poll(), None);
}
