//! Asks the Linux server about files (`vmm_abi::report`).

use super::scratch::{AskError, Scratch};
use super::space::Server;
use crate::debug::debuggee::Error;
use std::io;
use vmm_abi::report::{Answer, Entry, Operation, Request};

/// Largest file that is read: gdb wants it as a whole.
const FILE_MAX: usize = 256 << 20;
/// Folders with more entries than this are cut.
const ENTRIES_MAX: usize = 1 << 16;
/// `S_IFMT` and `S_IFREG` (inode(7)).
const KIND: u32 = 0o170000;
const REGULAR: u32 = 0o100000;

/// The Linux server of a machine that stands still.
pub struct Linux<'a> {
    scratch: Scratch<'a>,
    /// Address of its function.
    function: u64,
}

/// Why Linux has no answer.
#[derive(Debug, thiserror::Error)]
pub enum LinuxError {
    #[error("the Linux server {0}")]
    Ask(#[from] AskError),
    #[error("{path}: {}", io::Error::from_raw_os_error(*.error))]
    File { path: String, error: i32 },
    #[error("{path}: larger than {} MiB", FILE_MAX >> 20)]
    TooLarge { path: String },
    #[error("the Linux server gives an answer that makes no sense")]
    Nonsense,
}

impl From<LinuxError> for Error {
    fn from(error: LinuxError) -> Self {
        Self::Other(error.to_string())
    }
}

impl<'a> Linux<'a> {
    pub fn new(server: &Server<'a>, function: u64) -> Result<Self, LinuxError> {
        Ok(Self { scratch: Scratch::new(server)?, function })
    }

    /// The whole content of a regular file, as `process` sees it (0: as the server does).
    pub fn read(&mut self, process: u32, path: &str) -> Result<Vec<u8>, LinuxError> {
        let mut content = Vec::new();
        loop {
            let offset = content.len() as u64;
            let (answer, bytes) = self.ask(Operation::Read, process, offset, path)?;
            content.extend_from_slice(&bytes);
            if bytes.is_empty() || answer.mode & KIND != REGULAR {
                return Ok(content);
            }
            if content.len() > FILE_MAX || answer.size > FILE_MAX as u64 {
                return Err(LinuxError::TooLarge { path: path.into() });
            }
        }
    }

    /// Where a symbolic link leads.
    pub fn link(&mut self, process: u32, path: &str) -> Result<String, LinuxError> {
        let (_, target) = self.ask(Operation::Link, process, 0, path)?;
        Ok(String::from_utf8_lossy(&target).into_owned())
    }

    /// The names in a folder, without `.` and `..`.
    pub fn list(&mut self, process: u32, path: &str) -> Result<Vec<String>, LinuxError> {
        let mut names = Vec::new();
        let mut from = 0;
        loop {
            let (answer, bytes) = self.ask(Operation::List, process, from, path)?;
            let mut rest = &bytes[..];
            while let Some((entry, others)) = Entry::split(rest) {
                if ![&b"."[..], b".."].contains(&entry.name) {
                    names.push(String::from_utf8_lossy(entry.name).into_owned());
                }
                rest = others;
            }
            if answer.next == from || names.len() > ENTRIES_MAX {
                return Ok(names);
            }
            from = answer.next;
        }
    }

    fn ask(
        &mut self,
        operation: Operation,
        process: u32,
        offset: u64,
        path: &str,
    ) -> Result<(Answer, Vec<u8>), LinuxError> {
        let request = Request { operation, process, offset, path: path.as_bytes() };
        let bytes = self.scratch.ask(self.function, &[&request.header(), request.path].concat())?;
        let (answer, bytes) = Answer::decode(&bytes).ok_or(LinuxError::Nonsense)?;
        match answer.error as i32 {
            0 => Ok((answer, bytes.to_vec())),
            error => Err(LinuxError::File { path: path.into(), error }),
        }
    }
}
