//! The random-number driver, killed while it is used.

use crate::driven::Run;
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
        on_kvm("rng", context, |context| RUN.on_kvm(context, &["--rng"])),
        plain("lab::rng".to_owned(), context, |context| RUN.in_lab(context, &["--rng"])),
    ]
}
