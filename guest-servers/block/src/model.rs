//! The driver on `ukvmm`'s own disk: the same registers and queues as in a machine, without the machine.

use crate::disk::{MEMORY_LOG2, VirtioDisk};
use devices::virtio::block::Block;
use devices::virtio::block::mock::{Control, RamDisk};
use devices::virtio::{Line, Memory as GuestMemory, Mmio};
use driver::engine::{Engine, Outbox, Regions};
use driver::{Memory, Registers};
use proto::block::{Disk, Operation};
use proto::session::{Completion, DATA, Entered, Opened, Outcome, Request, Submission};
use proto::{Message, Refusal};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use ukernel_abi::ThreadId;
use vm_memory::{Bytes, GuestAddress};

const CLIENT: ThreadId = ThreadId::new(5, 0, 1);
const RAM: usize = 1 << 20;
const DISK: usize = 1 << 20;
/// Where the driver's memory and the client's region are.
const OWN: u64 = 0x1_0000;
const REGION: u64 = 0x8_0000;
const REGION_SIZE: usize = 0x4_0000;

/// The device's registers, as a driver reaches them.
#[derive(Clone)]
struct Window(Arc<Mmio>);

impl Window {
    fn read<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.read(offset as u64, &mut bytes);
        bytes
    }
}

impl Registers for Window {
    fn read_u8(&self, offset: usize) -> u8 {
        u8::from_le_bytes(self.read(offset))
    }
    fn read_u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.read(offset))
    }
    fn read_u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.read(offset))
    }
    fn write_u32(&self, offset: usize, value: u32) {
        self.0.write(offset as u64, &value.to_le_bytes());
    }
}

/// A part of the machine's memory.
#[derive(Clone)]
struct Part {
    ram: GuestMemory,
    start: u64,
    size: usize,
}

impl Memory for Part {
    fn phys(&self) -> u64 {
        self.start
    }
    fn size(&self) -> usize {
        self.size
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        assert!(offset + into.len() <= self.size);
        self.ram.read_slice(into, GuestAddress(self.start + offset as u64)).unwrap();
    }
    fn write(&self, offset: usize, from: &[u8]) {
        assert!(offset + from.len() <= self.size);
        self.ram.write_slice(from, GuestAddress(self.start + offset as u64)).unwrap();
    }
    fn load_u16(&self, offset: usize) -> u16 {
        self.ram.load(GuestAddress(self.start + offset as u64), Ordering::Acquire).unwrap()
    }
    fn store_u16(&self, offset: usize, value: u16) {
        self.ram.store(value, GuestAddress(self.start + offset as u64), Ordering::Release).unwrap();
    }
    fn split(self, at: usize) -> Option<(Self, Self)> {
        let size = self.size.checked_sub(at)?;
        let rest = Self { ram: self.ram.clone(), start: self.start + at as u64, size };
        Some((Self { size: at, ..self }, rest))
    }
}

impl Regions for Part {
    type Memory = Part;
    fn region(&mut self, _: ThreadId, _: u64) -> Result<Part, Refusal> {
        Ok(self.clone())
    }
}

/// Counts interrupts.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU32>);

