//! I/O ports and interrupt lines of the machine.

/// Debug console: a byte written here is a byte of the kernel's log (as Bochs' and QEMU's port 0xe9).
pub const DEBUG: u16 = 0xe9;
/// What [`DEBUG`] reads as when it is there.
pub const DEBUG_PRESENT: u8 = 0xe9;
/// Debug exit: a byte or double word written here ends the machine. `ukvmm` exits with the value's low byte;
/// QEMU's `isa-debug-exit` with `(value << 1) | 1`.
pub const EXIT: u16 = 0xf4;
/// A debugger's: code that it has put into the guest writes a byte here (`out imm8, al`) to hand it the CPU. Without a
/// debugger, nobody listens.
pub const DEBUGGER: u16 = 0xf8;
/// Doorbell of the TSC channel: the number of a ring ([`crate::trace`]). Without a profile, nobody listens.
pub const TRACE: u16 = 0xf9;
/// First of the eight ports of the 16550 UART (COM1), where the machine has one.
pub const UART: u16 = 0x3f8;
/// Interrupt line of the UART.
pub const UART_IRQ: u8 = 4;
/// First of the ports of the keyboard controller (i8042), of which only the reset of the CPU is there.
pub const I8042: u16 = 0x60;
/// Index and data port of the real-time clock and its memory (MC146818).
pub const RTC: u16 = 0x70;
/// First of the three ports that switch the machine off and reset it, as the ACPI tables say: sleep control, sleep status, reset.
pub const ACPI: u16 = 0x600;
