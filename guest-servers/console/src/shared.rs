//! Driver of ukvmm's console device (`vmm_abi::console`).
//!
//! Its area of 16 KiB is in two parts: registers and input ring, which the reading half has, and the output
//! buffer, which the client writes and only the device reads.

use crate::device::{NoDevice, Output, Source};
use crate::hardware::{Memory, Ports};
use driver::trace;
use proto::console::{Event, Size};
use proto::text::{Bytes, MAX};
use vmm_abi::console::{
    COLS, DOORBELL_RX, FLAGS, ID, IRQ, PORT_AREA, PORT_DOORBELL, PORT_ID, ROWS, RX_EOF, RX_HEAD, RX_OFFSET,
    RX_SIZE, RX_TAIL, doorbell,
};

const _: () = assert!(ROWS + 2 == COLS && ROWS.is_multiple_of(4));

/// The printing half. The memory is the area's output buffer.
pub struct Printer<P, M> {
    ports: P,
    buffer: M,
}

/// The reading half. The memory is the area's registers and ring.
pub struct Ring<P, M> {
    ports: P,
    memory: M,
    /// Bytes ever taken out.
    tail: u32,
    /// `tail` when the device was last told of room.
    told: u32,
    size: Size,
    ended: bool,
}

/// Both.
pub type Halves<P, M> = (Printer<P, M>, Ring<P, M>);

/// Gives the device its area, which begins at page frame `frame`; `memory` is the first part of it, `buffer` the second.
pub fn claim<P: Ports + Clone, M: Memory>(
    ports: P,
    memory: M,
    buffer: M,
    frame: u32,
) -> Result<Halves<P, M>, NoDevice> {
    if ports.read_u32(PORT_ID) != ID {
        return Err(NoDevice);
    }
    memory.write_u32(RX_TAIL, 0);
    ports.write_u32(PORT_AREA, frame);
    let mut ring =
        Ring { ports: ports.clone(), memory, tail: 0, told: 0, size: Size::default(), ended: false };
    ring.size = ring.size();
    Ok((Printer { ports, buffer }, ring))
}

impl<P: Ports, M: Memory> Output for Printer<P, M> {
    fn fill(&mut self, at: usize, bytes: &[u8]) {
        self.buffer.write(at, bytes);
    }

    fn print(&mut self, channel: u32, len: u32) -> Result<(), NoDevice> {
        if len > 0 {
            // The device has printed when the instruction is over.
            trace::event(trace::Event::DEVICE_REQUEST, channel.into());
            self.ports.write_u32(PORT_DOORBELL, doorbell(channel, len));
            trace::event(trace::Event::DEVICE_DONE, channel.into());
        }
        Ok(())
    }
}

impl<P: Ports, M: Memory> Ring<P, M> {
    fn take(&mut self, available: usize) -> Bytes {
        let start = self.tail as usize % RX_SIZE;
        let len = available.min(MAX).min(RX_SIZE - start);
        let mut bytes = [0; MAX];
        self.memory.read(RX_OFFSET + start, &mut bytes[..len]);
        self.tail = self.tail.wrapping_add(len as u32);
        self.memory.write_u32(RX_TAIL, self.tail);
        Bytes::split(&bytes[..len]).0
    }

    /// Tells the device of room if it may have stopped for want of it: it can only have if it has put a whole
    /// ring's bytes in since it was last told. That is so at most once in a ring's bytes, however fast input
    /// comes.
    fn tell_of_room(&mut self) {
        if self.tail.wrapping_sub(self.told) as usize >= RX_SIZE {
            self.told = self.tail;
            self.ports.write_u32(PORT_DOORBELL, DOORBELL_RX);
        }
    }
}

impl<P: Ports, M: Memory> Source for Ring<P, M> {
    fn flags(&self) -> u32 {
        self.memory.read_u32(FLAGS)
    }

    fn size(&self) -> Size {
        let word = self.memory.read_u32(ROWS);
        Size { rows: word as u16, cols: (word >> 16) as u16 }
    }

    fn line(&self) -> u8 {
        IRQ
    }

