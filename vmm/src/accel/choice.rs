//! Whether the lab is wanted, or needed.

use super::AccelError;
use super::options::Accel;
use crate::cli::Run;
use crate::doctor;
use crate::kvm::{self, KvmError};
use crate::loader::file;
use crate::loader::format::Format;
use std::path::Path;

/// Whether `run` is for the lab. That it is, though nobody has asked for it, is told.
pub fn is_for_lab(run: &Run) -> Result<bool, AccelError> {
    match run.accel.accel {
        Accel::Kvm => Ok(false),
        Accel::Lab => Ok(true),
        Accel::Auto => Ok(match usable(run) {
            Ok(()) => false,
            Err(error) => {
                tracing::warn!("{}", announcement(&error));
                true
            }
        }),
    }
}

/// Whether this host's KVM can run it.
fn usable(run: &Run) -> Result<(), KvmError> {
    kvm::create_vm(&kvm::open()?)?;
    if run.kernel.as_deref().is_some_and(|kernel| is_stock(kernel, run)) {
        doctor::check_stock()
    } else {
        Ok(())
    }
}

/// A kernel that cannot be read is for others to complain about.
fn is_stock(kernel: &Path, run: &Run) -> bool {
    let format = file::open("kernel", kernel, "")
        .ok()
        .and_then(|kernel| Format::of(&kernel, run.servers.is_some()).ok());
    format.is_some_and(Format::is_stock)
}

/// The first line of what is wrong: the rest is advice.
fn announcement(error: &KvmError) -> String {
    let text = error.to_string();
    let reason = text.lines().next().unwrap_or_default();
    format!(
        "--accel auto: NO USABLE KVM ({reason}). This run is in the lab, on an emulated CPU: it is slow, and its times and figures mean nothing"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lab_is_announced_with_the_reason_alone() {
        let error = kvm::missing("KVM_CAP_X", "9.9");
        let text = announcement(&error);
        assert!(text.contains("NO USABLE KVM (this KVM is too old: it lacks KVM_CAP_X"), "{text}");
        assert!(text.ends_with("figures mean nothing") && !text.contains('\n'), "{text}");
    }
}
