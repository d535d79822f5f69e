use super::*;
use std::sync::atomic::AtomicUsize;
use vm_memory::GuestMemoryMmap;
use vmm_abi::console::doorbell;

type Memory = GuestMemoryMmap<()>;
const RAM: usize = 1 << 20;
const AREA: u64 = 0x4_0000;

type Printed = Arc<Mutex<Vec<(Channel, Vec<u8>)>>>;

struct Sink(Printed);
impl Output for Sink {
    fn write(&mut self, channel: Channel, bytes: &[u8]) {
        self.0.lock().unwrap().push((channel, bytes.to_vec()));
    }
}

#[derive(Clone, Default)]
struct Count(Arc<(AtomicUsize, AtomicUsize)>);
impl Signals for Count {
    fn interrupt(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
    }
    fn room(&self) {
        self.0.1.fetch_add(1, Ordering::SeqCst);
    }
}

/// A console, and the guest that drives it.
struct Guest {
    memory: Memory,
    console: Console<Memory>,
    input: Arc<Mutex<Input<Memory>>>,
    printed: Printed,
    count: Count,
}

impl Guest {
    fn new() -> Self {
        let memory = Memory::from_ranges(&[(GuestAddress(0), RAM)]).unwrap();
        let (printed, count) = (Printed::default(), Count::default());
        let output = Box::new(Sink(printed.clone()));
        let console = Console::new(memory.clone(), 5, (24, 80), output, Box::new(count.clone()));
        let input = console.input();
        Self { memory, console, input, printed, count }
    }
    fn claimed() -> Self {
        let mut guest = Self::new();
        guest.out(AREA_PORT, (AREA >> 12) as u32);
        guest
    }
    fn out(&mut self, port: u16, value: u32) {
        assert_eq!(self.console.write(port, &value.to_le_bytes()), Effect::None);
    }
    fn get<T: vm_memory::ByteValued>(&self, offset: usize) -> T {
        self.memory.read_obj(GuestAddress(AREA + offset as u64)).unwrap()
    }
    fn set<T: vm_memory::ByteValued>(&self, offset: usize, value: T) {
        self.memory.write_obj(value, GuestAddress(AREA + offset as u64)).unwrap();
    }
    fn put(&self, bytes: &[u8]) -> usize {
        self.input.lock().unwrap().put(bytes)
    }
    fn room(&self) -> usize {
        self.input.lock().unwrap().room()
    }
    /// Takes what is in the ring, as a driver does.
    fn take(&self) -> Vec<u8> {
        let (head, tail): (u32, u32) = (self.get(RX_HEAD), self.get(RX_TAIL));
        let count = head.wrapping_sub(tail);
        assert!(count as usize <= RX_SIZE);
        self.set(RX_TAIL, head);
        (0..count).map(|i| self.get(RX_OFFSET + tail.wrapping_add(i) as usize % RX_SIZE)).collect()
    }
}

#[test]
fn it_has_an_id() {
    let mut guest = Guest::new();
    let mut data = [0; 4];
    guest.console.read(AREA_PORT, &mut data);
    assert_eq!(u32::from_le_bytes(data), ID);
    guest.console.read(DOORBELL_PORT, &mut data);
    assert_eq!(data, [0xff; 4]);
    let mut byte = [0];
    guest.console.read(AREA_PORT, &mut byte);
    assert_eq!(byte, [0xff]);
}

#[test]
fn claiming_tells_flags_and_size_and_asks_for_input() {
    let mut guest = Guest::new();
    assert_eq!((guest.put(b"early"), guest.room()), (0, 0));
    guest.set(RX_TAIL, 77u32);
    guest.out(AREA_PORT, (AREA >> 12) as u32);
    assert_eq!((guest.get::<u32>(FLAGS), guest.get::<u16>(ROWS), guest.get::<u16>(COLS)), (5, 24, 80));
    assert_eq!((guest.get::<u32>(RX_HEAD), guest.get::<u32>(RX_EOF)), (77, 0));
    assert_eq!(guest.room(), RX_SIZE);
    assert_eq!(guest.count.0.1.load(Ordering::SeqCst), 1);
}

#[test]
fn an_area_that_is_not_ram_is_ignored() {
    for frame in [1, 0xff, 0x100, 0xfd, 0xf_ffff, u32::MAX, !3] {
        let mut guest = Guest::new();
        guest.out(AREA_PORT, frame);
        assert!(!guest.input.lock().unwrap().is_claimed(), "{frame:#x}");
    }
    let mut guest = Guest::claimed();
    guest.out(AREA_PORT, u32::MAX);
    assert!(guest.input.lock().unwrap().is_claimed(), "the one before stays");
}

