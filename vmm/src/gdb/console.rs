//! Lines for gdb to print: `O` packets, which it takes while it waits for the machine to stop.

use super::framing::PACKET_SIZE;

/// A packet that has gdb print `text`, or as much of it as fits.
pub fn line(text: &str) -> Vec<u8> {
    let digits = text.bytes().chain([b'\n']).take(PACKET_SIZE / 4).map(|byte| format!("{byte:02x}"));
    format!("O{}", digits.collect::<String>()).into_bytes()
}
