//! The command line that flags, variables and a file make together.

use super::file::{self, CONFIG, SettingsError};
use super::flag::{Flag, flags};
use super::origin::{Origin, Origins, Setting};
use super::variables::Variables;
use crate::cli::{self, Cli};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, FromArgMatches};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use vmm_abi::exit;

/// What the user wants.
#[derive(Debug)]
pub struct Read {
    pub cli: Cli,
    /// The command line that all of it makes.
    pub words: Vec<OsString>,
    /// Where what was not on the command line came from.
    pub origins: Origins,
    /// What the user should know.
    pub warnings: Vec<String>,
}

/// Why it cannot be told what the user wants, or a question of theirs that clap answers.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error(transparent)]
    CommandLine(#[from] clap::Error),
    #[error(transparent)]
    File(#[from] SettingsError),
    #[error("{origin}: {problem}")]
    Setting { origin: Origin, problem: String },
}

impl Refusal {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::CommandLine(error) if !error.use_stderr() => 0,
            Self::File(SettingsError::File(error)) => error.status(),
            _ => exit::VMM,
        }
    }

    /// Tells it.
    pub fn print(&self) {
        // That nobody reads it is no reason to say more.
        let _ = match self {
            Self::CommandLine(error) => error.print(),
            other => {
                eprintln!("ukvmm: error: {other}");
                Ok(())
            }
        };
    }
}

/// Reads a command line (`words` begins with the program's name), the environment, and the file that one of them names.
pub fn read(
    words: Vec<OsString>,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Read, Refusal> {
    let mut command = cli::command();
    command.build();
    let variables = Variables::new(environment);
    let seen = command.clone().ignore_errors(true).try_get_matches_from(&words)?;
    let all: Vec<Flag> = flags(&command).collect();
    let line = Line::new(&words, &seen);
    let open = |flag: &&Flag| line.takes(**flag) && !line.has(**flag);
    let settings = settings(&all, &variables, &seen, open)?;
    let settings = without_conflicts(settings, &command, &all, &line);
    for setting in &settings {
        check(setting, &command, &all, &line)?;
    }
    let origins = Origins(settings);
    let words = line.with(&origins.0, &all);
    let matches = command.clone().try_get_matches_from(&words).map_err(|error| explained(error, &origins))?;
    let warnings = variables.mistyped(&all);
    Ok(Read { cli: Cli::from_arg_matches(&matches)?, words, origins, warnings })
}

/// What variables and file give to the flags that are `open`, each from one of them.
fn settings(
    all: &[Flag],
    variables: &Variables,
    seen: &ArgMatches,
    open: impl Fn(&&Flag) -> bool,
) -> Result<Vec<Setting>, Refusal> {
    let refusal = |(origin, problem)| Refusal::Setting { origin, problem };
    let mut settings = Vec::new();
    for flag in all.iter().filter(&open) {
        settings.extend(variables.setting(*flag).transpose().map_err(refusal)?);
    }
    let named = settings
        .iter()
        .find(|setting| setting.flag == CONFIG)
        .and_then(|setting| setting.given.0.first().cloned()?);
    let file = deepest(seen).get_one::<PathBuf>(CONFIG).cloned().or(named.map(PathBuf::from));
    if let Some(file) = file {
        let free = |setting: &Setting| {
            let flag = all.iter().find(|flag| flag.name() == setting.flag);
            flag.is_some_and(|flag| open(&flag)) && !settings.iter().any(|other| other.flag == setting.flag)
        };
        let more: Vec<_> = file::read(&file, all)?.into_iter().filter(free).collect();
        settings.extend(more);
    }
    Ok(settings)
}

/// The settings without those that exclude something that counts more: a flag that is on the command line, or a variable.
fn without_conflicts(settings: Vec<Setting>, command: &Command, all: &[Flag], line: &Line) -> Vec<Setting> {
    let arg = |name: &str| all.iter().find(|flag| flag.name() == name).map(|flag| flag.arg);
    let exclude = |a: &clap::Arg, b: &clap::Arg| {
        let lists =
            |a, b: &clap::Arg| command.get_arg_conflicts_with(a).iter().any(|arg| arg.get_id() == b.get_id());
        lists(a, b) || lists(b, a)
    };
    let counts_more = |of: &Setting, than: &Setting| {
        matches!((&of.origin, &than.origin), (Origin::Variable(_), Origin::File { .. }))
            && !of.given.0.is_empty()
    };
    let is_free = |setting: &&Setting| {
        let Some(this) = arg(&setting.flag) else { return false };
        let by_line =
            command.get_arguments().any(|other| line.has(Flag { arg: other }) && exclude(this, other));
        let mut others = settings.iter().filter(|other| counts_more(other, setting));
        !by_line && !others.any(|other| arg(&other.flag).is_some_and(|other| exclude(this, other)))
    };
    settings.iter().filter(is_free).cloned().collect()
}

/// Refuses a value that the flag does not take. Whether all go together is for clap to say.
fn check(setting: &Setting, command: &Command, all: &[Flag], line: &Line) -> Result<(), Refusal> {
    let alone = Line { words: line.words[..1].to_vec(), subcommand: None, matches: line.matches };
    let words = alone.with(std::slice::from_ref(setting), all);
    let Err(error) = command.clone().try_get_matches_from(words) else { return Ok(()) };
    if matches!(error.kind(), ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand) {
        return Ok(());
    }
    let text = error.render().to_string();
    let problem = text.split("\n\n").next().unwrap_or(&text).trim_start_matches("error: ").trim();
    Err(Refusal::Setting { origin: setting.origin.clone(), problem: problem.into() })
}

/// Clap's error, with where the flags that it is about were set.
fn explained(error: clap::Error, origins: &Origins) -> Refusal {
    let text = error.render().to_string();
    let problem = text.split("\n\n").next().unwrap_or(&text).trim_start_matches("error: ").trim();
    let explained = origins.explain(problem);
    if explained == problem {
        return error.into();
    }
    cli::command().error(error.kind(), explained).into()
}

/// The matches of the subcommand, if there is one, whose flags are the global ones too.
fn deepest(matches: &ArgMatches) -> &ArgMatches {
    matches.subcommand().map_or(matches, |(_, matches)| deepest(matches))
}

/// A command line as it was typed.
struct Line<'a> {
    words: Vec<OsString>,
    /// Where the word of the subcommand is.
    subcommand: Option<usize>,
    matches: &'a ArgMatches,
}

