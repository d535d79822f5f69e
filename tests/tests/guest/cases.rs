//! Linux programs, each run natively, on this machine's KVM and in the lab.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::batch::Results;
use guest_tests::case::Case;
use guest_tests::guest::Entry;
use guest_tests::{guest, programs};
use libtest_mimic::Trial;
use std::sync::Arc;

const SCRIPT: &[u8] = include_bytes!("../../programs/script.sh");
const TEXT: &[u8] = b"the first line\nthe second\n\nthe last, without an end";
const MEMORY: &str = "takes all of the machine's memory";
const ENOUGH: &str = "makes as many processes as the machine can take";
const EVERY_CALL: &str = "calls everything there is, as root";

fn cases() -> Vec<Case> {
    vec![
        // Ordinary programs: Linux is the judge.
        Case::like_linux("true", &["/bin/busybox", "true"]),
        Case::like_linux("echo", &["/bin/busybox", "printf", "%s|", "a b", "", "*", "ünï", "-n", "'quoted'"]),
        Case::like_linux("status", &["/bin/busybox", "sh", "-c", "exit 111"]),
        Case::like_linux("cat", &["/bin/busybox", "cat"]).stdin(SCRIPT),
        Case::like_linux("sum", &["/bin/busybox", "sha256sum"]).stdin(SCRIPT),
        Case::like_linux("output", &["/bin/busybox", "seq", "1", "100000"]),
        Case::like_linux(
            "script",
            &["/bin/busybox", "sh", "-c", "cd {tests} && exec busybox sh script.sh {tmp}"],
        )
        // It starts many processes, and making one takes a while where the kernel is emulated.
        .seconds(180),
        Case::like_linux(
            "libc",
            &["/bin/busybox", "env", "TEST_A=1", "TEST_B=", "{tests}/libc", "{tmp}", "word", "two words"],
        )
        .stdin(TEXT),
        Case::like_linux("libc-pie", &["{tests}/libc-pie", "{tmp}"]).stdin(TEXT),
        Case::like_linux("libc-dynamic", &["{tests}/libc-dynamic", "{tmp}"]).stdin(TEXT),
        // Without a profile; with one: `profile`.
        Case::like_linux("events", &["{tests}/events"]),
        Case::like_linux("std", &["{tests}/std", "{tmp}", "word", "two words"]).stdin(TEXT),
        // Hostile programs: they judge themselves.
        Case::itself("addresses", &["{tests}/addresses"]),
        Case::itself("arguments", &["{tests}/arguments"]),
        Case::itself("bomb", &["{tests}/bomb"]).guest_only(ENOUGH).seconds(60),
        Case::itself("calls", &["{tests}/calls", "{tmp}"]).guest_only(EVERY_CALL).seconds(240),
        Case::itself("descriptors", &["{tests}/descriptors", "{tmp}"])
            .in_guest(&["5000", "1000"])
            .seconds(60),
        Case::itself("elves", &["{tests}/elves", "{tmp}"]).seconds(60),
        Case::itself("fill", &["{tests}/fill", "{tmp}"]).guest_only(MEMORY).seconds(60),
        Case::itself("forks", &["{tests}/forks"]).guest_only(ENOUGH).seconds(60),
        Case::itself("forks-100", &["{tests}/forks", "100"]),
        Case::itself("l4", &["{tests}/l4"]).seconds(120),
        Case::itself("pointers", &["{tests}/pointers", "{tmp}"]),
        Case::itself("privileged", &["{tests}/privileged"]),
        Case::itself("registers", &["{tests}/registers"]),
        Case::itself("signals", &["{tests}/signals"]).in_guest(&["500"]).seconds(120),
        Case::itself("stack", &["{tests}/stack"]),
        Case::itself("unmap", &["{tests}/unmap"]).seconds(60),
        Case::itself("vectors", &["{tests}/vectors"]).seconds(60),
    ]
}

/// Those that are run through the trampoline, too: what programs do with their registers, and enough of everything else.
const BY_TRAMPOLINE: [&str; 7] = ["libc", "l4", "registers", "script", "signals", "std", "unmap"];
/// Those of them that make so many calls that they are left to the lab: where a KVM emulates guest kernel mode, a call through the trampoline takes
/// twice as long as a forwarded one.
const ONLY_IN_LAB: [&str; 3] = ["script", "signals", "unmap"];

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let cases = cases();
    let mut trials = Vec::new();
    for case in cases.iter().filter(|case| case.not_native.is_none()) {
        let case = case.clone();
        trials.push(plain(format!("native::{}", case.name), context, move |context| {
            programs::compile(&context.build)?;
            case.check_native(&context.build)
        }));
    }
    trials.extend(in_guests(context, "", Entry::Forwarded, &cases));
    let chosen: Vec<_> = cases.into_iter().filter(|case| BY_TRAMPOLINE.contains(&case.name)).collect();
    trials.extend(in_guests(context, "trampoline::", Entry::Trampoline, &chosen));
    trials
}

fn in_guests(context: &Arc<Context>, prefix: &str, entry: Entry, cases: &[Case]) -> Vec<Trial> {
    let selected = |case: &&Case| context.is_selected(&format!("lab::{prefix}{}", case.name));
    let in_lab: Vec<Case> = cases.iter().filter(selected).cloned().collect();
    let lab = Arc::new(Shared::<Results>::new());
    let mut trials = Vec::new();
    for case in cases.iter().cloned() {
        let (on_kvm_case, name) = (case.clone(), format!("{prefix}{}", case.name));
        if entry == Entry::Forwarded || !ONLY_IN_LAB.contains(&case.name) {
            trials.push(on_kvm(&name, context, move |context| {
                guest::check_kvm(&context.build, entry, &on_kvm_case)
            }));
        }
        let (lab, in_lab) = (lab.clone(), in_lab.clone());
        trials.push(plain(format!("lab::{name}"), context, move |context| {
            let results = lab.get(&context.slots, || guest::run_cases_in_lab(&context.build, entry, &in_lab));
            guest::check_in_lab(&context.build, &case, results)
        }));
    }
    trials
}
