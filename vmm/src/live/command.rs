//! `ukvmm top`: shows what a machine does.

use crate::cli::Top;
use crate::terminal;
use std::io::{self, BufWriter, IsTerminal, stdout};
use std::process::ExitCode;
use top::find::{self, FindError};
use top::link::Link;
use top::plain::{self, PlainError};
use top::screen::{self, Over, ScreenError};
use vmm_abi::exit;

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Plain(#[from] PlainError),
    #[error(transparent)]
    Screen(#[from] ScreenError),
}

/// Does it, and returns the exit status.
pub fn run(options: &Top) -> ExitCode {
    let status = match show(options) {
        Ok(()) => 0,
        // Who reads has seen enough.
        Err(Error::Plain(PlainError::Write(error))) if error.kind() == io::ErrorKind::BrokenPipe => 0,
        Err(error) => {
            tracing::error!("{error}");
            match error {
                Error::Find(error) if error.is_absence() => exit::NOT_FOUND,
                _ => exit::VMM,
            }
        }
    };
    ExitCode::from(status)
}

fn show(options: &Top) -> Result<(), Error> {
    let mut link: Link = find::machine(options.machine.as_deref())?;
    let windows = if options.once { Some(1) } else { options.batch };
    let ended = if windows.is_some() || !stdout().is_terminal() {
        plain::run(&mut link, windows, &mut BufWriter::new(stdout().lock()))?
    } else {
        match screen::run(link)? {
            Over::Ended(end) => Some(end),
            Over::Quit => None,
            Over::Signal(signal) => {
                terminal::die_of(signal);
                None
            }
        }
    };
    if let Some(end) = ended {
        println!("{}", plain::ending(&end));
    }
    Ok(())
}