impl Line for Counter {
    fn trigger(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Rig {
    mmio: Arc<Mmio>,
    control: Control,
    interrupts: Counter,
    region: Part,
    engine: Engine<VirtioDisk<Window, Part>, Part>,
    disk: Disk,
    submitted: u32,
}

impl Rig {
    fn new() -> Self {
        let ram = GuestMemory::from_ranges(&[(GuestAddress(0), RAM)]).unwrap();
        let disk = RamDisk::new(DISK, ram.clone());
        let (control, interrupts) = (disk.control(), Counter::default());
        let device = Box::new(Block::new(disk));
        let mmio = Arc::new(Mmio::new("disk", device, ram.clone(), Box::new(interrupts.clone())));
        let part = |start, size| Part { ram: ram.clone(), start, size };
        let (own, region) = (part(OWN, 1 << MEMORY_LOG2), part(REGION, REGION_SIZE));
        let driver = VirtioDisk::new(Window(mmio.clone()), own).unwrap();
        let engine = Engine::new(driver, region.clone(), false);
        let disk = Disk {
            sectors: 0,
            transfer_max: 0,
            discard_max: 0,
            zeroes_max: 0,
            read_only: true,
            block_size: 0,
        };
        let mut rig = Self { mmio, control, interrupts, region, engine, disk, submitted: 0 };
        let opened = rig.call(Request::Open { region: 1 }).expect("an open is answered at once");
        rig.disk = Disk::try_from(&Opened::try_from(&opened).unwrap()).unwrap();
        rig
    }

    /// The answer, once the device has nothing more to say.
    fn call(&mut self, request: Request) -> Option<Message> {
        let mut out = Outbox::new();
        self.engine.message(CLIENT, &request.into(), 0, &mut out);
        self.settle(&mut out);
        out.pop().map(|(_, answer)| answer.accepted().unwrap())
    }

    fn settle(&mut self, out: &mut Outbox) {
        // The backend is ready whenever something was released; then there may be interrupts.
        loop {
            while self.mmio.ready(0) {}
            if self.interrupts.0.swap(0, Ordering::SeqCst) == 0 {
                return;
            }
            self.engine.interrupt(0, out);
        }
    }

    fn submit(&mut self, operation: Operation, at: usize, len: usize) {
        let (offset, len) = if operation.has_buffer() { ((DATA + at) as u32, len as u32) } else { (0, 0) };
        let submission = Submission { tag: self.submitted, offset, len, ..operation.into() };
        self.region.write(Submission::place(self.submitted), &submission.to_bytes());
        self.submitted += 1;
    }

    fn enter(&mut self, wait: u32) -> Option<u32> {
        let taken = self.submitted.saturating_sub(wait);
        let request = Request::Enter { region: 1, submitted: self.submitted, taken, wait };
        self.call(request).map(|m| Entered::try_from(&m).unwrap().completed)
    }

    fn completion(&self, n: u32) -> Completion {
        let mut bytes = [0; 16];
        self.region.read(Completion::place(n), &mut bytes);
        Completion::from_bytes(&bytes).unwrap()
    }

    fn one(&mut self, operation: Operation, at: usize, len: usize) -> Outcome {
        self.submit(operation, at, len);
        assert_eq!(self.enter(1), Some(self.submitted));
        self.completion(self.submitted - 1).outcome
    }
}

fn pattern(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| ((n + seed) * 37 % 253) as u8).collect()
}

#[test]
fn all_requests() {
    let mut rig = Rig::new();
    assert_eq!((rig.disk.sectors, rig.disk.read_only), ((DISK / 512) as u64, false));
    assert!(rig.disk.discard_max > 0 && rig.disk.zeroes_max > 0);
    rig.region.write(DATA, &pattern(3, 65536));
    assert_eq!(rig.one(Operation::Write { sector: 10 }, 0, 65536), Outcome::Done);
    assert_eq!(rig.control.state().bytes[5120..][..65536], pattern(3, 65536));
    assert_eq!(rig.one(Operation::Flush, 0, 0), Outcome::Done);
    assert_eq!(rig.control.state().flushes, 1);
    assert_eq!(rig.one(Operation::Read { sector: 11 }, 0x1_0000, 4096), Outcome::Done);
    let mut found = vec![0; 4096];
    rig.region.read(DATA + 0x1_0000, &mut found);
    assert_eq!(found, pattern(3, 65536)[512..4608]);
    assert_eq!(rig.one(Operation::WriteZeroes { sector: 10, count: 2 }, 0, 0), Outcome::Done);
    assert_eq!(rig.one(Operation::Discard { sector: 12, count: 1 }, 0, 0), Outcome::Done);
    assert!(rig.control.state().bytes[5120..][..1536].iter().all(|byte| *byte == 0));
}

#[test]
fn many_in_any_order() {
    let mut rig = Rig::new();
    rig.region.write(DATA, &pattern(5, 32768));
    rig.control.state().hold = true;
    for n in 0..64 {
        rig.submit(Operation::Write { sector: n }, n as usize * 512, 512);
    }
    assert_eq!(rig.enter(64), None, "nothing is done yet");
    let mut out = Outbox::new();
    for n in 0..64 {
        let held = rig.control.state().held.len();
        rig.control.release(if n % 3 == 0 { held - 1 } else { 0 });
        rig.settle(&mut out);
    }
    assert_eq!(out.len(), 1);
    assert_eq!(rig.control.state().bytes[..32768], pattern(5, 32768));
    let mut tags: Vec<_> = (0..64).map(|n| rig.completion(n).tag).collect();
    assert_ne!(tags, (0..64).collect::<Vec<_>>());
    tags.sort_unstable();
    assert!(tags.into_iter().eq(0..64));
}

#[test]
fn a_disk_that_fails() {
    let mut rig = Rig::new();
    rig.control.state().fail = true;
    assert_eq!(rig.one(Operation::Write { sector: 0 }, 0, 512), Outcome::Failed);
    rig.control.state().fail = false;
    assert_eq!(rig.one(Operation::Write { sector: 0 }, 0, 512), Outcome::Done);
}

#[test]
fn a_disk_that_is_silent_for_too_long() {
    let mut rig = Rig::new();
    rig.control.state().hold = true;
    rig.region.write(DATA, &pattern(1, 512));
    rig.submit(Operation::Write { sector: 7 }, 0, 512);
    assert_eq!(rig.enter(1), None);
    // After the reset it answers.
    rig.control.state().hold = false;
    let deadline = rig.engine.deadline().unwrap();
    let mut out = Outbox::new();
    rig.engine.late(deadline, &mut out);
    rig.settle(&mut out);
    assert_eq!((out.len(), rig.completion(0).outcome), (1, Outcome::Done));
    assert_eq!(rig.control.state().bytes[7 * 512..][..512], pattern(1, 512));
}

#[test]
fn a_driver_that_is_started_again_finds_the_device_as_it_was() {
    let mut rig = Rig::new();
    rig.control.state().hold = true;
    rig.submit(Operation::Read { sector: 0 }, 0, 512);
    assert_eq!(rig.enter(1), None);
    // The first driver is gone, with its request under way; the device must not answer it to the second.
    let own = Part { start: OWN, size: 1 << MEMORY_LOG2, ..rig.region.clone() };
    rig.engine =
        Engine::new(VirtioDisk::new(Window(rig.mmio.clone()), own).unwrap(), rig.region.clone(), false);
    assert_eq!(rig.control.state().held.len(), 0);
    (rig.control.state().hold, rig.submitted) = (false, 0);
    rig.call(Request::Open { region: 1 }).unwrap();
    assert_eq!(rig.one(Operation::Read { sector: 0 }, 0, 512), Outcome::Done);
}
