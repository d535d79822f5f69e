//! A CPU that takes an interrupt between STI and HLT. By the manual none does, but some emulators do, once in ten thousand times
//! (`guest-ukernel/kernel/src/arch/entry.rs`). Here the kernel is changed so that each does: a NOP takes the place behind STI, in which
//! interrupts are kept out.

use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::qemu::{Qemu, exit_status};
use libtest_mimic::Trial;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// STI, HLT, CLI, RET, and room. An interrupt returns to the CLI.
const IDLE: [u8; 9] = [0xfb, 0xf4, 0xfa, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90];
/// JMP to what is behind RET: STI, NOP, HLT, JMP to CLI.
const IDLE_WITH_A_GAP: [u8; IDLE.len()] = [0xeb, 2, 0xfa, 0xc3, 0xfb, 0x90, 0xf4, 0xeb, 0xf9];
const LIMIT: Duration = Duration::from_secs(120);
/// Of files.
const NAME: &str = "idle";

/// Writes the kernel that was changed.
fn kernel_with_a_gap(context: &Context) -> Result<PathBuf, String> {
    let mut kernel = fs::read(context.build.kernel()?).map_err(|e| format!("cannot read the kernel: {e}"))?;
    let found: Vec<usize> =
        kernel.windows(IDLE.len()).enumerate().filter(|(_, code)| *code == IDLE).map(|(at, _)| at).collect();
    let [at] = found[..] else {
        return Err(format!("the kernel waits for interrupts at {} places, not at one", found.len()));
    };
    kernel[at..at + IDLE.len()].copy_from_slice(&IDLE_WITH_A_GAP);
    let path = context.build.tests().join(format!("{NAME}.elf"));
    fs::create_dir_all(context.build.tests())
        .and_then(|()| fs::write(&path, kernel))
        .map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(path)
}

/// Timers that are over when the CPU lets interrupts in: if one sent it to sleep after all, it would never wake.
fn timers(context: &Context) -> Result<(), String> {
    let kernel = kernel_with_a_gap(context)?;
    let (words, options) = (&["ipc/short-timeouts"], Qemu::REPEATABLE);
    let qemu = Qemu { machine: "q35", memory_mib: 256, cpus: 1, set: "conformance", words, options };
    let outcome = qemu.run_kernel(&kernel, &context.build, NAME, LIMIT)?;
    if outcome.end == exit_status(0) { Ok(()) } else { Err(compare::describe(&outcome)) }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![plain("qemu::idle::timers".to_owned(), context, timers)]
}
