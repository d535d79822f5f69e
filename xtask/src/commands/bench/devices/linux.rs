//! Disk and network of a stock Linux guest, in the lab: under `ukvmm`, then under QEMU's `microvm`, both with the lab's KVM.
//!
//! The lab has one CPU, whose time stamp counter counts instructions: those of the guest, of KVM, of the VMM and of the host's kernel for it.
//! So the ticks that a load takes are what it costs all together, and the same in every run. A real machine has several CPUs and does part of it
//! at the same time; what is compared here is work. The disk is a file in the lab's memory, and the network's other end a program in the lab:
//! neither waits for anything.

use crate::commands::bench::image;
use crate::commands::bench::ticks::script_in_lab;
use crate::paths;
use crate::setup::{self, BUSYBOX, Kernel};
use ::lab::archive::Archive;
use ::lab::process;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const INIT: &str = include_str!("init.sh");
/// What begins the lines of output that are ours.
const MARK: &str = "load ";
/// Port of the network's other end; `init.sh` has it, too.
const PORT: u16 = 5999;
const DISK_MIB: u32 = 64;
/// Files of QEMU that its `microvm` reads, besides its program and libraries.
const ROMS: [&str; 3] = ["bios-microvm.bin", "linuxboot_dma.bin", "kvmvapic.bin"];
const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const TIMEOUT: Duration = Duration::from_secs(300);
/// Memory of the lab: for QEMU with its libraries, a disk and a guest. Now and then a stock Linux stands still in a lab of one CPU (docs/lab.md, the emulator's
/// third mistake), at the same place in every run; in another lab it does not, and this is what makes it another one.
const LABS_MIB: [u32; 3] = [2304, 2432, 2560];

/// Ticks and how many requests or bytes they were for.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Measured {
    pub count: u64,
    pub ticks: u64,
}

/// What `load` measured, by its names.
pub type Loads = BTreeMap<String, Measured>;

pub struct Linux {
    pub ukvmm: Loads,
    pub qemu: Loads,
}

pub fn measure() -> Result<Linux> {
    let kernel = setup::for_lab()?;
    let folder = image::folder("bench")?;
    let load = image::compile(folder.join("load"), &[image::source("devices/load.c")], &["-O2"])?;
    let initrd = image::write(&root(&kernel, &load)?, folder.join("devices.cpio"))?;
    let ukvmm = paths::absolute(&paths::build())?.join("ukvmm");
    let vmlinuz = paths::absolute(&kernel.lab.image)?;
    let guest = format!("-kernel {} -initrd {}", show(&vmlinuz), show(&initrd));
    let ours =
        format!("{} -{} --memory 256M --disk /tmp/disk --net user", show(&ukvmm), guest.replace(" -", " --"));
    let qemus = format!(
        "{QEMU} -M microvm -accel kvm -cpu host -m 256 -nodefaults -no-user-config -display none -no-reboot -serial stdio {guest} \
         -append 'console=ttyS0 quiet panic=-1 reboot=t' -drive id=d,if=none,format=raw,file=/tmp/disk -device virtio-blk-device,drive=d \
         -netdev user,id=n -device virtio-net-device,netdev=n"
    );
    let files = [load.clone(), initrd, vmlinuz];
    let measured = |what: &str, command: &str, more: Vec<PathBuf>| {
        process::step(&format!("the lab: a Linux guest under {what}"), || {
            let files = [&files[..], &more].concat();
            in_some_lab(&script(&load, command), &files)
        })
    };
    Ok(Linux {
        ukvmm: measured("ukvmm", &ours, vec![ukvmm])?,
        qemu: measured("QEMU", &qemus, qemu_files(Path::new(QEMU))?)?,
    })
}

fn in_some_lab(script: &str, files: &[PathBuf]) -> Result<Loads> {
    let mut last = None;
    for memory in LABS_MIB {
        match script_in_lab(script, files.to_vec(), memory, TIMEOUT).and_then(|text| parse(&text)) {
            Ok(loads) => return Ok(loads),
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("there is no lab")?)
}

fn show(path: &Path) -> String {
    process::quote(&path.display().to_string())
}

/// The lab's part: the disk, the network's other end, and the VMM.
fn script(load: &Path, vmm: &str) -> String {
    let (load, b) = (show(load), "/lab/busybox");
    format!(
        "{b} ip link set lo up\n{b} dd if=/dev/zero of=/tmp/disk bs=1M count={DISK_MIB} 2>/dev/null\n\
         {load} serve {PORT} >/dev/null 2>&1 &\nserver=$!\n{vmm} </dev/null\nstatus=$?\nkill $server\nexit $status\n"
    )
}

/// The lines `load NAME COUNT TICKS`, up to the one that says that all went well.
fn parse(text: &str) -> Result<Loads> {
    let mut loads = Loads::new();
    for line in text.lines().filter_map(|line| line.trim_end().strip_prefix(MARK)) {
        let words: Vec<_> = line.split(' ').collect();
        match words[..] {
            ["end", "0"] => return Ok(loads),
            [name, count, ticks] => {
                let number =
                    |word: &str| word.parse::<u64>().with_context(|| format!("{line:?} is no measurement"));
                loads.insert(name.to_owned(), Measured { count: number(count)?, ticks: number(ticks)? });
            }
            _ => {}
        }
    }
    anyhow::bail!("the guest did not come to its end:\n{text}")
}

/// The guest's root file system.
fn root(kernel: &Kernel, load: &Path) -> Result<Archive> {
    let mut archive = Archive::default();
    for directory in ["/dev", "/proc"] {
        archive.directory(directory, 0o755)?;
    }
    archive.file("/init", 0o755, INIT.into())?;
    archive.file("/bin/busybox", 0o755, image::read(Path::new(BUSYBOX))?)?;
    archive.file("/bin/load", 0o755, image::read(load)?)?;
    let mut order = String::new();
    for module in &kernel.guest_modules {
        let name = module.file_name().and_then(|name| name.to_str()).context("a module's name is no text")?;
        archive.file(&format!("/modules/{name}"), 0o644, image::read(module)?)?;
        order += &format!("{name}\n");
    }
    archive.file("/modules/order", 0o644, order.into())?;
    Ok(archive)
}

/// QEMU at this path, its libraries and ROMs.
pub fn qemu_files(qemu: &Path) -> Result<Vec<PathBuf>> {
    let libraries = process::text(Command::new("ldd").arg(qemu))?;
    let libraries =
        libraries.split_ascii_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    let roms = ROMS.iter().map(|rom| Path::new("/usr/share/qemu").join(rom));
    Ok(libraries.chain(roms).chain([qemu.into()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_found_among_the_guests_words() {
        let text =
            "[ 0.1] boot\r\nload warm-up 64 10\r\nload read-4k-1 512 1000\r\nload end 0\r\nload x 1 1\r\n";
        let loads = parse(text).unwrap();
        assert_eq!(loads.len(), 2);
        assert_eq!(loads["read-4k-1"], Measured { count: 512, ticks: 1000 });
        assert!(parse("load read-4k-1 512 1000\n").is_err(), "without an end");
        assert!(parse("load read-4k-1 512 x\nload end 0\n").is_err());
        assert!(parse("load read-4k-1 512 1\nload end 1\n").is_err());
    }
}
