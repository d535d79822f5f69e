//! What a core says of itself in words: a note in TOML, so that a person can read it as well (`strings CORE`).
//!
//! ```toml
//! ukvmm = "0.1.0"                  # who wrote it
//! status = 121                     # the exit status
//! message = "triple fault: …"
//! vcpus = 1
//! culprit = 0                      # the vCPU that died first, as far as one did
//!
//! [kernel]
//! name = "guest.elf"
//! path = "/…/build/guest.elf"
//! size = 753624
//! sha256 = "…"
//!
//! [[server]]                       # the ELFs of a server set, likewise
//!
//! [[ram]]                          # where the guest's memory is in the file
//! start = 0
//! length = 268435456
//! offset = 8192
//! ```

use crate::loader::file::{FileError, Input};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub ukvmm: String,
    pub status: u8,
    pub message: String,
    pub vcpus: usize,
    pub culprit: Option<usize>,
    pub kernel: Program,
    #[serde(rename = "server", default)]
    pub servers: Vec<Program>,
    #[serde(default)]
    pub ram: Vec<Range>,
}

/// A range of the guest's RAM.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// Guest-physical, in bytes, like the others.
    pub start: u64,
    pub length: u64,
    /// In the core.
    pub offset: u64,
}

/// An ELF file that was part of the guest, and what tells it from other builds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Program {
    pub name: String,
    /// Absolute, as far as could be told.
    pub path: PathBuf,
    pub size: u64,
    pub sha256: String,
}

impl Program {
    /// The file that is open as `input`, which need not be what is at its path later.
    pub fn of(name: &str, input: &Input) -> Result<Self, FileError> {
        let failed = |source| FileError::Unreadable { what: name.into(), path: input.path.clone(), source };
        let path = std::path::absolute(&input.path).unwrap_or_else(|_| input.path.clone());
        // TOML is text, which a path need not be.
        let path = path.to_string_lossy().into_owned().into();
        Ok(Self { name: name.into(), path, size: input.size, sha256: input.sha256().map_err(failed)?.into() })
    }

    /// Whether `input` is the same build.
    pub fn is(&self, input: &Input) -> bool {
        input.size == self.size && input.sha256().is_ok_and(|hash| hash == self.sha256)
    }

    pub fn file_name(&self) -> &Path {
        self.path.file_name().map_or(Path::new(""), Path::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::file;

    #[test]
    fn a_build_is_known_by_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let open = |name: &str, content: &str| {
            std::fs::write(dir.path().join(name), content).unwrap();
            file::open("kernel", &dir.path().join(name), "").unwrap()
        };
        let program = Program::of("k", &open("k", "abc")).unwrap();
        // FIPS 180-2, B.1.
        assert_eq!(program.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(program.file_name(), "k");
        assert!(program.is(&open("elsewhere", "abc")));
        assert!(!program.is(&open("other", "abd")));
    }

    #[test]
    fn what_is_written_is_read() {
        let program = Program { name: "k".into(), path: "/k".into(), size: 1, sha256: "00".into() };
        let manifest = Manifest {
            ukvmm: "1".into(),
            status: 121,
            message: "a \"message\"\n".into(),
            vcpus: 2,
            culprit: Some(1),
            kernel: program.clone(),
            servers: vec![program],
            ram: vec![Range { start: 0, length: 1 << 38, offset: 4096 }],
        };
        let text = toml::to_string(&manifest).unwrap();
        assert_eq!(toml::from_str::<Manifest>(&text).unwrap(), manifest);
    }
}
