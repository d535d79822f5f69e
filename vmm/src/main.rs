//! The command `ukvmm`.

use std::process::ExitCode;
use ukvmm::cli::{Command, Run};
use ukvmm::config::{Config, ConfigError};
use ukvmm::ending::{Ending, Status};
use ukvmm::error::Error;
use ukvmm::evidence::Witness;
use ukvmm::settings::{self, Origins, Read};
use ukvmm::{
    accel, control, core, doctor, jail, live, log, machine, manual, profile, rehearsal, terminal, trace,
};
use vmm_abi::exit;

fn main() -> ExitCode {
    if let Some(code) = accel::inside::run() {
        return code;
    }
    let Read { cli, words, origins, warnings } =
        match settings::read(std::env::args_os().collect(), std::env::vars_os()) {
            Ok(read) => read,
            Err(refusal) => {
                refusal.print();
                return ExitCode::from(refusal.status());
            }
        };
    if cli.run.evidence.crash_dir.is_some() {
        log::keep();
    }
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
    if let Some(form) = cli.run.dry_run {
        let rehearsed = rehearsal::run(cli.run, form);
        return rehearsed.map_or_else(|error| failed(&error, &origins), |()| ExitCode::SUCCESS);
    }
    match accel::run(&cli.run, &words) {
        Ok(None) => {}
        Ok(Some(status)) => return end(status),
        Err(error) => return failed(&error.into(), &origins),
    }
    let mut witness = match Witness::new(&cli.run.evidence, &origins) {
        Ok(witness) => witness,
        Err(error) => return failed(&error.into(), &origins),
    };
    let mut result = witness.watch(|witness| run(cli.run, witness));
    terminal::restore();
    match &mut result {
        Ok(ending) => report(ending),
        Err(error) => tracing::error!("{}", origins.explain(error)),
    }
    end(witness.testify(&result))
}

fn run(options: Run, witness: &mut Witness) -> Result<Ending, Error> {
    let config = Config::new(options)?;
    witness.sees(&config).map_err(ConfigError::from)?;
    machine::run(config, witness)
}

/// Tells the user how it ended.
fn report(ending: &mut Ending) {
    if let Some(message) = &ending.message {
        tracing::error!("{message}");
    }
    if let Some(registers) = &ending.registers {
        tracing::info!("registers\n{registers}");
    }
    if let Some(core) = &ending.core {
        core.report();
    }
    if let Some(profile) = ending.profile.take() {
        profile.report();
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