    fn poll(&mut self) -> Option<Event> {
        let size = self.size();
        if size != self.size {
            self.size = size;
            return Some(Event::Resize(size));
        }
        // The end first: what the device put in before it is then seen too.
        let end = self.memory.read_u32(RX_EOF) != 0;
        let available = self.memory.read_u32(RX_HEAD).wrapping_sub(self.tail) as usize;
        if available > 0 {
            // A head that is further ahead than the ring is long would be nonsense of the device's.
            return Some(Event::Input(self.take(available.min(RX_SIZE))));
        }
        self.tell_of_room();
        if end && !self.ended {
            self.ended = true;
            return Some(Event::End);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hardware::mock::{Device, Mock};

    fn ring() -> (Device, Printer<Mock, Mock>, Ring<Mock, Mock>) {
        let device = Device::console();
        let (printer, ring) = claim(device.mock(), device.mock(), device.mock(), 0x1234).unwrap();
        (device, printer, ring)
    }

    #[test]
    fn no_device() {
        let device = Device::absent();
        assert_eq!(claim(device.mock(), device.mock(), device.mock(), 1).err(), Some(NoDevice));
        assert_eq!(device.written(), []);
    }

    #[test]
    fn the_area_is_given_with_an_empty_ring() {
        let (device, _, ring) = ring();
        assert_eq!(device.written(), [(PORT_AREA, 0x1234)]);
        assert_eq!((ring.line(), device.tail()), (IRQ, 0));
    }

    #[test]
    fn printing_rings_the_bell() {
        let (device, mut printer, _) = ring();
        printer.print(2, 100).unwrap();
        printer.print(1, 0).unwrap();
        assert_eq!(device.written()[1..], [(PORT_DOORBELL, 2 << 24 | 100)]);
    }

    #[test]
    fn input_comes_in_order_and_then_its_end() {
        let (device, _, mut ring) = ring();
        assert_eq!(ring.poll(), None);
        let text: Vec<u8> = (0..100).collect();
        device.type_in(&text);
        device.end();
        let mut got = Vec::new();
        while let Some(Event::Input(bytes)) = ring.poll() {
            got.extend_from_slice(bytes.as_slice());
        }
        assert_eq!(got, text);
        assert_eq!(ring.poll(), None, "the end was told once, by the loop's last poll");
        assert_eq!(device.tail(), 100);
    }

    #[test]
    fn the_end_comes_once() {
        let (device, _, mut ring) = ring();
        device.end();
        assert_eq!(ring.poll(), Some(Event::End));
        assert_eq!(ring.poll(), None);
    }

    #[test]
    fn the_ring_wraps_and_the_device_hears_of_room() {
        let (device, _, mut ring) = ring();
        let mut sent = 0u32;
        let mut bells = 0;
        for _ in 0..20 {
            let part: Vec<u8> = (0..1500).map(|i| (sent + i) as u8).collect();
            device.type_in(&part);
            let mut at = sent;
            while let Some(Event::Input(bytes)) = ring.poll() {
                for b in bytes.as_slice() {
                    assert_eq!(*b, at as u8);
                    at += 1;
                }
            }
            sent += 1500;
            assert_eq!(at, sent);
            bells = device.written().iter().filter(|w| **w == (PORT_DOORBELL, DOORBELL_RX)).count();
        }
        assert_eq!(bells, 30_000 / 4500, "once in three parts: when 4096 bytes have gone through");
    }

    #[test]
    fn a_full_ring_is_emptied_and_then_told_of() {
        let (device, _, mut ring) = ring();
        device.type_in(&[b'x'; RX_SIZE]);
        let mut got = 0;
        while let Some(Event::Input(bytes)) = ring.poll() {
            got += bytes.as_slice().len();
        }
        assert_eq!(got, RX_SIZE);
        assert_eq!(device.written().last(), Some(&(PORT_DOORBELL, DOORBELL_RX)));
    }

    #[test]
    fn a_device_that_lies_about_its_head() {
        let (device, _, mut ring) = ring();
        device.set_head(u32::MAX);
        for _ in 0..1000 {
            let event = ring.poll();
            assert!(matches!(event, Some(Event::Input(b)) if b.as_slice().len() <= MAX));
        }
    }

    #[test]
    fn a_new_size_is_told_once() {
        let (device, _, mut ring) = ring();
        device.resize(50, 132);
        assert_eq!(ring.poll(), Some(Event::Resize(Size { rows: 50, cols: 132 })));
        assert_eq!(ring.poll(), None);
    }
}
