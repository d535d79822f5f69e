//! What the driver is told about a console (5.3.3, 5.3.4), and where its queues are (5.3.2).

/// Ports that a console has at most.
pub const PORTS_MAX: usize = 16;
/// Entries of each queue.
pub const QUEUE_SIZE: u16 = 128;

pub const SIZE: u64 = 1 << 0;
pub const MULTIPORT: u64 = 1 << 1;
pub const EMERG_WRITE: u64 = 1 << 2;
pub const FEATURES: u64 = SIZE | MULTIPORT | EMERG_WRITE;

/// Where in the configuration a byte is written that is to be printed at once.
pub const EMERG_WR: usize = 8;

/// What a queue is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Queue {
    /// Bytes for the guest, by this port.
    Receive(usize),
    /// Bytes from the guest, by this port.
    Transmit(usize),
    ControlReceive,
    ControlTransmit,
}

impl Queue {
    /// The queue with this number: port 0 has the first two, control messages the next, then come the other ports.
    pub fn of(number: usize) -> Self {
        let port = if number < 2 { 0 } else { number.saturating_sub(2) / 2 };
        match number {
            2 => Self::ControlReceive,
            3 => Self::ControlTransmit,
            _ if number.is_multiple_of(2) => Self::Receive(port),
            _ => Self::Transmit(port),
        }
    }

    pub fn number(self) -> usize {
        match self {
            Self::Receive(0) => 0,
            Self::Transmit(0) => 1,
            Self::ControlReceive => 2,
            Self::ControlTransmit => 3,
            Self::Receive(port) => 2 + 2 * port,
            Self::Transmit(port) => 3 + 2 * port,
        }
    }
}

/// The configuration space of a console with `ports` ports and this size in columns and rows.
pub fn space(ports: usize, (columns, rows): (u16, u16)) -> [u8; 12] {
    let mut space = [0; 12];
    space[..2].copy_from_slice(&columns.to_le_bytes());
    space[2..4].copy_from_slice(&rows.to_le_bytes());
    space[4..8].copy_from_slice(&(ports as u32).to_le_bytes());
    space
}
