//! Driver of a 16550 UART, for machines that are not ukvmm's. Registers: National Semiconductor PC16550D data
//! sheet.
//!
//! Output is polled, because a byte costs an access to a port in any case; input is by interrupt. A serial
//! line does not say whether a terminal is at its other end: it is taken for one, of unknown size, and its
//! input never ends.

use crate::device::{NoDevice, Output, Source};
use crate::hardware::{Memory, Ports};
use proto::console::{Event, Size};
use proto::text::{Bytes, MAX};
use vmm_abi::console::{STDERR_TTY, STDIN_TTY, STDOUT_TTY};
use vmm_abi::ports::{UART, UART_IRQ};

/// Receive buffer and transmit holding register; divisor's low byte while `LCR_DIVISOR` is set.
const DATA: u16 = UART;
/// Interrupt enable; divisor's high byte.
const IER: u16 = UART + 1;
const FCR: u16 = UART + 2;
const LCR: u16 = UART + 3;
const MCR: u16 = UART + 4;
const LSR: u16 = UART + 5;
const SCRATCH: u16 = UART + 7;

const IER_RECEIVED: u8 = 1;
/// FIFOs on and emptied, interrupt at the first byte.
const FCR_ON: u8 = 0x07;
const LCR_8N1: u8 = 0x03;
const LCR_DIVISOR: u8 = 0x80;
/// DTR, RTS, and OUT2, which on a PC lets the interrupt through.
const MCR_ON: u8 = 0x0b;
const LSR_RECEIVED: u8 = 0x01;
const LSR_SENT: u8 = 0x20;

/// Bytes that the transmitter takes at once when it is empty.
const FIFO: usize = 16;
/// Polls after which a transmitter that is never empty counts as broken: seconds, at a microsecond and more a
/// poll.
const PATIENCE: u32 = 5_000_000;

/// The printing half; the memory is the output buffer.
pub struct Transmitter<P, M> {
    ports: P,
    buffer: M,
}

/// The reading half.
pub struct Receiver<P> {
    ports: P,
}

/// Sets the UART up: 115200 baud, 8N1, receive interrupt.
pub fn claim<P: Ports + Clone, M: Memory>(
    ports: P,
    buffer: M,
) -> Result<(Transmitter<P, M>, Receiver<P>), NoDevice> {
    for probe in [0x5a, 0xa5] {
        ports.write_u8(SCRATCH, probe);
        if ports.read_u8(SCRATCH) != probe {
            return Err(NoDevice);
        }
    }
    let set_up = [
        (IER, 0),
        (LCR, LCR_DIVISOR),
        (DATA, 1),
        (IER, 0),
        (LCR, LCR_8N1),
        (FCR, FCR_ON),
        (MCR, MCR_ON),
        (IER, IER_RECEIVED),
    ];
    set_up.into_iter().for_each(|(port, value)| ports.write_u8(port, value));
    Ok((Transmitter { ports: ports.clone(), buffer }, Receiver { ports }))
}

impl<P: Ports, M: Memory> Output for Transmitter<P, M> {
    fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.buffer.write(at, bytes);
    }

    fn print(&mut self, _channel: u32, len: u32) -> Result<(), NoDevice> {
        let (mut at, end) = (0, len as usize);
        while at < end {
            let mut patience = PATIENCE;
            while self.ports.read_u8(LSR) & LSR_SENT == 0 {
                patience = patience.checked_sub(1).ok_or(NoDevice)?;
            }
            let mut bytes = [0; FIFO];
            let part = &mut bytes[..FIFO.min(end - at)];
            self.buffer.read(at, part);
            part.iter().for_each(|b| self.ports.write_u8(DATA, *b));
            at += part.len();
        }
        Ok(())
    }
}

impl<P: Ports> Source for Receiver<P> {
    fn flags(&self) -> u32 {
        STDIN_TTY | STDOUT_TTY | STDERR_TTY
    }

    fn size(&self) -> Size {
        Size::default()
    }

    fn line(&self) -> u8 {
        UART_IRQ
    }

    fn poll(&mut self) -> Option<Event> {
        let mut bytes = [0; MAX];
        let mut len = 0;
        while len < MAX && self.ports.read_u8(LSR) & LSR_RECEIVED != 0 {
            bytes[len] = self.ports.read_u8(DATA);
            len += 1;
        }
        (len > 0).then(|| Event::Input(Bytes::split(&bytes[..len]).0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::mock::Device;

    #[test]
    fn no_uart() {
        let device = Device::absent();
        assert_eq!(claim(device.mock(), device.mock()).err(), Some(NoDevice));
    }

    #[test]
    fn set_up_ends_with_8n1_and_the_receive_interrupt() {
        let device = Device::uart();
        let (_, receiver) = claim(device.mock(), device.mock()).unwrap();
        assert_eq!((device.register(LCR), device.register(IER), device.register(MCR)), (3, 1, 0x0b));
        assert_eq!(receiver.line(), UART_IRQ);
    }

    #[test]
    fn the_buffer_is_sent_byte_by_byte() {
        let device = Device::uart();
        let (mut transmitter, _) = claim(device.mock(), device.mock()).unwrap();
        let text: Vec<u8> = (0..50).collect();
        device.fill(0, &text);
        transmitter.print(1, 50).unwrap();
        assert_eq!(device.sent(), text);
    }

    #[test]
    fn a_transmitter_that_never_empties_is_given_up() {
        let device = Device::uart();
        let (mut transmitter, _) = claim(device.mock(), device.mock()).unwrap();
        device.jam();
        assert_eq!(transmitter.print(1, 1), Err(NoDevice));
    }

    #[test]
    fn input() {
        let device = Device::uart();
        let (_, mut receiver) = claim(device.mock(), device.mock()).unwrap();
        assert_eq!(receiver.poll(), None);
        let text: Vec<u8> = (0..60).collect();
        device.receive(&text);
        assert_eq!(receiver.poll(), Some(Event::Input(Bytes::split(&text[..48]).0)));
        assert_eq!(receiver.poll(), Some(Event::Input(Bytes::split(&text[48..]).0)));
        assert_eq!(receiver.poll(), None);
    }
}
