//! What fuzzer and victims do beside computing: system calls with any registers, memory at any address.
//!
//! They run the image of the server, but none of its data: their tasks have it read-only. What they write to is
//! their stacks, which the compiler manages, and memory that no Rust object is in.

use core::ptr;
use ukernel_abi::call::Timeouts;
use userlib::gate::{self, Frame};
use userlib::{Status, ThreadId};

/// What shows that the code runs as such a program.
#[derive(Clone, Copy)]
pub struct Program(());

impl Program {
    /// # Safety
    ///
    /// The code runs in a task whose memory may be lost, replaced or overwritten without harm to anybody: that of a fuzzer, or a
    /// victim which calls nothing and touches no address that would do that.
    pub unsafe fn new() -> Self {
        Self(())
    }

    pub fn call(self, frame: &mut Frame, from: u64, timeouts: Timeouts) {
        // SAFETY: the promise of `new`.
        unsafe { gate::call(frame, ThreadId(from), timeouts) };
    }

    pub fn read(self, address: u64) -> u64 {
        // SAFETY: the promise of `new`. What is not mapped is a page fault, which the supervisor answers.
        unsafe { ptr::with_exposed_provenance::<u64>(address as usize).read_volatile() }
    }

    pub fn write(self, address: u64, value: u64) {
        // SAFETY: as in `read`.
        unsafe { ptr::with_exposed_provenance_mut::<u64>(address as usize).write_volatile(value) }
    }

    /// Waits for `us` microseconds; nothing comes from oneself.
    pub fn sleep(self, own: u64, us: u32) -> Status {
        let mut frame = Frame::new(ukernel_abi::Call::Ipc, ThreadId::NIL, [0; 7]);
        self.call(&mut frame, own, Timeouts::new(0, us));
        frame.status()
    }
}
