//! The host side: runs a guest on KVM.
//!
//! The way of a run: [`cli`] → [`config`] (files found and opened) → [`machine`], which makes [`memory`] and [`vm`], has
//! the [`loader`] fill it, starts the vCPU ([`vcpu`]) and serves what comes from outside ([`events`]) until the guest
//! ends → [`ending`] (message and exit status).
//!
//! - [`cli`], [`settings`], [`config`], [`set`], [`size`], [`options`]: what the user asks for
//! - [`accel`]: where the machine runs: on this host's KVM, or in the lab
//! - [`kvm`], [`vm`], [`memory`], [`slots`], [`guest`], [`loader`], [`acpi`], [`vcpu`], `xcr0`: the machine
//! - [`board`], [`virtio`], [`disk`], [`console`], [`net`], [`share`], [`vsock`], [`socket`]: its devices
//! - [`events`], [`output`], [`terminal`]: the world around it
//! - [`debug`]: what a debugger sees and does; [`gdb`]: how GDB says it
//! - [`inspect`], [`monitor`]: what the guest's kernel says about it, in structures and in words; [`report`]: what its servers say
//! - [`profile`]: what a machine did when, and how long it took; [`live`]: what it does just now; [`trace`]: what caches make of a trace of memory accesses
//! - [`control`]: what other programs ask of a machine and tell it
//! - [`jail`]: what threads may do once the machine is set up
//! - [`core`]: what is left of a guest that has died
//! - [`ending`], [`symbols`], [`log`], [`error`]: what the user is told
//! - [`evidence`]: what a run leaves behind; [`manifest`]: what was run, and how it ended; [`junit`]: what its tests came to
//! - [`doctor`]: what this host can do; [`rehearsal`]: what a run would be; [`installed`]: where the guest is; [`manual`]: completions and pages of the manual

pub mod accel;
pub mod acpi;
pub mod board;
pub mod cli;
pub mod config;
pub mod console;
pub mod control;
pub mod core;
pub mod debug;
pub mod disk;
pub mod doctor;
pub mod ending;
pub mod error;
pub mod events;
pub mod evidence;
pub mod gdb;
pub mod guest;
pub mod inspect;
pub mod installed;
pub mod jail;
pub mod junit;
pub mod kvm;
pub mod live;
pub mod loader;
pub mod log;
pub mod machine;
pub mod manifest;
pub mod manual;
pub mod memory;
pub mod monitor;
pub mod net;
pub mod options;
pub mod output;
pub mod profile;
pub mod rehearsal;
pub mod report;
pub mod set;
pub mod settings;
pub mod share;
mod similar;
pub mod size;
pub mod slots;
pub mod socket;
pub mod symbols;
pub mod terminal;
pub mod trace;
pub mod vcpu;
pub mod virtio;
pub mod vm;
pub mod vsock;
mod xcr0;

#[cfg(test)]
#[path = "../tests/common/elf.rs"]
mod tiny_elf;
