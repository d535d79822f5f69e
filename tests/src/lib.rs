//! What the tests that boot guests are made of.
//!
//! A test is a [`case::Case`]: a Linux program, its arguments and input, and where the right answer comes from. Each
//! case becomes three tests: `native::NAME` runs the program on this machine's Linux and so tests the test,
//! `kvm::NAME` runs it under `ukvmm` on this machine's KVM, `lab::NAME` in the lab, on a stock `kvm_amd`.
//!
//! - [`build`]: where `cargo xtask build` left things
//! - [`programs`]: compiles the test programs
//! - [`cpio`]: puts them into the guest's root file system
//! - [`process`]: runs a command with a deadline and collects what it says
//! - [`stream`]: what it says while it runs
//! - [`terminal`]: runs a command on a pseudo-terminal and converses with it
//! - [`case`]: what to run and how to judge it
//! - [`tap`]: the output of programs that judge themselves
//! - [`compare`]: byte-for-byte comparison that says where the difference is
//! - [`guest`]: command lines of `ukvmm`, here and in the lab
//! - [`batch`]: many programs in one go, for where starting a machine is slow
//! - [`peer`]: a server for guests that use the network
//! - [`stock`]: stock Linux kernels as guests
//! - [`profile`]: profiles of runs
//! - [`gdb`]: sessions of GDB with a guest
//! - [`machine`]: a guest in this process, for a test that is its debugger
//! - [`qemu`]: the same guest, booted by QEMU; [`bundle`]: its boot files

#![forbid(unsafe_code)]

pub mod batch;
pub mod build;
pub mod bundle;
pub mod case;
pub mod compare;
pub mod cpio;
pub mod gdb;
pub mod guest;
pub mod machine;
pub mod peer;
pub mod process;
pub mod profile;
pub mod programs;
pub mod qemu;
pub mod stock;
pub mod stream;
pub mod tap;
pub mod terminal;
