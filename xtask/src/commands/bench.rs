//! `cargo xtask bench`: figures, and the pages in `docs/` that show them.
//!
//! - [`boot`]: what it takes to get to a program's first instruction
//! - [`ipc`]: what the kernel's paths take
//! - [`calls`]: what the shortest system calls take
//! - [`start`]: starting a machine, beside QEMU
//! - [`devices`]: disks and networks, beside QEMU
//! - [`debugger`]: what a debugger costs, and what the monitor says
//! - [`paper`]: the paper's measurements, on the L4 system and on a stock Linux kernel; [`compare`]: what has changed between two runs
//! - [`results`]: files of results; [`checksums`]: of which build they are
//! - [`ticks`]: figures from the lab, exact
//! - [`host`]: figures from this machine
//! - [`image`]: programs that measure, and root file systems with them
//! - [`newcomer`]: from nothing to a shell
//! - [`document`], [`page`], [`inset`]: the pages; [`committed`]: counts that are promised

mod boot;
mod calls;
mod checksums;
mod committed;
mod compare;
mod debugger;
mod devices;
mod document;
mod host;
mod image;
mod inset;
mod ipc;
mod newcomer;
mod page;
mod paper;
mod results;
mod start;
mod ticks;

use anyhow::Result;
use clap::Subcommand;
use std::ffi::OsString;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Boot the L4 system; writes docs/performance.md
    Boot,
    /// Count the kernel's instructions, path by path; writes docs/performance.md
    Ipc(ipc::Args),
    /// Count the instructions of the shortest system calls; writes docs/performance.md
    Calls(calls::Args),
    /// Start a machine, with and without ukvmm's jail, and beside QEMU; writes docs/performance.md
    Start(start::Args),
    /// Use a stock guest's disk and network, beside QEMU; writes docs/performance.md
    Devices(devices::Args),
    /// Debug a program; writes docs/performance.md, and what the monitor says into docs/debugging.md
    Debugger(debugger::Args),
    /// Run the paper's measurements on the L4 system and on stock Linux, in the lab; writes docs/paper.md
    Paper(paper::Args),
    /// Trace what memory the paper's measurements touch, or PROGRAM behind `--`, and model caches; writes docs/paper.md
    Cache(paper::cache::Args),
    /// Clone, build and run as somebody who has never done it; writes docs/start.md
    Newcomer(newcomer::Args),
    /// Say what has changed between two files of results; status 1 if a figure has grown
    Compare(compare::Args),
}

/// `rest`: `--` and what follows.
pub fn bench(args: &Args, rest: Option<&[OsString]>) -> Result<ExitCode> {
    match &args.what {
        What::Boot => boot::boot(),
        What::Ipc(args) => ipc::ipc(args),
        What::Calls(args) => calls::calls(args),
        What::Start(args) => start::start(args),
        What::Devices(args) => devices::devices(args),
        What::Debugger(args) => debugger::debugger(args),
        What::Paper(args) => paper::paper(args),
        What::Cache(args) => paper::cache::cache(args, rest),
        What::Newcomer(args) => newcomer::newcomer(args),
        What::Compare(args) => compare::compare(args),
    }
}
