//! The guest in plain QEMU, under a debugger's control.
//!
//! QEMU boots the kernel by PVH; so that it measures no clocks and finds what it would find under `ukvmm`, it is given the module
//! that `ukvmm` would add. With `-icount shift=0` the time stamp counter goes up by one with each instruction, and that of this
//! CPU with the guest's alone: there is nothing beneath it. But while the debugger holds the guest, the counter may jump.

use super::gdb::{Gdb, RBX};
use super::symbols::Program;
use crate::paths;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use vmm_abi::boot::{BootInfo, INFO_MAGIC, INFO_MODULE};
use vmm_abi::ports;

/// Limit in seconds for all that is done with one machine.
const LIMIT: &str = "240";
/// How long QEMU may take to listen.
const START: Duration = Duration::from_secs(10);
/// The guest's log, in the bench's folder.
const LOG: &str = "guest.log";
/// Memory that neither QEMU's firmware nor the kernel uses at the kernel's entry.
const SPARE: u64 = 0x8_0000;
/// Physical address of what is linked at it.
pub const KERNEL_BASE: u64 = 0xffff_ffff_8000_0000;
/// Ticks of a second are instructions are nanoseconds.
const TSC_KHZ: u64 = 1_000_000;

/// A running QEMU. It ends with this.
pub struct Machine {
    child: Child,
    pub gdb: Gdb,
    /// The guest's log.
    log: PathBuf,
}

impl Machine {
    /// Boots the server set `bench` and stops at the kernel's first instruction.
    pub fn start(kernel: &Program) -> Result<Self> {
        let build = paths::absolute(&paths::build())?;
        let folder = build.join("bench");
        fs::create_dir_all(&folder)?;
        drop(fs::remove_file(folder.join(LOG)));
        let socket = folder.join(format!("gdb-{}", std::process::id()));
        drop(fs::remove_file(&socket));
        let log = fs::File::create(folder.join("qemu.log"))?;
        let mut child = command(&build, &socket).stderr(log).spawn().context("cannot start QEMU")?;
        let stream = connect(&mut child, &socket);
        drop(fs::remove_file(&socket));
        let stopped = stream.and_then(|stream| {
            let mut gdb = Gdb::new(stream)?;
            go_to(&mut gdb, kernel.address("start32")? - KERNEL_BASE)?;
            add_boot_info(&mut gdb)?;
            Ok(gdb)
        });
        match stopped {
            Ok(gdb) => Ok(Self { child, gdb, log: folder.join(LOG) }),
            Err(error) => {
                end(&mut child);
                Err(error)
            }
        }
    }

    /// Lets the guest run to its end. Its log.
    pub fn finish(mut self) -> Result<String> {
        self.gdb.run_out()?;
        Ok(String::from_utf8_lossy(&fs::read(&self.log)?).into_owned())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// `timeout` passes its SIGTERM on to QEMU, which SIGKILL would not reach.
fn end(child: &mut Child) {
    lab::process::succeeds(Command::new("sh").args(["-c", &format!("kill {}", child.id())]));
    // It may have ended by itself.
    let _ = child.wait();
}

fn command(build: &Path, socket: &Path) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--foreground", "--kill-after", "5", LIMIT, "qemu-system-x86_64", "-S"]);
    command.arg("-gdb").arg(format!("unix:{},server=on,wait=off", socket.display()));
    command.args(["-machine", "q35", "-accel", "tcg", "-cpu", "EPYC", "-smp", "1", "-m", "256"]);
    command.args(["-icount", "shift=0", "-rtc", "base=2020-01-01,clock=vm", "-seed", "1"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.args(["-chardev", "null,id=nothing", "-serial", "chardev:nothing"]);
    command
        .arg("-chardev")
        .arg(format!("file,id=log,path={}", build.join("bench").join(LOG).display()))
        .args(["-device", &format!("isa-debugcon,iobase={:#x},chardev=log", ports::DEBUG)])
        .args(["-device", &format!("isa-debug-exit,iobase={:#x},iosize=4", ports::EXIT)]);
    command.arg("-kernel").arg(build.join("guest.elf"));
    command.arg("-initrd").arg(build.join("images/bundle-bench.img"));
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn connect(child: &mut Child, socket: &Path) -> Result<UnixStream> {
    let begin = Instant::now();
    while begin.elapsed() < START {
        if let Ok(stream) = UnixStream::connect(socket) {
            return Ok(stream);
        }
        if let Some(status) = child.try_wait()? {
            bail!("QEMU ended with {status}; see {}/bench/qemu.log", paths::build().display());
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    bail!("QEMU does not listen to a debugger")
}

fn go_to(gdb: &mut Gdb, address: u64) -> Result<()> {
    gdb.set_breakpoint(address)?;
    let registers = gdb.go()?;
    gdb.remove_breakpoint(address)?;
    ensure!(registers.rip == address, "the guest stopped at {:#x} and not at {address:#x}", registers.rip);
    Ok(())
}

/// Adds `ukvmm`'s module to the boot information at rbx: Xen's `hvm_start_info`, whose word at 12 is the number of modules and at 16 the
/// address of their list: four words for each, which are address, size, command line and nothing.
fn add_boot_info(gdb: &mut Gdb) -> Result<()> {
    const COUNT: u64 = 12;
    const LIST: u64 = 16;
    const ENTRY: usize = 32;
    let start = gdb.registers()?.general[RBX] & 0xffff_ffff;
    let count = u32::from_le_bytes(array(gdb.read(start + COUNT, 4)?)?);
    let list = u64::from_le_bytes(array(gdb.read(start + LIST, 8)?)?);
    let info =
        BootInfo { magic: INFO_MAGIC, tsc_khz: TSC_KHZ, apic_tick_ns: 1, cpus: 1, ..BootInfo::default() };
    let (info_at, name_at, list_at) = (SPARE, SPARE + 0x100, SPARE + 0x200);
    gdb.write(info_at, &info.to_bytes())?;
    gdb.write(name_at, format!("{INFO_MODULE}\0").as_bytes())?;
    let mut entries = gdb.read(list, count as usize * ENTRY)?;
    for word in [info_at, BootInfo::SIZE as u64, name_at, 0] {
        entries.extend(word.to_le_bytes());
    }
    gdb.write(list_at, &entries)?;
    gdb.write(start + COUNT, &(count + 1).to_le_bytes())?;
    gdb.write(start + LIST, &list_at.to_le_bytes())
}

fn array<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N]> {
    bytes.try_into().ok().context("QEMU sent too few bytes")
}
