//! Control messages (5.3.6.2): bytes ↔ meaning.

use crate::virtio::{Broken, Chain, Memory, chain};

/// Bytes of data that a driver sends at once at most: more than any does, and no reason to keep the device busy for long.
const MESSAGE_MAX: u64 = 16 << 20;

const DEVICE_READY: u16 = 0;
const DEVICE_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const CONSOLE_PORT: u16 = 4;
const RESIZE: u16 = 5;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;

/// What the driver says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Told {
    /// It has found the device, and wants to hear of the ports.
    DeviceReady,
    /// It can use this port.
    PortReady(u32),
    /// A program has opened the port, or closed it.
    PortOpen(u32, bool),
    /// It cannot use the device or the port, or says something that means nothing.
    Other,
}

impl Told {
    /// Reads the message in `chain`.
    pub fn parse(memory: &Memory, chain: &Chain) -> Result<Self, Broken> {
        let mut message = [0; 8];
        if chain::read(memory, &chain.readable, &mut message)? < message.len() {
            return Ok(Self::Other);
        }
        let [a, b, c, d, event @ .., e, f] = message;
        let (port, value) = (u32::from_le_bytes([a, b, c, d]), u16::from_le_bytes([e, f]));
        Ok(match (u16::from_le_bytes(event), value) {
            (DEVICE_READY, 1) => Self::DeviceReady,
            (PORT_READY, 1) => Self::PortReady(port),
            (PORT_OPEN, 0 | 1) => Self::PortOpen(port, value == 1),
            _ => Self::Other,
        })
    }
}

/// What the device says, of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Tell {
    /// It is there.
    Add,
    /// It is for a terminal.
    Console,
    Name(String),
    /// Columns and rows.
    Resize(u16, u16),
    /// Somebody is at the other end, or not any more.
    Open(bool),
}

impl Tell {
    /// The message, about port `port`.
    pub fn bytes(&self, port: usize) -> Vec<u8> {
        let (event, value): (u16, u16) = match self {
            Self::Add => (DEVICE_ADD, 0),
            Self::Console => (CONSOLE_PORT, 1),
            Self::Name(_) => (PORT_NAME, 0),
            Self::Resize(..) => (RESIZE, 0),
            Self::Open(open) => (PORT_OPEN, u16::from(*open)),
        };
        let mut bytes = (port as u32).to_le_bytes().to_vec();
        bytes.extend(event.to_le_bytes());
        bytes.extend(value.to_le_bytes());
        match self {
            Self::Name(name) => bytes.extend(name.as_bytes()),
            Self::Resize(columns, rows) => bytes.extend([columns.to_le_bytes(), rows.to_le_bytes()].concat()),
            _ => {}
        }
        bytes
    }
}

/// Refuses a message of data that is too long to be one.
pub fn check_data(chain: &Chain) -> Result<(), Broken> {
    match chain.readable_len() {
        0..=MESSAGE_MAX => Ok(()),
        _ => Err(Broken("a console message of more than 16 MiB")),
    }
}
