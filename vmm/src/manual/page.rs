//! `ukvmm man [COMMAND]`: a page of the manual, for `man` to show.
//!
//! Flags and commands are as clap has them; what stands behind them is written by hand (`ukvmm.roff`), but for the variables, which are those of the flags.

use crate::cli::{self, Manual};
use crate::settings::flags;
use crate::similar;
use clap::Command;
use clap_mangen::Man;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;
use vmm_abi::exit;

/// EXIT STATUS, FILES and so on.
const SECTIONS: &str = include_str!("ukvmm.roff");
/// Where the list of variables belongs.
const VARIABLES: &str = ".\\\" variables\n";

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("ukvmm has no command {name:?}{}", similar::suggestion(name, known.iter().map(String::as_str)))]
    NoCommand { name: String, known: Vec<String> },
    #[error("the page cannot be written: {0}")]
    Write(#[from] io::Error),
}

/// Prints a page, or writes all of them, and returns the exit status.
pub fn run(options: &Manual) -> u8 {
    let written = match &options.output {
        Some(folder) => write_all(folder),
        None => page(options.command.as_deref()).and_then(|page| Ok(io::stdout().write_all(&page)?)),
    };
    match written {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{error}");
            exit::VMM
        }
    }
}

fn write_all(folder: &Path) -> Result<(), Error> {
    std::fs::write(folder.join("ukvmm.1"), page(None)?)?;
    for command in cli::command().get_subcommands() {
        let name = command.get_name();
        std::fs::write(folder.join(format!("ukvmm-{name}.1")), page(Some(name))?)?;
    }
    Ok(())
}

/// The page in roff.
fn page(name: Option<&str>) -> Result<Vec<u8>, Error> {
    // What a page shows is not what `-h` shows.
    let mut ukvmm = cli::command().mut_args(|arg| arg.hide_short_help(false));
    ukvmm.build();
    let mut page = Vec::new();
    let Some(name) = name else {
        let variables = variables(&ukvmm);
        let ukvmm = ukvmm.after_help("").after_long_help("").mut_subcommand("help", |help| help.hide(true));
        let man = titled(ukvmm, "ukvmm");
        man.render_title(&mut page)?;
        man.render_name_section(&mut page)?;
        man.render_synopsis_section(&mut page)?;
        man.render_description_section(&mut page)?;
        man.render_options_section(&mut page)?;
        man.render_subcommands_section(&mut page)?;
        page.extend(SECTIONS.replace(VARIABLES, &variables).into_bytes());
        return Ok(ascii(&page));
    };
    let command = ukvmm.find_subcommand(name).filter(|command| command.get_name() != "help");
    let command = command.cloned().ok_or_else(|| no_command(name, &ukvmm))?;
    titled(command, &format!("ukvmm-{name}")).render(&mut page)?;
    Ok(ascii(&page))
}

/// Other letters by their numbers, as whoever formats the page need not take UTF-8.
fn ascii(page: &[u8]) -> Vec<u8> {
    let letter = |c: char| if c.is_ascii() { c.to_string() } else { format!("\\[u{:04X}]", u32::from(c)) };
    String::from_utf8_lossy(page).chars().map(letter).collect::<String>().into_bytes()
}

fn titled(command: Command, title: &str) -> Man {
    let source = concat!("ukvmm ", env!("CARGO_PKG_VERSION"));
    Man::new(command).title(title).section("1").source(source).manual("ukvmm")
}

fn no_command(name: &str, ukvmm: &Command) -> Error {
    let known = ukvmm.get_subcommands().map(|command| command.get_name().to_string());
    Error::NoCommand { name: name.into(), known: known.filter(|name| name != "help").collect() }
}

/// Each flag's variable, as entries of a list.
fn variables(ukvmm: &Command) -> String {
    let mut text = String::new();
    for flag in flags(ukvmm) {
        let name = flag.name().replace('-', "\\-");
        let is = if flag.arg.is_last_set() {
            "the program and its arguments, one a line".into()
        } else {
            format!("\\-\\-{name}")
        };
        // A String takes everything.
        let _ = writeln!(text, ".TP\n\\fB{}\\fR\n{is}", flag.variable());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: Option<&str>) -> String {
        String::from_utf8(page(name).unwrap()).unwrap()
    }

    #[test]
    fn the_page_has_all_sections_and_all_flags() {
        let page = text(None);
        for section in [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "DEVICES",
            "SUBCOMMANDS",
            "\"EXIT STATUS\"",
            "ENVIRONMENT",
            "FILES",
            "EXAMPLES",
        ] {
            assert!(page.lines().any(|line| line == format!(".SH {section}")), "{section}: {page}");
        }
        assert!(page.is_ascii() && !page.contains(VARIABLES));
        assert!(page.contains("Root file system (cpio)"), "flags without more to say are explained too");
        let mut ukvmm = cli::command();
        ukvmm.build();
        for flag in flags(&ukvmm) {
            assert!(page.contains(&flag.variable()), "{}", flag.name());
            assert!(
                page.contains(&format!("\\-\\-{}", flag.name().replace('-', "\\-")))
                    || flag.arg.is_last_set()
            );
        }
    }

    #[test]
    fn every_command_has_a_page_and_no_other() {
        for command in cli::command().get_subcommands() {
            let page = text(Some(command.get_name()));
            assert!(
                page.contains(&format!(".TH ukvmm\\-{}", command.get_name().replace('-', "\\-")))
                    || page.contains(".TH ukvmm-"),
                "{page}"
            );
        }
        let folder = tempfile::tempdir().unwrap();
        write_all(folder.path()).unwrap();
        assert!(folder.path().join("ukvmm.1").exists() && folder.path().join("ukvmm-report.1").exists());
        let error = page(Some("repotr")).unwrap_err().to_string();
        assert!(error.contains("did you mean report?"), "{error}");
        assert!(page(Some("help")).is_err());
    }
}
