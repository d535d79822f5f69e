//! What becomes of each flag in the lab.
//!
//! A flag that is not listed here is refused: better than to have it do something else than it says.

use super::AccelError;
use crate::cli;
use crate::options::SubOptions;
use clap::parser::ValueSource;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// What names nothing outside of the machine, or what [`super::plan`] brings along.
const WORKS: [&str; 20] = [
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
    "rng",
    "uart",
    "verbose",
    "log_format",
    "accel",
    "config",
    "no_sandbox",
    "boot_timeout",
];

/// Files and folders that `ukvmm` writes: they are brought back.
const OUTPUTS: [&str; 4] = ["core", "crash_dir", "manifest", "junit"];

/// Why others do not work.
const REFUSED: [(&str, &str); 9] = [
    ("net", "the lab has no network"),
    ("share", "the lab's Linux has no 9P; put the files into a disk or a root file system"),
    ("vsock", "nobody outside could connect to it"),
    ("virtio_console", "its other ends are not in the lab"),
    ("gdb", GDB),
    ("gdb_default", GDB),
    ("stopped", GDB),
    ("live", "nobody outside could connect to it"),
    ("control", "nobody outside could connect to it"),
];
const GDB: &str = "GDB cannot come in; `cargo xtask lab --socket` shows how it can";

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
            false => return Err(AccelError::Refused { flag: name(id), why: why(id) }),
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

fn why(id: &str) -> &'static str {
    let known = REFUSED.iter().find(|(refused, _)| *refused == id);
    known.map_or("it is not known to do there what it says", |(_, why)| why)
}

/// As one writes it.
fn name(id: &str) -> String {
    match id {
        "gdb_default" => "gdb (-s)".into(),
        "stopped" => "gdb (-S)".into(),
        id => id.replace('_', "-"),
    }
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
    fn what_cannot_work_is_refused() {
        for (line, message) in [
            ("--net user", "--net does not work with --accel lab: the lab has no network"),
            ("--share tag=a,path=/", "--share does not work with --accel lab: the lab's Linux has no 9P"),
            ("-s", "--gdb (-s) does not work"),
            ("--live", "--live does not work"),
        ] {
            let error = of(&format!("ukvmm --kernel k {line}")).unwrap_err();
            assert!(error.starts_with(message), "{error}");
        }
    }

    #[test]
    fn every_flag_that_is_listed_is_one() {
        let command = cli::command();
        let is_flag = |id: &str| command.get_arguments().any(|arg| arg.get_id() == id);
        for id in REFUSED.iter().map(|(id, _)| id).chain(&OUTPUTS).chain(&WORKS) {
            assert!(is_flag(id), "{id}");
        }
    }
}
