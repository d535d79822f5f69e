//! `cargo xtask soak`: random system calls for as long as one likes, beside programs that must not notice.

use super::{build, lab};
use crate::lab::Job;
use crate::paths;
use ::lab::process;
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::ffi::OsString;
use std::process::{Command, ExitCode};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vmm_abi::ports;

#[derive(clap::Args)]
pub struct Args {
    /// System calls to make
    #[arg(long, default_value_t = 10_000_000)]
    calls: u64,
    /// Where the random numbers begin; by the clock, if it is left out. The run says which it was
    #[arg(long)]
    seed: Option<u64>,
    /// Machine to do it on
    #[arg(long, value_enum, default_value_t = Machine::Qemu)]
    on: Machine,
    /// Limit in seconds of real time
    #[arg(long, default_value_t = 7200)]
    timeout: u64,
    /// Number of virtual CPUs
    #[arg(long, default_value_t = 1)]
    cpus: u32,
    #[command(flatten)]
    build: build::BuildArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Machine {
    /// ukvmm on this machine's KVM
    Kvm,
    /// ukvmm on kvm_amd in the lab
    Lab,
    /// QEMU, without ukvmm: the fastest where KVM emulates kernel mode
    Qemu,
}

/// Memory of the guest: the less there is, the sooner it is used up.
const MEMORY_MIB: &str = "64";
const SET: &str = "soak";
/// Status of `ukvmm` and of `timeout` when the time is over.
const TIMED_OUT: u8 = 124;

pub fn soak(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let by_clock = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    let words = [args.seed.unwrap_or_else(by_clock), args.calls].map(|number| number.to_string());
    match args.on {
        Machine::Kvm => {
            let mut command = Command::new(paths::build().join("ukvmm"));
            command.args(ukvmm_words(args, &words)?);
            status(&mut command, |code| code)
        }
        Machine::Lab => in_lab(args, &words),
        Machine::Qemu => status(&mut qemu(args, &words)?, |code| code >> 1),
    }
}

/// The command line of `ukvmm`.
fn ukvmm_words(args: &Args, words: &[String]) -> Result<Vec<OsString>> {
    let kernel = paths::absolute(&paths::build())?.join("guest.elf").into_os_string();
    let (memory, cpus, timeout) = (format!("{MEMORY_MIB}M"), args.cpus.to_string(), args.timeout.to_string());
    let options = ["--servers", SET, "--memory", &memory, "--cpus", &cpus, "--timeout", &timeout, "--"];
    let options = options.into_iter().chain(words.iter().map(String::as_str)).map(OsString::from);
    Ok(["--kernel".into(), kernel].into_iter().chain(options).collect())
}

fn in_lab(args: &Args, words: &[String]) -> Result<ExitCode> {
    let job = Job {
        program: paths::absolute(&paths::build())?.join("ukvmm"),
        args: ukvmm_words(args, words)?,
        files: lab::build_files()?,
        stdin: Vec::new(),
        timeout: Duration::from_secs(args.timeout),
        memory_mib: lab::MEMORY_MIB,
        sockets: vec![],
        plugin: None,
    };
    Ok(ExitCode::from(crate::lab::run(&job, &mut lab::PassOn)?.status))
}

/// QEMU, which ends with the guest's status doubled and one. The log is its standard output.
fn qemu(args: &Args, words: &[String]) -> Result<Command> {
    let build = paths::build();
    let image = build.join("images/bundle-soak-run.img");
    let set = build.join("images/servers").join(SET).with_extension("toml");
    let mut bundle = Command::new(build::bundle()?);
    process::run(bundle.arg(&build).arg(set).arg(&image).args(words))?;
    let mut qemu = Command::new("timeout");
    qemu.arg(args.timeout.to_string()).args(["qemu-system-x86_64", "-machine", "q35", "-accel", "tcg"]);
    qemu.args([
        "-m",
        MEMORY_MIB,
        "-smp",
        &args.cpus.to_string(),
        "-no-reboot",
        "-nodefaults",
        "-display",
        "none",
    ]);
    qemu.arg("-device").arg(format!("isa-debug-exit,iobase={:#x},iosize=4", ports::EXIT));
    if args.cpus == 1 {
        // The clock counts instructions, 8 ns each, and waiting takes no time: a seed says everything that happens.
        qemu.args(["-icount", "shift=3,sleep=off"]);
    }
    qemu.args(["-chardev", "stdio,id=log"]);
    qemu.arg("-device").arg(format!("isa-debugcon,iobase={:#x},chardev=log", ports::DEBUG));
    qemu.arg("-kernel").arg(build.join("guest.elf")).arg("-initrd").arg(image);
    Ok(qemu)
}

/// Runs a command that ends by itself. `meaning` makes the guest's status of the command's; `timeout` has its own.
fn status(command: &mut Command, meaning: fn(u8) -> u8) -> Result<ExitCode> {
    let status = command.status().with_context(|| format!("cannot start {}", process::show(command)))?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    let code = code.with_context(|| format!("{} ended with {status}", process::show(command)))?;
    Ok(ExitCode::from(if code == TIMED_OUT { code } else { meaning(code) }))
}
