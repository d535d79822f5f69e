//! What depends on the machine: x86-64, under any KVM.
//!
//! Some KVMs emulate kernel mode instruction by instruction and know only plain integer instructions there: no SYSRET, no XSAVE, no
//! RDTSCP, no POPCNT, no STAC. On those, SYSCALL does not reach kernel mode either: it arrives as a page fault at the
//! address in LSTAR. One binary runs on both; what differs is found out as it happens.
//!
//! - [`layout`]: the kernel's half of the address space
//! - [`boot`]: from the loader's entry to Rust; the first page tables
//! - [`ap`]: how the other CPUs are started
//! - [`entry`]: into the kernel and out of it
//! - [`fast`]: the SYSCALL entry, and short IPC from there straight to the partner
//! - [`segments`]: GDT, TSS, IDT and the SYSCALL MSRs
//! - [`insn`]: single instructions
//! - [`apic`]: local APIC, its timer, and the I/O APIC
//! - [`features`]: what only a real kernel mode has
//! - [`fpu`]: whose FPU, FS and GS state the registers hold
//! - [`xstate`]: how FPU state is saved
//! - [`clock`]: the TSC
//! - `trace`: what a host may have recorded

pub mod ap;
pub mod apic;
pub mod boot;
pub mod clock;
pub mod entry;
mod fast;
pub mod features;
pub mod fpu;
pub mod insn;
pub mod layout;
pub mod segments;
mod trace;
pub mod xstate;
