//! `ukvmm gdb-core`: opens a core in gdb.
//!
//! gdb is started in our place and starts us again, to speak its protocol on a pipe (`target extended-remote | ukvmm gdb-core --stdio CORE`). So nothing listens
//! that others could connect to, Ctrl-C and the exit status are gdb's, and an IDE that brings a gdb of its own does the same.

use super::debuggee::Exhibit;
use super::find::{self, NoKernel};
use super::open::{Core, CoreError};
use super::pipe;
use crate::cli::GdbCore;
use crate::inspect::Kernel;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Core(#[from] CoreError),
    #[error(transparent)]
    NoKernel(#[from] NoKernel),
    #[error("core {path}: its memory cannot be mapped: {problem}")]
    Memory { path: String, problem: String },
    #[error("speaking with gdb failed: {0}")]
    Pipe(io::Error),
    #[error("{} cannot be started: {source}; install gdb, or say with the variable GDB which one", .gdb.display())]
    NoGdb { gdb: OsString, source: io::Error },
    #[error("{0:?} has a line break in it, which cannot be told gdb; rename it")]
    Name(OsString),
}

impl Error {
    fn status(&self) -> u8 {
        match self {
            Self::Core(error) => error.status(),
            Self::NoKernel(error) => error.status(),
            Self::NoGdb { .. } => exit::NOT_FOUND,
            Self::Memory { .. } | Self::Pipe(_) | Self::Name(_) => exit::VMM,
        }
    }
}

/// Does it, and returns the exit status; if all goes well, gdb's comes in place of it.
pub fn run(options: &GdbCore) -> u8 {
    match open(options) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{error}");
            error.status()
        }
    }
}

fn open(options: &GdbCore) -> Result<(), Error> {
    let core = Core::open(&options.core)?;
    let kernel = find::kernel(&core, options.kernel.as_deref())?;
    if !options.stdio {
        return start(options, &kernel);
    }
    let programs = find::programs(&core, kernel);
    let kernel = Kernel::find(&core, programs.kernel());
    let ram =
        core.map().map_err(|problem| Error::Memory { path: core.path().display().to_string(), problem })?;
    let mut exhibit = Exhibit::new(&core, &ram, kernel.as_ref(), &programs).map_err(Error::Pipe)?;
    pipe::serve(&mut exhibit, io::stdin(), io::stdout()).map_err(Error::Pipe)
}

/// Becomes gdb.
fn start(options: &GdbCore, kernel: &Path) -> Result<(), Error> {
    let gdb = env::var_os("GDB").filter(|gdb| !gdb.is_empty()).unwrap_or_else(|| "gdb".into());
    let us = env::current_exe().map_err(Error::Pipe)?;
    let words =
        [us.as_os_str(), "gdb-core".as_ref(), "--stdio".as_ref(), "--kernel".as_ref(), kernel.as_os_str()];
    let mut line = OsString::from("target extended-remote |");
    for word in words.into_iter().chain([options.core.as_os_str()]) {
        line.push(" ");
        line.push(quoted(word)?);
    }
    let mut command = Command::new(&gdb);
    command.arg(kernel).arg("-ex").arg(line).args(&options.arguments);
    Err(Error::NoGdb { source: command.exec(), gdb })
}

/// As a shell reads it as one word. gdb passes the line on, but takes it from a line of its own.
fn quoted(word: &OsStr) -> Result<OsString, Error> {
    if word.as_bytes().contains(&b'\n') {
        return Err(Error::Name(word.into()));
    }
    let mut quoted = vec![b'\''];
    for &byte in word.as_bytes() {
        match byte {
            b'\'' => quoted.extend(br"'\''"),
            byte => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    Ok(OsString::from_vec(quoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_reads_a_quoted_word_as_it_was() {
        for word in ["core", "my core", "it's", "$HOME `id` \\ \" ! *", ""] {
            let line = [b"printf %s ", quoted(word.as_ref()).unwrap().as_bytes()].concat();
            let output = Command::new("sh").arg("-c").arg(OsString::from_vec(line)).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
        assert!(quoted("a\nb".as_ref()).is_err());
    }
}