impl<'a> Line<'a> {
    fn new(words: &[OsString], matches: &'a ArgMatches) -> Self {
        let named = matches.subcommand_name();
        let subcommand = named.and_then(|name| words.iter().position(|word| word == OsStr::new(name)));
        Self { words: words.to_vec(), subcommand, matches }
    }

    /// Whether `flag` means something to the command.
    fn takes(&self, flag: Flag) -> bool {
        self.subcommand.is_none() || flag.arg.is_global_set()
    }

    /// Whether `flag` is there. A `--` with nothing behind it says: no program.
    fn has(&self, flag: Flag) -> bool {
        if !self.takes(flag) {
            return false;
        }
        if flag.arg.is_last_set() && self.words.iter().any(|word| word == "--") {
            return true;
        }
        deepest(self.matches).value_source(flag.arg.get_id().as_str()) == Some(ValueSource::CommandLine)
    }

    /// The words, with those that `settings` add.
    fn with(&self, settings: &[Setting], all: &[Flag]) -> Vec<OsString> {
        let at = 1 + self.subcommand.unwrap_or(0);
        let mut words = self.words[..at.min(self.words.len())].to_vec();
        let mut program = Vec::new();
        for Setting { flag, given, .. } in settings {
            let Some(flag) = all.iter().find(|known| known.name() == flag) else { continue };
            match flag.arg.is_last_set() {
                true => program.extend(flag.words(given)),
                false => words.extend(flag.words(given)),
            }
        }
        words.extend_from_slice(self.words.get(at..).unwrap_or_default());
        if !program.is_empty() {
            words.push("--".into());
            words.extend(program);
        }
        words
    }
}
