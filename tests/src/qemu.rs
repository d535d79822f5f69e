//! The same guest, booted by QEMU: the kernel's PVH entry, a bundle of modules. QEMU emulates the CPU (TCG), so this needs no
//! KVM.

use crate::build::Build;
use crate::bundle;
use crate::process::{self, End, Outcome};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use vmm_abi::{boot, ports};

/// A machine and what it boots.
#[derive(Clone, Copy, Debug)]
pub struct Qemu<'a> {
    /// QEMU's name of the machine, with options.
    pub machine: &'a str,
    pub memory_mib: u32,
    pub cpus: u32,
    /// Server set.
    pub set: &'a str,
    /// What `ukvmm` takes behind `--`.
    pub words: &'a [&'a str],
    /// Further options.
    pub options: &'a [&'a str],
}

impl Qemu<'_> {
    /// Its clock counts instructions, 8 ns each, and waiting takes no time: every run is like every other. For one CPU.
    pub const REPEATABLE: &'static [&'static str] = &["-icount", "shift=3,sleep=off"];

    /// Runs it. Standard output is that of the UART, standard error the guest's log. `name` tells runs at the same time apart.
    pub fn run(&self, build: &Build, name: &str, limit: Duration) -> Result<Outcome, String> {
        self.run_kernel(&build.kernel()?, build, name, limit)
    }

    /// The same with another kernel.
    pub fn run_kernel(
        &self,
        kernel: &Path,
        build: &Build,
        name: &str,
        limit: Duration,
    ) -> Result<Outcome, String> {
        let bundle = build.require(&format!("images/bundle-{}.img", self.set))?;
        let mut modules =
            std::fs::read(&bundle).map_err(|e| format!("cannot read {}: {e}", bundle.display()))?;
        if !self.words.is_empty() {
            let argv: String = self.words.iter().map(|word| format!("{word}\0")).collect();
            bundle::add(&mut modules, boot::ARGV_MODULE, argv.as_bytes())?;
        }
        std::fs::create_dir_all(build.tests()).map_err(|e| e.to_string())?;
        let image = build.tests().join(format!("qemu-{name}.img"));
        std::fs::write(&image, modules).map_err(|e| format!("cannot write {}: {e}", image.display()))?;
        let mut qemu = Command::new("qemu-system-x86_64");
        // Several CPUs run at once, each in a thread of its own.
        let accelerator = if self.cpus == 1 { "tcg" } else { "tcg,thread=multi" };
        qemu.args([
            "-machine",
            self.machine,
            "-accel",
            accelerator,
            "-cpu",
            "max",
            "-no-reboot",
            "-display",
            "none",
        ]);
        qemu.args(["-m", &self.memory_mib.to_string(), "-smp", &self.cpus.to_string()]);
        qemu.args(["-nodefaults", "-serial", "stdio"]).args(self.options);
        qemu.arg("-device").arg(format!("isa-debug-exit,iobase={:#x},iosize=4", ports::EXIT));
        qemu.args(["-chardev", "file,id=log,path=/dev/stderr"]);
        qemu.arg("-device").arg(format!("isa-debugcon,iobase={:#x},chardev=log", ports::DEBUG));
        qemu.arg("-kernel").arg(kernel).arg("-initrd").arg(&image);
        process::run(qemu, b"", limit)
            .map_err(|e| format!("{e}; QEMU is in Debian's package qemu-system-x86"))
    }
}

/// The status that `isa-debug-exit` makes of the guest's.
pub fn exit_status(value: u8) -> End {
    End::Exited((i32::from(value) << 1 | 1) & 0xff)
}
