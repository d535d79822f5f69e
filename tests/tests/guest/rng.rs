//! The random-number driver, killed while it is used; under `ukvmm` with a profile.

use crate::driven::Run;
use crate::driver_profile::DriverProfile;
use crate::trials::{Context, on_kvm, plain};
use libtest_mimic::Trial;
use std::sync::Arc;

const KILLS: &str = "5";
const RUN: Run<'_> = Run { set: "rngtest", words: &[KILLS] };

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("qemu::rng".to_owned(), context, |context| {
            RUN.in_qemu(context, &["-device", "virtio-rng-device"])
        }),
        on_kvm("rng", context, |context| profiled(|options| RUN.on_kvm(context, options))),
        plain("lab::rng".to_owned(), context, |context| profiled(|options| RUN.in_lab(context, options))),
    ]
}

/// Runs it with the device and a profile.
fn profiled(run: impl FnOnce(&[&str]) -> Result<(), String>) -> Result<(), String> {
    let profile = DriverProfile::new("rngtest", "rng")?;
    run(&["--rng", "--profile", &profile.file()])?;
    profile.check()
}
