//! What the server is told beside system calls: messages of the µ-kernel in the name of a program, and of the console.

use ukernel_abi::{Rights, ThreadId};

/// A processor exception of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    pub vector: u64,
    pub code: u64,
    pub ip: u64,
}

/// A page fault of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageFault {
    pub addr: u64,
    pub ip: u64,
    /// What was wanted: one of read, write, execute.
    pub access: Rights,
    /// The processor's error code.
    pub code: u64,
}

/// One thing that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    PageFault {
        thread: ThreadId,
        fault: PageFault,
    },
    Exception {
        thread: ThreadId,
        exception: Exception,
    },
    /// The map items of the last answer to this thread could not all be placed: the µ-kernel is out of memory for it.
    MapFailed {
        thread: ThreadId,
    },
    /// Bytes from the console.
    Input(&'a [u8]),
    /// The console's input has ended.
    InputEnd,
    /// The terminal has a new size.
    Resize {
        rows: u16,
        cols: u16,
    },
    /// What was asked of the disk has ended, and whether it has been done.
    Disk {
        done: bool,
    },
    /// The time that was asked for has come, or may have.
    Tick,
}
