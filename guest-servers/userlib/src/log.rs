//! The machine's log: `log!("found {n} ports")` prints a line.
//!
//! Lines go to root, 48 bytes a message, which marks them with the server's name. σ0 and root themselves
//! write to the debug port ([`use_debug_port`]): σ0 must not talk to root, which may be waiting for it.

use crate::io::Port;
use crate::ipc;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};
use proto::root::Request;
use proto::text::{Bytes, MAX};
use ukernel_abi::ThreadId;

static DEBUG_PORT: AtomicBool = AtomicBool::new(false);

/// Prints a line, formatted as `format!` does.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::log::line(::core::format_args!($($arg)*)) };
}

/// From now on log lines go to the debug port. For servers that have it.
pub fn use_debug_port() {
    DEBUG_PORT.store(true, Ordering::Relaxed);
}

/// Whether [`use_debug_port`] has been called.
pub(crate) fn is_debug_port() -> bool {
    DEBUG_PORT.load(Ordering::Relaxed)
}

/// Prints a line; what `log!` calls.
pub fn line(text: fmt::Arguments) {
    let mut out = Buffer { bytes: [0; MAX], len: 0 };
    // Neither the buffer nor the formatting of our own types fails; a foreign `Display` that does has had its
    // say.
    let _ = out.write_fmt(text);
    let _ = out.write_char('\n');
    out.flush();
}

/// Collects what fits into a message.
struct Buffer {
    bytes: [u8; MAX],
    len: usize,
}

impl Buffer {
    fn flush(&mut self) {
        print(&self.bytes[..self.len]);
        self.len = 0;
    }
}

impl Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.len == MAX {
                self.flush();
            }
            self.bytes[self.len] = byte;
            self.len += 1;
        }
        Ok(())
    }
}

/// Prints bytes, at most [`MAX`], as they are.
pub fn print(bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    if is_debug_port() {
        bytes.iter().for_each(|b| Port(vmm_abi::ports::DEBUG).write_u8(*b));
    } else {
        // If root does not take it there is nobody left to tell.
        let _ = ipc::send(ThreadId::ROOT, &Request::Log(Bytes::split(bytes).0).into(), ipc::NEVER);
    }
}
