//! `cargo xtask bench start`: what it takes to start a machine, beside QEMU.
//!
//! The guest is the same everywhere, a handful of instructions that write a byte to the UART; a start ends when the byte has come. Another guest says what
//! an exit takes.
//!
//! - [`host`]: starts on this machine's KVM: time, processor time and memory
//! - [`lab`]: starts and exits in the lab: instructions
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
    let guest = Guest::make("start", &[])?;
    let host = host::measure(&guest)?;
    let lab = process::step("the lab: ukvmm and QEMU's microvm", || lab::measure(&guest))?;
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
    fn command(self, guest: &Guest) -> Result<Command> {
        Ok(match self {
            Self::Ukvmm => ukvmm(guest)?,
            Self::Unjailed => {
                let mut command = ukvmm(guest)?;
                command.arg("--no-sandbox");
                command
            }
            Self::Qemu => {
                let mut command = Command::new(QEMU);
                command.args(["-M", "microvm", "-accel", "kvm", "-m", &MEMORY_MIB.to_string()]);
                command.args(["-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio"]);
                command.arg("-kernel").arg(&guest.with_note);
                command
            }
        })
    }
}

const QEMU: &str = "/usr/bin/qemu-system-x86_64";
/// The guest's memory.
const MEMORY_MIB: u64 = 256;

fn ukvmm(guest: &Guest) -> Result<Command> {
    let mut command = Command::new(paths::absolute(&paths::build())?.join("ukvmm"));
    command.arg("--kernel").arg(&guest.bare).args(["--uart", "--memory", &format!("{MEMORY_MIB}M")]);
    Ok(command)
}

/// A guest, twice. Absolute paths.
struct Guest {
    /// As `ukvmm` takes it.
    bare: PathBuf,
    /// With the note by which QEMU knows where to enter (and `ukvmm` a stock kernel).
    with_note: PathBuf,
}

impl Guest {
    fn make(name: &str, flags: &[&str]) -> Result<Self> {
        let folder = image::folder("bench")?;
        let bare = ["-nostdlib", "-no-pie", "-Wl,-N,-Ttext=0x200000,--build-id=none,--no-warn-rwx-segments"];
        let source = |name: &str| image::source(&format!("start/{name}.S"));
        let make = |program: &str, sources: &[PathBuf]| {
            image::compile(folder.join(program), sources, &[&bare, flags].concat())
        };
        Ok(Self {
            bare: make(name, &[source(name)])?,
            with_note: make(&format!("{name}-pvh"), &[source(name), source("pvh")])?,
        })
    }
}
