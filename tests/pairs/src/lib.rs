//! Our drivers with our devices, without a machine: registers are function calls, and both sides see the same memory.
//!
//! A driver that is tested with a device of the test's keeps to what the test's author thinks that virtio is. Here each side holds the other
//! to it, and a test needs no guest.

#![forbid(unsafe_code)]

use devices::virtio::{Device, Line, Memory, Mmio};
use driver::Registers;
use driver::mock::server::Board;
use driver::registers::INTERRUPT_STATUS;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use vm_memory::{Bytes, GuestAddress};

/// Physical address of the memory, and its size.
const BASE: u64 = 0x10_0000;
const SIZE: usize = 8 << 20;
const PAGE: usize = 4096;

/// A machine that is one device and memory.
#[derive(Clone)]
pub struct Pair {
    mmio: Arc<Mmio>,
    memory: Memory,
    given: Arc<AtomicUsize>,
}

/// Nobody waits for the interrupt: who wants to know looks at the status.
struct NoLine;

impl Line for NoLine {
    fn trigger(&self) {}
}

impl Pair {
    /// With the device that `make` makes, which may look at the memory.
    pub fn new(make: impl FnOnce(&Memory) -> Box<dyn Device>) -> Self {
        let memory = Memory::from_ranges(&[(GuestAddress(BASE), SIZE)]).expect("memory for a test");
        let mmio = Mmio::new("device", make(&memory), memory.clone(), Box::new(NoLine));
        Self { mmio: Arc::new(mmio), memory, given: Arc::default() }
    }

    /// Source `source` of the device's backend has become ready.
    pub fn ready(&self, source: usize) {
        let mut more = self.mmio.ready(source);
        while more {
            more = self.mmio.again();
        }
    }

    /// Whether the driver has set the device going and has not broken the rules.
    pub fn is_active(&self) -> bool {
        self.mmio.is_active()
    }

    fn load<const N: usize>(&self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        self.mmio.read(offset as u64, &mut bytes);
        bytes
    }
}

impl Board for Pair {
    type Memory = Ram;

    fn memory(&self, size: usize) -> Ram {
        let start = self.given.fetch_add(size.next_multiple_of(PAGE), Ordering::Relaxed);
        assert!(start + size <= SIZE, "the machine's memory is used up");
        Ram { memory: self.memory.clone(), start, size }
    }
    fn interrupts(&self) -> bool {
        self.read_u32(INTERRUPT_STATUS) != 0
    }
}

impl Registers for Pair {
    fn read_u8(&self, offset: usize) -> u8 {
        u8::from_le_bytes(self.load(offset))
    }
    fn read_u16(&self, offset: usize) -> u16 {
        u16::from_le_bytes(self.load(offset))
    }
    fn read_u32(&self, offset: usize) -> u32 {
        u32::from_le_bytes(self.load(offset))
    }
    fn write_u32(&self, offset: usize, value: u32) {
        self.mmio.write(offset as u64, &value.to_le_bytes());
    }
}

/// A part of the memory.
#[derive(Clone)]
pub struct Ram {
    memory: Memory,
    start: usize,
    size: usize,
}

impl Ram {
    /// Where `len` bytes at `offset` are, if they are inside.
    fn at(&self, offset: usize, len: usize) -> Option<GuestAddress> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.size);
        inside.then(|| GuestAddress(BASE + (self.start + offset) as u64))
    }
}

impl driver::Memory for Ram {
    fn phys(&self) -> u64 {
        BASE + self.start as u64
    }
    fn size(&self) -> usize {
        self.size
    }
    fn read(&self, offset: usize, into: &mut [u8]) {
        match self.at(offset, into.len()) {
            Some(at) => self.memory.read_slice(into, at).expect("it is inside"),
            None => into.fill(0),
        }
    }
    fn write(&self, offset: usize, from: &[u8]) {
        if let Some(at) = self.at(offset, from.len()) {
            self.memory.write_slice(from, at).expect("it is inside");
        }
    }
    fn load_u16(&self, offset: usize) -> u16 {
        self.at(offset, 2).map_or(0, |at| self.memory.load(at, Ordering::Acquire).expect("it is inside"))
    }
    fn store_u16(&self, offset: usize, value: u16) {
        if let Some(at) = self.at(offset, 2) {
            self.memory.store(value, at, Ordering::Release).expect("it is inside");
        }
    }
    fn split(self, at: usize) -> Option<(Self, Self)> {
        let rest = self.size.checked_sub(at)?;
        let second = Self { memory: self.memory.clone(), start: self.start + at, size: rest };
        Some((Self { size: at, ..self }, second))
    }
}
