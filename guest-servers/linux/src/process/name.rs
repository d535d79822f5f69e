//! What a debugger calls a process: `sh[12]`.

use super::{Process, Thread};
use crate::server::Server;
use core::fmt::Write;

/// The longest: what `comm` can be, and a number.
const MAX: usize = 32;

struct Name {
    bytes: [u8; MAX],
    len: usize,
}

impl Name {
    fn push(&mut self, bytes: &[u8]) {
        for (place, byte) in self.bytes[self.len..].iter_mut().zip(bytes) {
            *place = *byte;
            self.len += 1;
        }
    }
}

impl Write for Name {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

impl Server {
    /// Tells a debugger what runs in the task of `process`, of which `thread` is one. A child that borrows its parent's memory runs in the
    /// parent's task, which keeps its name.
    pub fn tell_name(&self, process: &Process, thread: &Thread) {
        if process.borrows_mm.get() {
            return;
        }
        let mut name = Name { bytes: [0; MAX], len: 0 };
        name.push(process.comm.get().split(|byte| *byte == 0).next().unwrap_or_default());
        // It always has room.
        let _ = write!(name, "[{}]", process.pid);
        self.machine.name_task(thread.l4.get(), &name.bytes[..name.len]);
    }

    /// Tells a debugger that the task of `process` is about to begin with a program, as one that has been forked or by `execve`. The debugger asks for more then
    /// (`crate::report`), so nothing may be half done.
    pub fn tell_start(&self, process: &Process, thread: &Thread) {
        if !process.borrows_mm.get() {
            self.machine.program_starts(thread.l4.get());
        }
    }
}
