//! The 16550 UART (COM1), by the `vm-superio` crate: for guests that do not know the console device.

use crate::bus::{Effect, PortDevice};
use std::io::{self, Write};
use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};

/// Of the interrupt enable register: received data.
const RECEIVE_INTERRUPT: u8 = 1;

/// Raises the UART's interrupt line.
pub struct Line(pub Box<dyn Fn() + Send>);

impl Trigger for Line {
    type E = io::Error;
    fn trigger(&self) -> io::Result<()> {
        (self.0)();
        Ok(())
    }
}

/// Takes what the guest transmits.
pub type Sink = Box<dyn FnMut(&[u8]) + Send>;

struct Transmit(Sink);

impl Write for Transmit {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The device.
pub struct Uart {
    serial: Serial<Line, NoEvents, Transmit>,
    waits: bool,
}

impl Uart {
    pub fn new(line: Line, transmit: Sink) -> Self {
        Self { serial: Serial::new(line, Transmit(transmit)), waits: false }
    }

    /// From now on takes input only while the driver has receive interrupts enabled: a driver that starts throws away what it
    /// finds in the FIFO.
    pub fn wait_for_receiver(&mut self) {
        self.waits = true;
    }

    /// Bytes that its receive FIFO has room for.
    pub fn room(&self) -> usize {
        let is_deaf = self.waits && self.serial.state().interrupt_enable & RECEIVE_INTERRUPT == 0;
        if is_deaf { 0 } else { self.serial.fifo_capacity() }
    }

    /// Puts `bytes` into the receive FIFO, as many as there is room for, and returns their number.
    pub fn put(&mut self, bytes: &[u8]) -> usize {
        let bytes = &bytes[..bytes.len().min(self.room())];
        match bytes {
            [] => 0,
            bytes => self.serial.enqueue_raw_bytes(bytes).unwrap_or(0),
        }
    }
}

impl PortDevice for Uart {
    fn read(&mut self, offset: u16, data: &mut [u8]) {
        // A string instruction reads the same register again and again.
        data.fill_with(|| self.serial.read(offset as u8));
    }

    fn write(&mut self, offset: u16, data: &[u8]) -> Effect {
        for &byte in data {
            if let Err(error) = self.serial.write(offset as u8, byte) {
                tracing::debug!(?error, "uart: write failed");
            }
        }
        Effect::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    const DATA: u16 = 0;
    const INTERRUPT_ENABLE: u16 = 1;
    const LINE_STATUS: u16 = 5;
    const DATA_READY: u8 = 1;

    #[test]
    fn input_can_wait_for_somebody_who_takes_it() {
        let mut uart = Uart::new(Line(Box::new(|| ())), Box::new(|_| ()));
        uart.wait_for_receiver();
        assert_eq!((uart.room(), uart.put(b"x")), (0, 0));
        assert_eq!(uart.write(INTERRUPT_ENABLE, &[1]), Effect::None);
        assert_eq!((uart.room() > 0, uart.put(b"x")), (true, 1));
    }

    #[test]
    fn bytes_go_out_and_come_in() {
        let (sent, interrupts) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let (sink, count) = (sent.clone(), interrupts.clone());
        let line = Line(Box::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
        }));
        let mut uart = Uart::new(line, Box::new(move |bytes| sink.lock().unwrap().extend_from_slice(bytes)));
        assert_eq!(uart.write(DATA, b"hi"), Effect::None);
        assert_eq!(*sent.lock().unwrap(), b"hi");
        assert_eq!(uart.write(INTERRUPT_ENABLE, &[1]), Effect::None);
        let room = uart.room();
        assert_eq!(uart.put(&vec![b'x'; room + 1]), room);
        assert_eq!(uart.put(b"y"), 0);
        assert!(interrupts.load(Ordering::SeqCst) > 0);
        let mut status = [0];
        uart.read(LINE_STATUS, &mut status);
        assert_eq!(status[0] & DATA_READY, DATA_READY);
        let mut data = vec![0; room];
        uart.read(DATA, &mut data);
        assert_eq!(data, vec![b'x'; room]);
        uart.read(LINE_STATUS, &mut status);
        assert_eq!(status[0] & DATA_READY, 0);
    }
}
