//! What happens when a filter has refused a call: one line on standard error, the terminal is given back, and the process ends with status 125.
//!
//! The kernel does not do the call, but sends SIGSYS to the thread that made it. A handler may do little (signal-safety(7)): no memory is taken and no lock
//! waited for. That a handler of ours decides is no weakness: it can be changed only by `rt_sigaction`, which filters refuse for this
//! signal; where the signal is blocked, the kernel kills the process in its stead; and should the handler itself do what it must not, that is a
//! second SIGSYS in the first, which is the end as well.

use super::Kind;
use crate::terminal;
use std::cell::Cell;
use std::io;
use vmm_abi::{exit, linux};

thread_local! {
    /// What this thread entered the jail as. Without a destructor and known at compile time, so that the handler may look at it.
    static NAME: Cell<&'static str> = const { Cell::new("unknown") };
}

/// The handler will call this thread so.
pub fn name_thread(kind: Kind) {
    NAME.set(kind.name());
}

/// `siginfo_t` of SIGSYS (sigaction(2); Linux, `include/uapi/asm-generic/siginfo.h`).
#[repr(C)]
struct Refused {
    signal: i32,
    error: i32,
    /// SYS_SECCOMP, if it was a filter.
    code: i32,
    _padding: i32,
    address: u64,
    number: i32,
    architecture: u32,
}

const SYS_SECCOMP: i32 = 1;

/// Sees to it that a refused call is told.
pub fn install() -> io::Result<()> {
    // SAFETY: a sigaction is made of integers, a set and an optional function, for all of which zero is valid.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    let handler: extern "C" fn(libc::c_int, *const Refused, *const libc::c_void) -> ! = on_refusal;
    action.sa_sigaction = handler as usize;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
    // SAFETY: the handler has the form that SA_SIGINFO asks for, and calls only what a handler may.
    match unsafe { libc::sigaction(libc::SIGSYS, &action, std::ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

extern "C" fn on_refusal(_: libc::c_int, info: *const Refused, _: *const libc::c_void) -> ! {
    // SAFETY: the kernel hands a handler with SA_SIGINFO the signal's information, which for SIGSYS has this form.
    let refused = unsafe { &*info };
    terminal::restore_if_free();
    let mut line = Line::new();
    line.add(b"ukvmm: error: the jail has stopped the thread ").add(NAME.get().as_bytes());
    if refused.code == SYS_SECCOMP {
        let name = linux::name(refused.number as u64).unwrap_or("one without a name");
        line.add(b", which made the system call ")
            .add(name.as_bytes())
            .add(b" (")
            .number(refused.number as u32);
        line.add(b"). It has no need of that: ukvmm has a bug, or the guest has got the better of it. See docs/jail.md\n");
    } else {
        line.add(b", which got the signal SIGSYS\n");
    }
    line.write();
    // SAFETY: ends the process; no memory is involved.
    unsafe { libc::_exit(exit::VMM.into()) }
}

/// A line of limited length.
struct Line {
    bytes: [u8; 256],
    length: usize,
}

impl Line {
    fn new() -> Self {
        Self { bytes: [0; 256], length: 0 }
    }

    /// Adds what there is room for.
    fn add(&mut self, text: &[u8]) -> &mut Self {
        for (to, from) in self.bytes[self.length..].iter_mut().zip(text) {
            *to = *from;
            self.length += 1;
        }
        self
    }

    fn number(&mut self, number: u32) -> &mut Self {
        if number >= 10 {
            self.number(number / 10);
        }
        self.add(&[b'0' + (number % 10) as u8])
    }

    /// To standard error. Nobody could be told if that fails.
    fn write(&self) {
        // SAFETY: `length` bytes of the array are there to be read.
        unsafe { libc::write(libc::STDERR_FILENO, self.bytes.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_takes_numbers_and_ends_where_there_is_no_room() {
        let mut line = Line::new();
        line.add(b"a ").number(0).add(b" ").number(462);
        assert_eq!(&line.bytes[..line.length], b"a 0 462");
        line.add(&[b'x'; 300]);
        assert_eq!(line.length, 256);
    }
}
