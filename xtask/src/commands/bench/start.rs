//! `cargo xtask bench start`: what it takes to start a machine, beside QEMU.
//!
//! The guest is the same everywhere, a handful of instructions that write a byte to the UART; a start ends when the byte has come.
//!
//! - [`host`]: on this machine's KVM: time, processor time and memory
//! - [`lab`]: in the lab: instructions
//! - [`part`]: the page's part

mod host;
mod lab;
mod part;

use super::document::{self, Part};
use super::image;
use crate::commands::build;
use crate::paths;
use ::lab::process;
use anyhow::Result;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
}

pub fn start(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let guests = Guests::make()?;
    let host = host::measure(&guests)?;
    let lab = process::step("the lab: starting ukvmm and QEMU's microvm", || lab::measure(&guests))?;
    let text = part::render(host.as_ref(), &lab);
    println!("{text}");
    document::write(Part::Start, &text)?;
    Ok(ExitCode::SUCCESS)
}

/// What starts a machine.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Vmm {
    Ukvmm,
    /// `ukvmm --no-sandbox`
    Unjailed,
    /// `qemu-system-x86_64 -M microvm`
    Qemu,
}

impl Vmm {
    const ALL: [Self; 3] = [Self::Ukvmm, Self::Unjailed, Self::Qemu];

    /// The command that boots the guest with standard output as its UART.
    fn command(self, guests: &Guests) -> Result<Command> {
        Ok(match self {
            Self::Ukvmm => ukvmm(guests)?,
            Self::Unjailed => {
                let mut command = ukvmm(guests)?;
                command.arg("--no-sandbox");
                command
            }
            Self::Qemu => {
                let mut command = Command::new(QEMU);
                command.args(["-M", "microvm", "-accel", "kvm", "-m", &MEMORY_MIB.to_string()]);
                command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"]);
                command.arg("-kernel").arg(&guests.with_note);
                command
            }
        })
    }
}

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// The guest's memory.
const MEMORY_MIB: u64 = 256;

fn ukvmm(guests: &Guests) -> Result<Command> {
    let mut command = Command::new(paths::absolute(&paths::build())?.join("ukvmm"));
    command.arg("--kernel").arg(&guests.bare).args(["--uart", "--memory", &format!("{MEMORY_MIB}M")]);
    Ok(command)
}

/// The guest, twice. Absolute paths.
struct Guests {
    /// As `ukvmm` takes it.
    bare: PathBuf,
    /// With the note by which QEMU knows where to enter (and `ukvmm` a stock kernel).
    with_note: PathBuf,
}

impl Guests {
    fn make() -> Result<Self> {
        let folder = image::folder("bench")?;
        let bare = ["-nostdlib", "-no-pie", "-Wl,-N,-Ttext=0x200000,--build-id=none,--no-warn-rwx-segments"];
        let make = |name: &str, flags: &[&str]| {
            image::compile(folder.join(name), &[image::source("start/start.S")], &[&bare, flags].concat())
        };
        Ok(Self { bare: make("start", &[])?, with_note: make("start-pvh", &["-DPVH"])? })
    }
}
