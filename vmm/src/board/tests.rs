use super::*;
use crate::events::eventfd;
use devices::PortDevice;
use vm_memory::{Bytes, GuestAddress};
use vmm_abi::console::{PORT_AREA, PORT_BASE, RX_HEAD, RX_OFFSET, RX_SIZE, RX_TAIL};

const AREA: u64 = 0x10_0000;
const RECEIVE_INTERRUPT: (u16, u8) = (1, 1);

struct Bench {
    memory: GuestMemory,
    console: Console<GuestMemory>,
    input: GuestInput,
}

impl Bench {
    fn new(uart: Option<Arc<Mutex<Uart>>>) -> Self {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        let signals = ConsoleSignals { irq: eventfd().unwrap(), room: Arc::new(eventfd().unwrap()) };
        let output = output::Streams::new(Mailbox::new().unwrap().0, Arc::default());
        let console = Console::new(memory.clone(), 0, (0, 0), Box::new(output), Box::new(signals));
        let input = GuestInput {
            console: console.input(),
            standard: None,
            virtio_first: false,
            uart,
            traffic: Arc::default(),
        };
        Self { memory, console, input }
    }

    /// The guest says where its area is.
    fn claim(&mut self) {
        let _ = self.console.write(PORT_AREA - PORT_BASE, &((AREA >> 12) as u32).to_le_bytes());
    }

    fn word(&self, offset: usize) -> u32 {
        self.memory.read_obj(GuestAddress(AREA + offset as u64)).unwrap()
    }

    fn received(&self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.memory.read_slice(&mut bytes, GuestAddress(AREA + RX_OFFSET as u64)).unwrap();
        bytes
    }
}

fn uart() -> Arc<Mutex<Uart>> {
    let mut uart = Uart::new(Line(Box::new(|| ())), Box::new(|_| ()));
    uart.wait_for_receiver();
    Arc::new(Mutex::new(uart))
}

fn keys(keys: &[&str]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.as_bytes().to_vec()).collect()
}

#[test]
fn keys_are_taken_whole_or_not_at_all() {
    let mut bench = Bench::new(None);
    assert_eq!(bench.input.put_keys(&keys(&["a"])), Err(Deaf::Unclaimed));
    bench.claim();
    assert_eq!(bench.input.put_keys(&keys(&["l", "s", "\r"])), Ok(3));
    assert_eq!((bench.received(3), bench.word(RX_HEAD) - bench.word(RX_TAIL)), (b"ls\r".to_vec(), 3));
    let most = "x".repeat(RX_SIZE - 5);
    assert_eq!(
        bench.input.put_keys(&keys(&[&most, "\x1b[A", "y"])),
        Ok(1),
        "2 bytes are left, and the order stays"
    );
    assert_eq!(bench.input.readiness(), (None, 2));
    assert_eq!(bench.input.traffic.to_guest.load(Relaxed), RX_SIZE as u64 - 2);
    bench.input.end();
    assert_eq!(bench.input.put_keys(&keys(&["a"])), Err(Deaf::Ended));
}

#[test]
fn a_uart_takes_keys_when_its_driver_listens_and_nobody_waits_while_it_prints() {
    let uart = uart();
    let mut bench = Bench::new(Some(uart.clone()));
    assert_eq!(bench.input.put_keys(&keys(&["a"])), Ok(0));
    let _ = lock(&uart).write(RECEIVE_INTERRUPT.0, &[RECEIVE_INTERRUPT.1]);
    let printing = lock(&uart);
    assert_eq!((bench.input.room(), bench.input.put(b"a")), (0, 0));
    drop(printing);
    assert_eq!(bench.input.put(b"a"), 1);
    bench.input.end();
    assert_eq!(bench.input.put_keys(&keys(&["a", "b"])), Ok(2), "it has no end");
    bench.claim();
    assert_eq!(bench.input.put(b"to the console"), 14);
}
