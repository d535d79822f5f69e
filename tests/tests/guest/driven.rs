//! Server sets that use a driver and say themselves whether all went well, under `ukvmm` and in QEMU.

use crate::trials::Context;
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::qemu::{Qemu, exit_status};
use std::time::Duration;

/// Their memory: a driver and a client are small.
const MEMORY_MIB: u32 = 64;
/// The machine with virtio-mmio devices. Only without ACPI its command line says where they are.
const MICROVM: &str = "microvm,isa-serial=on,rtc=on,acpi=off";
/// They are those of virtio 1.0 and later only if one says so.
const MODERN: [&str; 2] = ["-global", "virtio-mmio.force-legacy=off"];
const LIMIT: Duration = Duration::from_secs(90);
const QEMU_LIMIT: Duration = Duration::from_secs(150);

/// A set and the words behind `--`.
pub struct Run<'a> {
    pub set: &'a str,
    pub words: &'a [&'a str],
}

impl Run<'_> {
    /// In QEMU with these options.
    pub fn in_qemu(&self, context: &Context, options: &[&str]) -> Result<(), String> {
        let options = [&MODERN[..], options].concat();
        let (set, words) = (self.set, self.words);
        let qemu = Qemu { machine: MICROVM, memory_mib: MEMORY_MIB, cpus: 1, set, words, options: &options };
        self.check(&qemu.run(&context.build, set, QEMU_LIMIT)?, exit_status(0))
    }

    /// Under `ukvmm` with these options.
    pub fn on_kvm(&self, context: &Context, options: &[&str]) -> Result<(), String> {
        self.talk_on_kvm(context, options, b"").map(drop)
    }

    /// As [`Run::on_kvm`], with this input; what it printed comes back.
    pub fn talk_on_kvm(&self, context: &Context, options: &[&str], input: &[u8]) -> Result<Outcome, String> {
        let outcome = self.boot(context, options)?.run_kvm(input, LIMIT)?;
        self.check(&outcome, End::Exited(0)).map(|()| outcome)
    }

    /// As [`Run::on_kvm`], in the lab.
    pub fn in_lab(&self, context: &Context, options: &[&str]) -> Result<(), String> {
        self.check(&self.boot(context, options)?.run_lab(b"", LAB_LIMIT)?, End::Exited(0))
    }

    /// By `ukvmm --accel lab`, with what these options name here.
    pub fn by_accel(&self, context: &Context, options: &[&str]) -> Result<(), String> {
        let options = [&["--accel", "lab"], options].concat();
        self.check(&self.boot(context, &options)?.run_kvm(b"", LAB_LIMIT)?, End::Exited(0))
    }

    fn boot(&self, context: &Context, options: &[&str]) -> Result<Boot, String> {
        let (kernel, memory) = (context.build.kernel()?, format!("{MEMORY_MIB}M"));
        let words = ["--kernel", &kernel.to_string_lossy(), "--servers", self.set, "--memory", &memory];
        Ok(Boot::words(&context.build, &words)?.with(options).timeout(LIMIT).program(self.words))
    }

    /// The guest has ended well and says so itself.
    fn check(&self, outcome: &Outcome, end: End) -> Result<(), String> {
        let log = String::from_utf8_lossy(&outcome.stderr);
        let passed = format!("{}: passed", self.set);
        if log.lines().any(|line| line.contains(&passed)) && outcome.end == end {
            Ok(())
        } else {
            Err(compare::describe(outcome))
        }
    }
}
