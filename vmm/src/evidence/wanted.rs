//! What is asked for, looked at before anything of it is made: mistakes are found then, by a run and by `--dry-run` in the same words.

use super::crash::{CrashDir, CrashError};
use super::options::{CrashOptions, EvidenceOptions};
use super::prepared::{self, PrepareError, folder_of};
use crate::options::SubOptionError;
use std::path::{Path, PathBuf};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    #[error(transparent)]
    Crash(#[from] CrashError),
    #[error(transparent)]
    Options(#[from] SubOptionError),
}

impl EvidenceError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Prepare(error) => error.status(),
            Self::Crash(_) | Self::Options(_) => exit::VMM,
        }
    }
}

/// What a run would leave behind.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Wanted {
    pub manifest: Option<PathBuf>,
    pub junit: Option<PathBuf>,
    pub crash: Option<CrashOptions>,
}

impl Wanted {
    /// Of what `options` ask for, if it can be had as far as can be seen.
    pub fn look(options: &EvidenceOptions) -> Result<Self, EvidenceError> {
        let crash = options.crash_dir.as_deref().map(CrashOptions::parse).transpose()?;
        let file = |option, path: &Option<PathBuf>| {
            path.as_deref().map(|path| prepared::look(option, path)).transpose()
        };
        let (manifest, junit) = (file("--manifest", &options.manifest)?, file("--junit", &options.junit)?);
        crash.as_ref().map(CrashDir::look).transpose()?;
        Ok(Self { manifest, junit, crash })
    }

    /// Folders in which files would be made, when everything else is closed.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        let files = [&self.manifest, &self.junit].into_iter().flatten().map(|path| folder_of(path));
        files.chain(self.crash.as_ref().map(|crash| crash.folder.as_path()))
    }
}
