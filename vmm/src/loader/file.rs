//! Opens the files that the user names.
//!
//! They are opened without blocking and must be regular: a FIFO in a kernel's place would otherwise hang us.

use sha2::{Digest, Sha256};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use vmm_abi::exit;

/// A regular file, open for reading.
#[derive(Debug)]
pub struct Input {
    pub path: PathBuf,
    pub file: File,
    pub size: u64,
    hash: OnceLock<String>,
}

impl Input {
    /// SHA-256 of what is in it, in hex. It is read for this, once: whoever asks first waits.
    pub fn sha256(&self) -> io::Result<&str> {
        match self.hash.get() {
            Some(hash) => Ok(hash),
            None => sha256(&self.file).map(|hash| self.hash.get_or_init(|| hash).as_str()),
        }
    }
}

/// SHA-256 of all of `file`, in hex.
pub fn sha256(file: &File) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut at = 0;
    loop {
        match file.read_at(&mut buffer, at)? {
            0 => break,
            read => {
                hash.update(&buffer[..read]);
                at += read as u64;
            }
        }
    }
    Ok(hex(&hash.finalize()))
}

/// SHA-256 of `bytes`, in hex.
pub fn sha256_of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `what` says what the file was to be: "kernel", "server console".
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{what} {} not found{hint}", .path.display())]
    NotFound { what: String, path: PathBuf, hint: &'static str },
    #[error("cannot read {what} {}: {source}", .path.display())]
    Unreadable { what: String, path: PathBuf, source: io::Error },
    #[error("{what} {} is not a regular file", .path.display())]
    NotRegular { what: String, path: PathBuf },
}

impl FileError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::NotFound { .. } => exit::NOT_FOUND,
            Self::Unreadable { .. } | Self::NotRegular { .. } => exit::VMM,
        }
    }
}

/// Opens the file at `path`. `hint` goes after "not found" (it begins with a separator).
pub fn open(what: impl Into<String>, path: &Path, hint: &'static str) -> Result<Input, FileError> {
    let (what, path) = (what.into(), path.to_path_buf());
    let file = match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Err(FileError::NotFound { what, path, hint });
        }
        Err(source) => return Err(FileError::Unreadable { what, path, source }),
    };
    match file.metadata() {
        Ok(meta) if meta.is_file() => Ok(Input { path, file, size: meta.len(), hash: OnceLock::new() }),
        Ok(_) => Err(FileError::NotRegular { what, path }),
        Err(source) => Err(FileError::Unreadable { what, path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_status() {
        let dir = tempfile::tempdir().unwrap();
        let error = open("kernel", &dir.path().join("absent"), "; build it").unwrap_err();
        assert_eq!(error.status(), 127);
        assert!(error.to_string().ends_with("absent not found; build it"), "{error}");
        let error = open("kernel", dir.path(), "").unwrap_err();
        assert_eq!(error.status(), 125);
        assert!(error.to_string().ends_with("is not a regular file"), "{error}");
        let file = dir.path().join("file");
        std::fs::write(&file, "12345").unwrap();
        assert_eq!(open("kernel", &file, "").unwrap().size, 5);
        assert_eq!(open("kernel", &file.join("below"), "").unwrap_err().status(), 127);
    }
}
