//! What kind of end a run came to: one word for programs that read the manifest, and for names of crash folders.

use serde::{Serialize, Serializer};
use vmm_abi::exit;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The guest ended by itself, with whatever status.
    Exited,
    /// The guest's kernel panicked.
    Panic,
    TripleFault,
    /// KVM or the CPU could not go on with the guest.
    InternalError,
    /// `--timeout`.
    Timeout,
    /// `--boot-timeout`.
    BootTimeout,
    /// The user pressed Ctrl-A x, or somebody stopped the machine from outside.
    Quit,
    /// We got a signal.
    Signal,
    /// The command line, or a file that it names, is no good.
    ConfigError,
    NoKvm,
    /// An error of `ukvmm` or its host.
    VmmError,
    /// `ukvmm` itself panicked.
    VmmPanic,
}

impl Kind {
    /// The kind that an exit status of ours stands for, unless more is known.
    pub fn of(status: u8) -> Self {
        match status {
            exit::KERNEL_PANIC => Self::Panic,
            exit::RESET => Self::TripleFault,
            exit::TIMEOUT => Self::Timeout,
            exit::VMM => Self::VmmError,
            exit::NO_KVM => Self::NoKvm,
            exit::NOT_FOUND => Self::ConfigError,
            _ => Self::Exited,
        }
    }

    /// Whether this is a death, or nothing came of the run at all: what evidence is kept of.
    pub fn is_death(self) -> bool {
        !matches!(self, Self::Exited | Self::Quit | Self::Signal)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Exited => "exited",
            Self::Panic => "panic",
            Self::TripleFault => "triple-fault",
            Self::InternalError => "internal-error",
            Self::Timeout => "timeout",
            Self::BootTimeout => "boot-timeout",
            Self::Quit => "quit",
            Self::Signal => "signal",
            Self::ConfigError => "config-error",
            Self::NoKvm => "no-kvm",
            Self::VmmError => "vmm-error",
            Self::VmmPanic => "vmm-panic",
        }
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
