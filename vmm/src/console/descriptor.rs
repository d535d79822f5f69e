//! A port whose other end is a file descriptor that does not block.

use devices::virtio::console::Port;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};

/// The port.
pub struct Descriptor {
    file: File,
    /// There is nothing to be read from it, ever: a file that takes output.
    output_only: bool,
    /// The other end has gone away, for good.
    closed: bool,
}

impl Descriptor {
    /// `file` does not block, unless it is one that never keeps anybody waiting.
    pub fn new(file: File, output_only: bool) -> Self {
        Self { file, output_only, closed: false }
    }

    pub fn file(&self) -> &File {
        &self.file
    }
}

impl Port for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> usize {
        while !self.closed {
            match self.file.write(bytes) {
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "a port of the console cannot be written any more");
                    self.closed = true;
                }
            }
        }
        bytes.len()
    }

    fn read(&mut self, into: &mut [u8]) -> usize {
        while !self.closed && !self.output_only {
            match self.file.read(into) {
                Ok(0) => self.closed = true,
                Ok(count) => return count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(%error, "a port of the console cannot be read any more");
                    self.closed = true;
                }
            }
        }
        0
    }

    fn is_open(&mut self) -> bool {
        !self.closed
    }
}
