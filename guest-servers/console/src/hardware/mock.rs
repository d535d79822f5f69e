//! A console device and a UART for tests: 16 KiB of memory, ports that remember.

use super::{Memory, Ports};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use vmm_abi::console::{AREA_SIZE, COLS, ID, PORT_ID, ROWS, RX_EOF, RX_HEAD, RX_OFFSET, RX_SIZE, RX_TAIL};
use vmm_abi::ports::UART;

struct State {
    memory: Vec<u8>,
    console: bool,
    uart: bool,
    jammed: bool,
    registers: [u8; 8],
    written: Vec<(u16, u32)>,
    sent: Vec<u8>,
    received: VecDeque<u8>,
}

/// The device's side.
pub struct Device(Rc<RefCell<State>>);

/// The driver's side: ports and memory in one.
#[derive(Clone)]
pub struct Mock(Rc<RefCell<State>>);

impl Device {
    fn new(console: bool, uart: bool) -> Self {
        Self(Rc::new(RefCell::new(State {
            memory: vec![0; AREA_SIZE],
            console,
            uart,
            jammed: false,
            registers: [0; 8],
            written: Vec::new(),
            sent: Vec::new(),
            received: VecDeque::new(),
        })))
    }
    pub fn console() -> Self {
        Self::new(true, false)
    }
    pub fn uart() -> Self {
        Self::new(false, true)
    }
    /// Nothing answers: ports read as all ones.
    pub fn absent() -> Self {
        Self::new(false, false)
    }
    pub fn mock(&self) -> Mock {
        Mock(self.0.clone())
    }

    pub fn fill(&self, offset: usize, bytes: &[u8]) {
        self.0.borrow_mut().memory[offset..offset + bytes.len()].copy_from_slice(bytes);
    }
    fn word(&self, offset: usize) -> u32 {
        Memory::read_u32(&self.mock(), offset)
    }

    /// 32-bit port writes so far.
    pub fn written(&self) -> Vec<(u16, u32)> {
        self.0.borrow().written.clone()
    }
    pub fn tail(&self) -> u32 {
        self.word(RX_TAIL)
    }
    pub fn set_head(&self, head: u32) {
        self.fill(RX_HEAD, &head.to_le_bytes());
    }
    pub fn type_in(&self, bytes: &[u8]) {
        let head = self.word(RX_HEAD);
        assert!(
            head.wrapping_sub(self.tail()) as usize + bytes.len() <= RX_SIZE,
            "the test overruns the ring"
        );
        for (i, b) in bytes.iter().enumerate() {
            self.fill(RX_OFFSET + (head as usize + i) % RX_SIZE, &[*b]);
        }
        self.set_head(head + bytes.len() as u32);
    }
    pub fn end(&self) {
        self.fill(RX_EOF, &[1]);
    }
    pub fn resize(&self, rows: u16, cols: u16) {
        self.fill(ROWS, &rows.to_le_bytes());
        self.fill(COLS, &cols.to_le_bytes());
    }

    pub fn register(&self, port: u16) -> u8 {
        self.0.borrow().registers[usize::from(port - UART)]
    }
    pub fn sent(&self) -> Vec<u8> {
        self.0.borrow().sent.clone()
    }
    pub fn receive(&self, bytes: &[u8]) {
        self.0.borrow_mut().received.extend(bytes);
    }
    pub fn jam(&self) {
        self.0.borrow_mut().jammed = true;
    }
}

impl Ports for Mock {
    fn read_u8(&self, port: u16) -> u8 {
        let mut s = self.0.borrow_mut();
        if !s.uart {
            return 0xff;
        }
        match port - UART {
            0 => s.received.pop_front().unwrap_or(0),
            5 => u8::from(!s.jammed) << 5 | u8::from(!s.received.is_empty()),
            n => s.registers[usize::from(n)],
        }
    }
    fn write_u8(&self, port: u16, value: u8) {
        let mut s = self.0.borrow_mut();
        let divisor = s.registers[3] & 0x80 != 0;
        match port - UART {
            0 if !divisor => s.sent.push(value),
            n => s.registers[usize::from(n)] = value,
        }
    }
    fn read_u32(&self, port: u16) -> u32 {
        if self.0.borrow().console && port == PORT_ID { ID } else { u32::MAX }
    }
    fn write_u32(&self, port: u16, value: u32) {
        self.0.borrow_mut().written.push((port, value));
    }
}

impl Memory for Mock {
    fn read(&self, offset: usize, into: &mut [u8]) {
        into.copy_from_slice(&self.0.borrow().memory[offset..offset + into.len()]);
    }
    fn write(&self, offset: usize, from: &[u8]) {
        self.0.borrow_mut().memory[offset..offset + from.len()].copy_from_slice(from);
    }
    fn read_u32(&self, offset: usize) -> u32 {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes);
        u32::from_le_bytes(bytes)
    }
    fn write_u32(&self, offset: usize, value: u32) {
        self.0.borrow_mut().memory[offset..offset + 4].copy_from_slice(&value.to_le_bytes());
    }
}
