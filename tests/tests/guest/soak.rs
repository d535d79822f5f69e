//! Random system calls of a program, beside others that must not notice: the server set `soak`.
//!
//! In QEMU, whose clock counts instructions, a seed says everything that happens, and calls are many and cheap. On a KVM that emulates
//! the kernel they are few, but take other ways.

use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::qemu::{Qemu, exit_status};
use libtest_mimic::Trial;
use std::sync::Arc;
use std::time::Duration;

const SEED: &str = "1";
/// Memory of the guest: the less there is, the sooner it is used up.
const MEMORY_MIB: u32 = 64;
const CALLS: &str = "100000";
const CALLS_ON_KVM: &str = "2000";
const CALLS_IN_LAB: &str = "5000";
/// With two CPUs, which run at once and in real time, victims rest in real time, too.
const CALLS_SMP: &str = "10000";
const CALLS_SMP_ON_KVM: &str = "500";
const LIMIT: Duration = Duration::from_secs(90);
const QEMU_LIMIT: Duration = Duration::from_secs(180);

fn boot(context: &Context, cpus: &str, calls: &str) -> Result<Boot, String> {
    let (kernel, memory) = (context.build.kernel()?, format!("{MEMORY_MIB}M"));
    let words =
        ["--kernel", &kernel.to_string_lossy(), "--servers", "soak", "--memory", &memory, "--cpus", cpus];
    Ok(Boot::words(&context.build, &words)?.timeout(LIMIT).program(&[SEED, calls]))
}

/// The guest has ended well and says so itself.
fn check(outcome: &Outcome, end: End) -> Result<(), String> {
    let log = String::from_utf8_lossy(&outcome.stderr);
    let passed = log.lines().any(|line| line.contains("soak: passed"));
    if passed && outcome.end == end { Ok(()) } else { Err(compare::describe(outcome)) }
}

fn in_qemu(context: &Context, cpus: u32, calls: &str, options: &[&str]) -> Result<(), String> {
    let words = [SEED, calls];
    let qemu = Qemu { machine: "q35", memory_mib: MEMORY_MIB, cpus, set: "soak", words: &words, options };
    check(&qemu.run(&context.build, &format!("soak-{cpus}"), QEMU_LIMIT)?, exit_status(0))
}

fn on_this_machine(context: &Context, cpus: &str, calls: &str) -> Result<(), String> {
    check(&boot(context, cpus, calls)?.run_kvm(b"", LIMIT)?, End::Exited(0))
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("qemu::soak".to_owned(), context, |context| in_qemu(context, 1, CALLS, Qemu::REPEATABLE)),
        plain("qemu::soak-smp".to_owned(), context, |context| in_qemu(context, 2, CALLS_SMP, &[])),
        on_kvm("soak", context, |context| on_this_machine(context, "1", CALLS_ON_KVM)),
        on_kvm("soak-smp", context, |context| on_this_machine(context, "2", CALLS_SMP_ON_KVM)),
        plain("lab::soak".to_owned(), context, |context| {
            check(&boot(context, "1", CALLS_IN_LAB)?.run_lab(b"", LAB_LIMIT)?, End::Exited(0))
        }),
    ]
}
