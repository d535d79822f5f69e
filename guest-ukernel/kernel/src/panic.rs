//! The kernel's last words.

use core::fmt::Write;
use core::panic::PanicInfo;

use crate::arch::insn;
use crate::kernel::kernel;
use crate::mem::MEM;
use vmm_abi::{exit, ports};

/// The debug console.
pub struct Debug;

impl Write for Debug {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        for byte in s.bytes() {
            insn::outb(ports::DEBUG, byte);
        }
        Ok(())
    }
}

/// A string, without the code that could pad and cut it.
pub struct Plain<'a>(pub &'a str);

impl core::fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.0)
    }
}

#[panic_handler]
fn panic(info: &PanicInfo) -> ! {
    let mut out = Debug;
    // Writing to a port does not fail.
    let _ = writeln!(out, "kernel panic: {}", info.message());
    if let Some(at) = info.location() {
        let _ = writeln!(out, "  at {}:{}", Plain(at.file()), at.line());
    }
    let _ = writeln!(out, "  {} kernel frames free; last events, oldest first:", MEM.frames.free_count());
    kernel().events.for_each(|event, thread, value| {
        let _ = writeln!(out, "    {event:?} {thread:?} {value:#x}");
    });
    insn::outb(ports::EXIT, exit::KERNEL_PANIC);
    insn::halt_forever()
}
