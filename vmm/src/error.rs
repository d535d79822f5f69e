//! Everything that can keep a guest from running, and the exit status of each.

use crate::ending::Kind;
use crate::evidence::wanted::EvidenceError;
use crate::{accel, config, disk, jail, kvm, loader, memory, profile};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Config(#[from] config::ConfigError),
    #[error(transparent)]
    Accel(#[from] accel::AccelError),
    #[error(transparent)]
    Kvm(#[from] kvm::KvmError),
    #[error(transparent)]
    Memory(#[from] memory::MemoryError),
    #[error(transparent)]
    Load(#[from] loader::LoadError),
    #[error("{what}: {source}")]
    Host { what: &'static str, source: std::io::Error },
    #[error(
        "--virtio-console: {asked} ports with that of the standard streams: a console has {most} at most"
    )]
    TooManyPorts { asked: usize, most: usize },
    #[error("{asked} virtio devices: a machine has {most} at most")]
    TooManyDevices { asked: usize, most: usize },
    #[error("--profile: {0}")]
    Sites(#[from] profile::sites::SitesError),
    #[error(transparent)]
    Disk(#[from] disk::DiskError),
    #[error(transparent)]
    Jail(#[from] jail::JailError),
    #[error("waiting for events failed: {0}")]
    Events(#[from] event_manager::Error),
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    #[error("ukvmm itself panicked, which is a bug: {0}")]
    Panic(String),
}

impl Error {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Config(error) => error.status(),
            Self::Accel(error) => error.status(),
            Self::Load(error) => error.status(),
            Self::Kvm(error) => error.status(),
            Self::Evidence(error) => error.status(),
            Self::Memory(_)
            | Self::Host { .. }
            | Self::Disk(_)
            | Self::Sites(_)
            | Self::Jail(_)
            | Self::Events(_)
            | Self::Panic(_)
            | Self::TooManyDevices { .. }
            | Self::TooManyPorts { .. } => exit::VMM,
        }
    }
}

impl Error {
    /// What kind of end it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Config(_) | Self::Load(_) | Self::Evidence(_) => Kind::ConfigError,
            Self::TooManyPorts { .. } | Self::TooManyDevices { .. } => Kind::ConfigError,
            Self::Panic(_) => Kind::VmmPanic,
            other => Kind::of(other.status()),
        }
    }
}

/// For `map_err`: a host call that failed and what it was for.
pub fn host(what: &'static str) -> impl Fn(std::io::Error) -> Error {
    move |source| Error::Host { what, source }
}