#[test]
fn a_doorbell_prints() {
    let mut guest = Guest::claimed();
    guest.memory.write_slice(b"hello", GuestAddress(AREA + TX_OFFSET as u64)).unwrap();
    guest.out(DOORBELL_PORT, doorbell(CHANNEL_OUT, 5));
    guest.out(DOORBELL_PORT, doorbell(CHANNEL_ERR, 4));
    guest.out(DOORBELL_PORT, doorbell(CHANNEL_OUT, 0xff_ffff));
    let printed = guest.printed.lock().unwrap();
    assert_eq!(printed[0], (Channel::Out, b"hello".to_vec()));
    assert_eq!(printed[1], (Channel::Err, b"hell".to_vec()));
    assert_eq!(printed[2].1.len(), TX_SIZE, "cut");
}

#[test]
fn nonsense_prints_nothing() {
    let mut unclaimed = Guest::new();
    unclaimed.out(DOORBELL_PORT, doorbell(CHANNEL_OUT, 5));
    let mut guest = Guest::claimed();
    guest.out(DOORBELL_PORT, doorbell(3, 5));
    guest.out(DOORBELL_PORT, 5);
    guest.out(1, doorbell(CHANNEL_OUT, 5));
    assert_eq!(guest.console.write(DOORBELL_PORT, &[5, 0, 0, 0, 1]), Effect::None);
    assert_eq!(guest.console.write(DOORBELL_PORT, &[]), Effect::None);
    assert!(unclaimed.printed.lock().unwrap().is_empty());
    assert!(guest.printed.lock().unwrap().is_empty());
}

#[test]
fn input_goes_round_the_ring() {
    let guest = Guest::claimed();
    let mut next = 0u32;
    for round in 0..40 {
        let bytes: Vec<u8> = (0..997).map(|i| (next + i) as u8).collect();
        next += 997;
        assert_eq!(guest.put(&bytes), 997);
        assert_eq!(guest.take(), bytes, "round {round}");
    }
    assert_eq!(guest.count.0.0.load(Ordering::SeqCst), 40);
}

#[test]
fn a_full_ring_takes_no_more_until_the_guest_has_made_room() {
    let mut guest = Guest::claimed();
    assert_eq!(guest.put(&[7; RX_SIZE + 5]), RX_SIZE);
    assert_eq!((guest.put(b"x"), guest.room()), (0, 0));
    assert_eq!(guest.take(), [7; RX_SIZE]);
    guest.out(DOORBELL_PORT, DOORBELL_RX);
    assert_eq!(guest.count.0.1.load(Ordering::SeqCst), 2);
    assert_eq!(guest.put(b"x"), 1);
}

#[test]
fn indices_may_wrap_and_may_lie() {
    let mut guest = Guest::new();
    guest.set(RX_TAIL, u32::MAX - 1);
    guest.out(AREA_PORT, (AREA >> 12) as u32);
    assert_eq!(guest.put(b"12345"), 5);
    assert_eq!(guest.get::<u32>(RX_HEAD), 3);
    assert_eq!(guest.take(), b"12345");
    for tail in [4u32, 0x8000_0000, u32::MAX - 0x2000] {
        guest.set(RX_TAIL, tail);
        assert_eq!((guest.room(), guest.put(b"x")), (0, 0), "{tail:#x}");
    }
}

#[test]
fn the_end_of_input_and_a_new_size_are_told_whenever_the_area_comes() {
    let guest = Guest::claimed();
    guest.input.lock().unwrap().end();
    guest.input.lock().unwrap().resize((50, 132));
    assert_eq!((guest.get::<u32>(RX_EOF), guest.get::<u16>(ROWS), guest.get::<u16>(COLS)), (1, 50, 132));
    assert_eq!(guest.count.0.0.load(Ordering::SeqCst), 2);
    let mut late = Guest::new();
    late.input.lock().unwrap().end();
    late.input.lock().unwrap().resize((50, 132));
    late.out(AREA_PORT, (AREA >> 12) as u32);
    assert_eq!((late.get::<u32>(RX_EOF), late.get::<u16>(COLS)), (1, 132));
}

#[test]
fn input_does_not_wait_for_output() {
    struct Blocked(Arc<Mutex<Input<Memory>>>);
    impl Output for Blocked {
        fn write(&mut self, _: Channel, _: &[u8]) {
            assert_eq!(self.0.try_lock().expect("the lock is free while output blocks").put(b"x"), 1);
        }
    }
    let mut guest = Guest::claimed();
    guest.console.output = Box::new(Blocked(guest.input.clone()));
    guest.out(DOORBELL_PORT, doorbell(CHANNEL_OUT, 1));
    assert_eq!(guest.take(), b"x");
}
