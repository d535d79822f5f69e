//! Exit statuses of `ukvmm`. Those below [`KERNEL_PANIC`] are the guest program's own.

/// Highest status that a guest program's own status can be; larger ones come out as this.
pub const GUEST_MAX: u8 = 119;
/// The guest kernel (or a server that the system cannot do without) panicked.
pub const KERNEL_PANIC: u8 = 120;
/// Triple fault. A reset that a stock kernel asks for by way of its firmware is no accident: 0, or [`KERNEL_PANIC`] after a panic.
pub const RESET: u8 = 121;
/// `--timeout` ran out.
pub const TIMEOUT: u8 = 124;
/// Bad configuration, or an error of `ukvmm` itself.
pub const VMM: u8 = 125;
/// No usable KVM.
pub const NO_KVM: u8 = 126;
/// Kernel, server or server set not found.
pub const NOT_FOUND: u8 = 127;
