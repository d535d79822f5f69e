//! The command `ukvmm`.

use std::process::ExitCode;
use ukvmm::cli::Command;
use ukvmm::config::Config;
use ukvmm::ending::{Ending, Status};
use ukvmm::error::Error;
use ukvmm::settings::{self, Origins, Read};
use ukvmm::{control, core, doctor, jail, live, log, machine, manual, profile, rehearsal, terminal, trace};
use vmm_abi::exit;

fn main() -> ExitCode {
    let Read { cli, origins, warnings } =
        match settings::read(std::env::args_os().collect(), std::env::vars_os()) {
            Ok(read) => read,
            Err(refusal) => {
                refusal.print();
                return ExitCode::from(refusal.status());
            }
        };
    log::init(&cli.log);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let default_hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        terminal::restore();
        match jail::is_armed() {
            // A backtrace reads files, which the jail would not let it.
            true => eprintln!("\n{info}"),
            false => default_hook(info),
        }
    }));
    match cli.command {
        Some(Command::Doctor) => return ExitCode::from(doctor::run()),
        Some(Command::GdbCore(options)) => return ExitCode::from(core::command::run(&options)),
        Some(Command::Report(options)) => return ExitCode::from(profile::command::run(&options)),
        Some(Command::Trace(options)) => return ExitCode::from(trace::run(&options)),
        Some(Command::Top(options)) => return live::command::run(&options),
        Some(Command::Ctl(options)) => return control::client::command::run(&options),
        Some(Command::Completions(options)) => {
            return ExitCode::from(manual::completions::run(options.shell));
        }
        Some(Command::Man(options)) => return ExitCode::from(manual::page::run(&options)),
        None => {}
    }
    let dry_run = cli.run.dry_run;
    let config = Config::new(cli.run).map_err(Error::from);
    if let Some(form) = dry_run {
        let rehearsed = config.and_then(|config| rehearsal::run(config, form));
        return rehearsed.map_or_else(|error| failed(&error, &origins), |()| ExitCode::SUCCESS);
    }
    let result = config.and_then(machine::run);
    terminal::restore();
    match result {
        Ok(Ending { status, message, registers, core, profile }) => {
            if let Some(message) = message {
                tracing::error!("{message}");
            }
            if let Some(registers) = registers {
                tracing::info!("registers\n{registers}");
            }
            if let Some(core) = core {
                core.report();
            }
            if let Some(profile) = profile {
                profile.report();
            }
            end(status)
        }
        Err(error) => failed(&error, &origins),
    }
}

fn failed(error: &Error, origins: &Origins) -> ExitCode {
    tracing::error!("{}", origins.explain(error));
    ExitCode::from(error.status())
}

fn end(status: Status) -> ExitCode {
    match status {
        Status::Exit(code) => ExitCode::from(code),
        Status::Signal(signal) => {
            terminal::die_of(signal);
            // Only a signal that does not end a process gets here.
            ExitCode::from(exit::VMM)
        }
    }
}
