//! What becomes of each flag in the lab.
//!
//! A flag that is not listed here is refused: better than to have it do something else than it says.

use super::AccelError;
use crate::cli;
use crate::options::SubOptions;
use clap::parser::ValueSource;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What names nothing outside of the machine, what [`super::plan`] brings along, or what has a door ([`super::doors`]).
const WORKS: [&str; 29] = [
    "kernel",
    "servers",
    "initrd",
    "cmdline",
    "env",
    "program",
    "memory",
    "cpus",
    "timeout",
    "profile",
    "strace",
    "disk",
    "net",
    "share",
    "virtio_console",
    "vsock",
    "rng",
    "uart",
    "verbose",
    "log_format",
    "accel",
    "config",
    "no_sandbox",
    "boot_timeout",
    "gdb",
    "gdb_default",
    "stopped",
    "live",
    "control",
];

/// Files and folders that `ukvmm` writes: they are brought back.
const OUTPUTS: [&str; 4] = ["core", "crash_dir", "manifest", "junit"];

/// Looks at all flags of a command line, and returns the paths that it writes.
pub fn outputs(words: &[OsString]) -> Result<Vec<PathBuf>, AccelError> {
    let command = cli::command();
    let matches = command.clone().try_get_matches_from(words);
    let matches = matches.map_err(|error| AccelError::Lab(error.to_string()))?;
    let mut outputs = Vec::new();
    for id in command.get_arguments().map(|arg| arg.get_id().as_str()) {
        let is_given = matches.value_source(id).is_some_and(|source| source != ValueSource::DefaultValue);
        if !is_given || WORKS.contains(&id) {
            continue;
        }
        match OUTPUTS.contains(&id) {
            true => outputs.extend(matches.get_raw(id).into_iter().flatten().map(|given| path(id, given))),
            false => return Err(AccelError::Refused(id.replace('_', "-"))),
        }
    }
    Ok(outputs)
}

/// What is written to: all that is given, but that a folder for crashes may have items behind it.
fn path(id: &str, given: &OsStr) -> PathBuf {
    let first = |mut items: SubOptions| items.path("a folder").ok();
    let folder = SubOptions::parse("--crash-dir", given).ok().filter(|_| id == "crash_dir").and_then(first);
    folder.unwrap_or_else(|| given.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Result<Vec<PathBuf>, String> {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        outputs(&words).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_known() {
        assert_eq!(of("ukvmm --kernel k --memory 1G --core c -- --net"), Ok(vec!["c".into()]));
        assert_eq!(of("ukvmm --kernel k -v --rng"), Ok(vec![]));
    }

    #[test]
    fn what_is_not_known_to_work_is_refused() {
        let error = of("ukvmm --kernel k --dry-run").unwrap_err();
        assert!(error.starts_with("--dry-run is not known to do in the lab what it says"), "{error}");
    }

    #[test]
    fn every_flag_that_is_listed_is_one() {
        let command = cli::command();
        let is_flag = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
        for id in OUTPUTS.iter().chain(&WORKS) {
            assert!(is_flag(id), "{id}");
        }
    }
}
