//! The same guest, booted by QEMU: the kernel's PVH entry, a bundle of modules, a UART for a console.
//!
//! QEMU emulates the CPU (TCG), so this needs no KVM.

use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::process::Outcome;
use guest_tests::qemu::{Qemu, exit_status};
use libtest_mimic::Trial;
use std::sync::Arc;
use std::time::Duration;
use vmm_abi::exit;

/// Machine types, with what makes them have what the guest needs.
const MACHINES: &[(&str, &str)] = &[("q35", "q35"), ("microvm", "microvm,isa-serial=on,rtc=on")];
const LIMIT: Duration = Duration::from_secs(120);

/// Boots the Linux server set with this program. What the program prints on standard output is QEMU's.
fn boot(context: &Context, machine: &str, program: &[&str], name: &str) -> Result<Outcome, String> {
    Qemu { machine, memory_mib: 512, cpus: 1, set: "linux", words: program, options: &[] }.run(
        &context.build,
        name,
        LIMIT,
    )
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
