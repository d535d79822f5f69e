//! Models of the devices that a guest of `ukvmm` has. No KVM here and no file descriptors: memory, output and
//! interrupt lines are parameters, so that every model is tested on its own.
//!
//! - [`bus`]: the I/O ports and memory-mapped registers, and who answers them
//! - [`debug`]: the debug port
//! - [`exit`]: the exit port
//! - [`console`]: the shared-memory console
//! - [`uart`]: the 16550 UART
//! - [`virtio`]: virtio devices
//! - [`rtc`], [`i8042`], [`acpi`]: what a stock kernel expects of a PC: the clock, the reset by the keyboard controller, the
//!   registers for power-off and reset

#![forbid(unsafe_code)]

pub mod acpi;
pub mod bus;
pub mod console;
pub mod debug;
pub mod exit;
pub mod i8042;
pub mod rtc;
pub mod uart;
pub mod virtio;

pub use bus::{Effect, PortBus, PortDevice};
