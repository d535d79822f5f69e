//! The command line.
//!
//! What comes behind the first `--` is another program's and is split off before clap sees it: clap would take the
//! `--` away, and where it stood matters to `ukvmm`.

use crate::commands;
use anyhow::Result;
use clap::{Parser, Subcommand};
use std::ffi::OsString;
use std::process::ExitCode;

/// Builds, runs, tests and measures ukvmm.
#[derive(Parser)]
#[command(bin_name = "cargo xtask", disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up what is missing, build, and run a program (or a shell) on the L4 system
    Run(commands::run::Args),
    /// Set up what is missing, build, and run every test
    Test,
    /// Set up what is missing and build everything into build/
    Build,
    /// Run a command line of ukvmm on kvm_amd, on an emulated CPU that counts instructions
    Lab(commands::lab::Args),
    /// Make random system calls beside programs that must not notice
    Soak(commands::soak::Args),
    /// Run a server set in Bochs, on an emulated CPU with PCID and AVX-512
    Bochs(commands::bochs::Args),
    /// Set up what is missing, build, and run a program (or a shell) on the L4 system under gdb
    Gdb(commands::gdb::Args),
    /// Measure, and write docs/performance.md
    Bench(commands::bench::Args),
    /// Make a book of docs/: build/book/index.html
    Book,
    /// Make a Debian package: build/ukvmm_VERSION_amd64.deb
    Deb(commands::deb::Args),
    /// Install what building, testing and the lab need
    Setup,
    /// Format the sources
    Fmt(commands::fmt::Args),
    /// Run clippy on host and guest
    Lint,
    /// Test the kernel's algorithms with loom and Miri
    Prove,
    /// Count lines of code
    Loc,
    /// Build a root file system (cpio) from a recipe
    Rootfs(commands::rootfs::Args),
}

/// Carries out the command line.
pub fn dispatch() -> Result<ExitCode> {
    let mut words: Vec<OsString> = std::env::args_os().collect();
    let rest = words.iter().position(|word| word == "--").map(|at| words.split_off(at));
    let rest = rest.as_deref();
    match Cli::parse_from(words).command {
        Command::Run(args) => commands::run::run(&args, rest),
        Command::Test => commands::test::test(),
        Command::Build => commands::build::build().map(|()| ExitCode::SUCCESS),
        Command::Lab(args) => commands::lab::lab(args, rest),
        Command::Soak(args) => commands::soak::soak(&args),
        Command::Bochs(args) => commands::bochs::bochs(&args),
        Command::Gdb(args) => commands::gdb::gdb(&args, rest),
        Command::Bench(args) => commands::bench::bench(&args, rest),
        Command::Book => commands::book::book(),
        Command::Deb(args) => commands::deb::deb(&args),
        Command::Setup => commands::setup::setup(),
        Command::Fmt(args) => commands::fmt::fmt(args.check),
        Command::Lint => commands::lint::lint(),
        Command::Prove => commands::prove::prove(),
        Command::Loc => commands::loc::loc(),
        Command::Rootfs(args) => commands::rootfs::rootfs(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_of_ukvmm_are_passed_on() {
        let cli = Cli::try_parse_from(["xtask", "run", "--memory", "64", "-v"]).unwrap();
        let Command::Run(args) = cli.command else { panic!("not `run`") };
        assert_eq!(args.ukvmm, ["--memory", "64", "-v"]);
        let cli = Cli::try_parse_from(["xtask", "lab", "-v", "--exec", "x", "-v", "y"]).unwrap();
        let Command::Lab(args) = cli.command else { panic!("not `lab`") };
        assert!(args.verbose);
        assert_eq!(args.exec, ["x", "-v", "y"]);
    }
}
