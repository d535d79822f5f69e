//! `--accel`: where the machine runs: on this host's KVM, or in the lab, where a stock Linux has a KVM on a CPU that QEMU emulates.
//!
//! In the lab, this same `ukvmm` runs with the same command line. Around it there are two more of us: the one that the user has started stays
//! outside, and one inside stands between the ports of the lab and the `ukvmm` that has the guest. They pass on what a
//! program has to do with the world around it: its streams (terminals are terminals there), signals, files that it writes, its end.
//!
//! - [`options`]: the flag
//! - [`choice`]: which of the two it is
//! - [`roles`]: what becomes of each flag in the lab; what is not known to work is refused
//! - [`plan`], [`words`]: from a command line to what the lab is to run
//! - [`place`]: where the lab's parts are on this host
//! - [`outside`], [`inside`]: both ends; [`wire`]: what they say to each other
//! - [`doors`]: what of the world outside is to be reached in the lab, and who comes in; [`relay`]: connections between both ends

pub mod choice;
pub mod doors;
pub mod inside;
pub mod options;
pub mod outside;
pub mod place;
pub mod plan;
pub mod relay;
pub mod roles;
pub mod wire;
pub mod words;

use crate::cli::Run;
use crate::config::ConfigError;
use crate::ending::Status;
use crate::kvm::KvmError;
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
pub enum AccelError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Kvm(#[from] KvmError),
    #[error(
        "--{0} is not known to do in the lab what it says, so it does not go with --accel lab; leave it out, or run on KVM"
    )]
    Refused(String),
    #[error("--accel lab: there is no {program} in PATH; install {package}")]
    NoProgram { program: &'static str, package: &'static str },
    #[error(
        "--accel lab: there is no busybox without shared libraries at {}; install busybox-static",
        paths(tried)
    )]
    NoBusybox { tried: Vec<PathBuf> },
    #[error(
        "--accel lab: there is no kernel for the lab at {}; cargo xtask setup in ukvmm's repository gets one, and UKVMM_LAB names its \
         folder (build/lab there) if it is not where ukvmm looks",
        paths(tried)
    )]
    NoKernel { tried: Vec<PathBuf> },
    #[error("--accel lab: {what}: {source}")]
    Host { what: String, source: io::Error },
    #[error("--accel lab: {0}")]
    Lab(String),
}

impl AccelError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Config(error) => error.status(),
            Self::Kvm(error) => error.status(),
            Self::NoProgram { .. } | Self::NoBusybox { .. } | Self::NoKernel { .. } => exit::NO_KVM,
            Self::Refused(_) | Self::Host { .. } | Self::Lab(_) => exit::VMM,
        }
    }
}

fn paths(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ")
}

/// For `map_err`: a host call that failed and what it was for.
fn host(what: impl Into<String>) -> impl FnOnce(io::Error) -> AccelError {
    move |source| AccelError::Host { what: what.into(), source }
}

/// Runs what `run` says if that is to be in the lab, and says how it ended; `None`: it is for this host's KVM. `words`: the command line that
/// all settings make.
pub fn run(run: &Run, words: &[OsString]) -> Result<Option<Status>, AccelError> {
    match choice::is_for_lab(run)? {
        true => outside::run(&plan::plan(run, words)?).map(Some),
        false => Ok(None),
    }
}
