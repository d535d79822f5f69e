//! Bochs: an emulated CPU that has what QEMU's has not, above all PCID and AVX-512.
//!
//! It starts a machine with the firmware in its ROM and loads nothing by itself. So the ROM holds the kernel and a server set, and
//! instead of a firmware a few instructions that put both in their places and enter the kernel as the PVH boot ABI says ([`rom`]).
//!
//! Bochs checks what a CPU checks: which bits of CR3 and CR4 may be set when, what XRSTOR takes. It does not keep translations longer than it
//! must: it forgets those of other spaces with each load of CR3, whatever bit 63 says. So a translation that should have been
//! forgotten is not found here.

mod rom;

use crate::{paths, setup};
use anyhow::{Context, Result, bail};
use lab::process;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Memory of the machine.
const MEMORY_MIB: u64 = 256;
/// Instructions a second of the machine's clock: so many that what is to be done in a second can be.
const SPEED: u64 = 500_000_000;
/// What the kernel's output begins behind: the debugger shows the first instruction, and goes on.
const BEGIN: &str = "(0) [0x";
/// What `root` says where there is no port to end a machine by.
const END: &str = "it stops here with status ";
const PANIC: &str = "kernel panic: ";
/// Status of `ukvmm` for a kernel panic.
const PANICKED: u8 = 120;

/// Runs a server set to its end on a CPU of Bochs' model `cpu`, passes on what the guest says, and returns its status.
pub fn run(set: &str, cpu: &str, seconds: u64) -> Result<u8> {
    setup::for_bochs()?;
    let build = paths::build();
    let read = |name: &str| fs::read(build.join(name)).with_context(|| format!("cannot read build/{name}"));
    let rom = rom::build(&read("guest.elf")?, &read(&format!("images/bundle-{set}.img"))?, MEMORY_MIB << 20)?;
    let folder = build.join("bochs");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("rom"), &rom)?;
    fs::write(folder.join("configuration"), configuration(&folder, cpu, rom::address(&rom)))?;
    // For the debugger that Debian's Bochs has in it: go on.
    fs::write(folder.join("commands"), "c\n")?;
    let mut command = Command::new("timeout");
    command.args(["--kill-after", "5", &seconds.to_string(), "bochs", "-q", "-f"]);
    command.arg(folder.join("configuration")).arg("-rc").arg(folder.join("commands"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(fs::File::create(folder.join("stderr"))?);
    let mut child = command.spawn().context("cannot start bochs")?;
    let status = follow(&mut child);
    // SIGTERM, which `timeout` passes on; SIGKILL would end `timeout` alone.
    process::succeeds(Command::new("sh").args(["-c", &format!("kill {}", child.id())]));
    child.wait()?;
    match status? {
        Some(status) => Ok(status),
        None => bail!("no end within {seconds} s; {} says more", folder.join("log").display()),
    }
}

/// Bochs' configuration file. There is no screen: the "display" waits for no client.
fn configuration(folder: &Path, cpu: &str, rom: u32) -> String {
    let file = |name: &str| folder.join(name).display().to_string();
    let (log, image) = (file("log"), file("rom"));
    format!(
        "config_interface: textconfig\n\
         display_library: rfb, options=\"timeout=0\"\n\
         cpu: model={cpu}, count=1, ips={SPEED}, reset_on_triple_fault=0\n\
         memory: guest={MEMORY_MIB}, host={MEMORY_MIB}\n\
         romimage: file=\"{image}\", address={rom:#x}\n\
         port_e9_hack: enabled=1\n\
         sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n\
         clock: sync=none, time0=local\n\
         log: \"{log}\"\n\
         panic: action=fatal\n\
         error: action=report\n\
         info: action=report\n"
    )
}

/// Passes on the guest's output. Returns its status, or nothing if Bochs ends before.
fn follow(child: &mut Child) -> Result<Option<u8>> {
    let mut begun = false;
    for line in BufReader::new(child.stdout.take().context("no output")?).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        if begun {
            println!("{line}");
        }
        begun |= line.starts_with(BEGIN);
        if let Some((_, status)) = line.split_once(END) {
            return Ok(Some(status.trim().parse().unwrap_or(u8::MAX)));
        }
        if line.starts_with(PANIC) {
            return Ok(Some(PANICKED));
        }
    }
    Ok(None)
}
