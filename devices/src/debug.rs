//! The debug port: the kernel's log, a byte at a time (as Bochs' and QEMU's port 0xe9).
//!
//! Bytes are gathered into lines, so that a line costs the host one write and is not torn by other output.

use crate::bus::{Effect, PortDevice};
use vmm_abi::ports::DEBUG_PRESENT;

/// A line is handed on at this length even if it has not ended.
const LINE_MAX: usize = 1024;

/// The device. `sink` gets each line, with its newline if it has one.
pub struct DebugPort<F: FnMut(&[u8]) + Send> {
    line: Vec<u8>,
    sink: F,
}

impl<F: FnMut(&[u8]) + Send> DebugPort<F> {
    pub fn new(sink: F) -> Self {
        Self { line: Vec::new(), sink }
    }

    /// Hands on what there is of the last line.
    pub fn flush(&mut self) {
        if !self.line.is_empty() {
            (self.sink)(&self.line);
            self.line.clear();
        }
    }
}

impl<F: FnMut(&[u8]) + Send> PortDevice for DebugPort<F> {
    fn read(&mut self, _offset: u16, data: &mut [u8]) {
        data.fill(DEBUG_PRESENT);
    }

    fn write(&mut self, _offset: u16, data: &[u8]) -> Effect {
        for &byte in data {
            self.line.push(byte);
            if byte == b'\n' || self.line.len() >= LINE_MAX {
                self.flush();
            }
        }
        Effect::None
    }
}

impl<F: FnMut(&[u8]) + Send> Drop for DebugPort<F> {
    fn drop(&mut self) {
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn bytes_come_out_as_lines() {
        let lines = Arc::new(Mutex::new(Vec::<Vec<u8>>::new()));
        let sink = lines.clone();
        let mut port = DebugPort::new(move |line: &[u8]| sink.lock().unwrap().push(line.to_vec()));
        for byte in b"one\ntwo" {
            let _ = port.write(0, &[*byte]);
        }
        assert_eq!(*lines.lock().unwrap(), [b"one\n"]);
        let _ = port.write(0, b" 2\n\nthree");
        drop(port);
        let expected: [&[u8]; 4] = [b"one\n", b"two 2\n", b"\n", b"three"];
        assert_eq!(*lines.lock().unwrap(), expected);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let mut sizes = Vec::new();
        let mut port = DebugPort::new(|line: &[u8]| sizes.push(line.len()));
        let _ = port.write(0, &[b'x'; 2 * LINE_MAX + 1]);
        drop(port);
        assert_eq!(sizes, [LINE_MAX, LINE_MAX, 1]);
    }

    #[test]
    fn it_says_that_it_is_there() {
        let mut data = [0];
        DebugPort::new(|_: &[u8]| {}).read(0, &mut data);
        assert_eq!(data, [DEBUG_PRESENT]);
    }
}
