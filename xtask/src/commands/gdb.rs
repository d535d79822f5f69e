//! `cargo xtask gdb [OPTIONS OF ukvmm] [-- CMD…]`, `cargo xtask gdb --attach [ADDRESS]`

use super::build;
use crate::{gdb, setup};
use anyhow::{Context, Result};
use lab::process;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
    /// Attach to a machine that runs: `ukvmm -s`, or `ukvmm --gdb ADDRESS`
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "tcp:1234", require_equals = true)]
    pub attach: Option<String>,
    /// Options for ukvmm (see `build/ukvmm --help`); a program to run comes behind `--`
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, conflicts_with = "attach")]
    pub ukvmm: Vec<OsString>,
}

/// `rest`: `--` and the program, or nothing for a shell. Returns only if something goes wrong: gdb takes this process's
/// place, so that the terminal and Ctrl-C are its own. It is gdb that starts the machine, and ends it.
pub fn gdb(args: &Args, rest: Option<&[OsString]>) -> Result<ExitCode> {
    setup::for_debugging()?;
    args.build.make()?;
    let mut command = Command::new("gdb");
    command.arg("-q").arg("-x").arg(gdb::loader()).arg("-ex").arg(first_command(args, rest));
    Err(command.exec()).context("cannot start gdb")
}

fn first_command(args: &Args, rest: Option<&[OsString]>) -> String {
    let words: Vec<_> = match &args.attach {
        Some(address) => vec!["l4", "attach", address].into_iter().map(Into::into).collect(),
        None => {
            let given = args.ukvmm.iter().chain(rest.unwrap_or_default());
            ["l4", "run"].map(OsString::from).into_iter().chain(given.cloned()).collect()
        }
    };
    words.iter().map(|word| process::quote(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(attach: Option<&str>, ukvmm: &[&str]) -> Args {
        let ukvmm = ukvmm.iter().map(Into::into).collect();
        Args { build: Default::default(), attach: attach.map(str::to_owned), ukvmm }
    }

    #[test]
    fn gdb_is_told_what_to_start() {
        let args = given(None, &["--cpus", "2"]);
        let rest: Vec<OsString> = ["--", "/bin/sh", "-c", "echo $HOME"].map(Into::into).into();
        assert_eq!(first_command(&args, Some(&rest)), "l4 run --cpus 2 -- /bin/sh -c 'echo $HOME'");
        let args = given(Some("unix:/tmp/a b"), &[]);
        assert_eq!(first_command(&args, None), "l4 attach 'unix:/tmp/a b'");
    }
}
