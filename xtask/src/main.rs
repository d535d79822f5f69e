//! `cargo xtask`: builds, runs, tests and measures ukvmm.
//!
//! - [`commands`]: one file a command
//! - [`setup`]: what a machine lacks, and how it gets it
//! - [`mod@lab`]: a Linux with `kvm_amd` inside an emulated CPU that counts instructions
//! - [`bochs`]: another emulated CPU, for what the lab's has not
//! - [`cargo`]: running cargo
//! - [`gdb`]: what a debugger gets to know
//! - [`rootfs`], [`elf`]: the images of the guest
//! - [`sample`]: the sample project, which is tested as its user would
//! - [`paths`]: where things are

#![forbid(unsafe_code)]

mod bochs;
mod cargo;
mod cli;
mod commands;
mod elf;
mod gdb;
mod lab;
mod paths;
mod rootfs;
mod sample;
mod setup;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::dispatch() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
