//! The same guest, booted by QEMU: the kernel's PVH entry, a bundle of modules, a UART for a console.
//!
//! QEMU emulates the CPU (TCG), so this needs no KVM.

use crate::trials::{Context, plain};
use guest_tests::process::{self, End, Outcome};
use guest_tests::{bundle, compare};
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use vmm_abi::{boot, exit, ports};

/// Machine types, with what makes them have what the guest needs.
const MACHINES: &[(&str, &str)] = &[("q35", "q35"), ("microvm", "microvm,isa-serial=on,rtc=on")];
const LIMIT: Duration = Duration::from_secs(120);

/// Boots the Linux server set with this program. What the program prints on standard output is QEMU's.
fn boot(context: &Context, machine: &str, program: &[&str], name: &str) -> Result<Outcome, String> {
    let build = &context.build;
    let bundle = build.require("images/bundle-linux.img")?;
    let mut modules = std::fs::read(&bundle).map_err(|e| format!("cannot read {}: {e}", bundle.display()))?;
    let argv: String = program.iter().map(|word| format!("{word}\0")).collect();
    bundle::add(&mut modules, boot::ARGV_MODULE, argv.as_bytes())?;
    std::fs::create_dir_all(build.tests()).map_err(|e| e.to_string())?;
    let image = build.tests().join(format!("pvh-{name}.img"));
    std::fs::write(&image, modules).map_err(|e| format!("cannot write {}: {e}", image.display()))?;
    let mut qemu = Command::new("qemu-system-x86_64");
    qemu.args([
        "-machine",
        machine,
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-m",
        "512",
        "-no-reboot",
        "-display",
        "none",
    ]);
    qemu.args(["-nodefaults", "-serial", "stdio"]);
    qemu.arg("-device").arg(format!("isa-debug-exit,iobase={:#x},iosize=4", ports::EXIT));
    qemu.args(["-chardev", "file,id=log,path=/dev/stderr"]);
    qemu.arg("-device").arg(format!("isa-debugcon,iobase={:#x},chardev=log", ports::DEBUG));
    qemu.arg("-kernel").arg(build.kernel()?).arg("-initrd").arg(&image);
    process::run(qemu, b"", LIMIT).map_err(|e| format!("{e}; QEMU is in Debian's package qemu-system-x86"))
}

/// The status that `isa-debug-exit` makes of a value.
fn exit_status(value: u8) -> End {
    End::Exited((i32::from(value) << 1 | 1) & 0xff)
}

fn check(
    context: &Context,
    machine: &str,
    name: &str,
    command: &str,
    output: &str,
    status: u8,
) -> Result<(), String> {
    let outcome = boot(context, machine, &["/bin/busybox", "sh", "-c", command], name)?;
    // A UART is a terminal's line: it may put a carriage return before a newline.
    let stdout = String::from_utf8_lossy(&outcome.stdout).replace("\r\n", "\n");
    if outcome.end == exit_status(status) && stdout == output {
        return Ok(());
    }
    let expected = exit_status(status);
    Err(format!("`{command}`: expected {expected}, stdout {output:?}; found {}", compare::describe(&outcome)))
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, machine) in MACHINES {
        trials.push(plain(format!("qemu::{name}::command"), context, move |context| {
            let command = "echo hello from $(uname -s); exit 7";
            check(context, machine, &format!("{name}-command"), command, "hello from Linux\n", 7)
        }));
        trials.push(plain(format!("qemu::{name}::pipeline"), context, move |context| {
            let command = "seq 1 2000 | sort -r | gzip | gunzip | wc -l; sleep 0.1; exit 0";
            check(context, machine, &format!("{name}-pipeline"), command, "2000\n", 0)
        }));
        trials.push(plain(format!("qemu::{name}::large-status"), context, move |context| {
            check(context, machine, &format!("{name}-status"), "exit 200", "", exit::GUEST_MAX)
        }));
    }
    trials
}
