//! The console device: three ports, an interrupt line and 16 KiB of the guest's memory.
//!
//! A byte-wide UART costs an exit a byte; here a whole write costs one. The guest gives the device a 16-KiB-aligned
//! area of its memory by writing the area's page-frame number to [`PORT_AREA`]. To print, it puts up to
//! [`TX_SIZE`] bytes at [`TX_OFFSET`] and writes [`doorbell`] to [`PORT_DOORBELL`]; when the `out` instruction has
//! finished the bytes have been taken. Input appears in a ring at [`RX_OFFSET`]; the device raises [`IRQ`]
//! (edge) when bytes, end of file or a new window size have arrived.
//!
//! The device trusts nothing in the area: indices are taken modulo the ring's size.

/// In, 32 bits: [`ID`]. Reads as all ones on other machines.
pub const PORT_ID: u16 = 0xb00;
/// Out, 32 bits: page-frame number of the area.
pub const PORT_AREA: u16 = 0xb00;
/// Out, 32 bits: see [`doorbell`].
pub const PORT_DOORBELL: u16 = 0xb04;
/// First port and log2 of their number, as a flexpage wants them.
pub const PORT_BASE: u16 = 0xb00;
pub const PORT_LOG2: u32 = 3;
pub const ID: u32 = u32::from_le_bytes(*b"UKVC");
pub const IRQ: u8 = 5;

pub const AREA_SIZE: usize = 16 << 10;
pub const AREA_LOG2: u32 = 14;

/// Set by the device: [`STDIN_TTY`] and so on.
pub const FLAGS: usize = 0x00;
/// Set by the device: rows (u16), columns (u16) of the terminal; 0 if there is none.
pub const ROWS: usize = 0x04;
pub const COLS: usize = 0x06;
/// Written by the device: number of bytes ever put into the ring (u32, wraps).
pub const RX_HEAD: usize = 0x10;
/// Written by the guest: number of bytes ever taken out of it (u32, wraps). The device stops reading its input while the
/// ring is full; a guest that empties a full ring writes [`DOORBELL_RX`].
pub const RX_TAIL: usize = 0x14;
/// Set to 1 by the device when its input has ended (u32).
pub const RX_EOF: usize = 0x18;
/// The input ring.
pub const RX_OFFSET: usize = 0x1000;
pub const RX_SIZE: usize = 0x1000;
/// The output buffer.
pub const TX_OFFSET: usize = 0x2000;
pub const TX_SIZE: usize = 0x2000;

/// Host's standard input, output, error are terminals. Where input is one, `ukvmm` has put it into raw mode.
pub const STDIN_TTY: u32 = 1;
pub const STDOUT_TTY: u32 = 2;
pub const STDERR_TTY: u32 = 4;

/// Channels of output.
pub const CHANNEL_OUT: u32 = 1;
pub const CHANNEL_ERR: u32 = 2;
/// Doorbell value: there is room in the input ring again.
pub const DOORBELL_RX: u32 = 0;

/// Doorbell value that prints `len` bytes of the buffer, from `offset`, on `channel` (1 or 2).
pub const fn doorbell(channel: u32, len: u32) -> u32 {
    channel << 24 | (len & 0xff_ffff)
}
