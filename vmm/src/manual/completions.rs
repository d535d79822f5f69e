//! `ukvmm completions SHELL`: what a shell has to know to complete a command line.

use crate::cli;
use clap_complete::Shell;
use std::io::Write;
use vmm_abi::exit;

/// Prints it, and returns the exit status.
pub fn run(shell: Shell) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "ukvmm", &mut script);
    match std::io::stdout().write_all(&script) {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("standard output cannot be written: {error}");
            exit::VMM
        }
    }
}
