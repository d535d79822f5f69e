//! A flag as it looks to a variable and to a file.

use clap::{Arg, ArgAction, Command};
use std::ffi::OsString;

/// In front of the names of all variables.
pub const PREFIX: &str = "UKVMM_";

/// What a flag takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// Nothing: it is there or not.
    Switch,
    /// Nothing, but it says more if it is given more than once.
    Count,
    /// A value.
    Value,
    /// A value, or none.
    Optional,
}

/// What a source has given to a flag: each time that it would stand on a command line, with its value. Nothing: the flag is switched off.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Given(pub Vec<Option<OsString>>);

impl Given {
    /// The flag without a value, or not at all.
    pub fn switch(on: bool) -> Self {
        Self(if on { vec![None] } else { Vec::new() })
    }

    pub fn value(value: impl Into<OsString>) -> Self {
        Self(vec![Some(value.into())])
    }
}

/// A flag, or the program with its arguments.
#[derive(Clone, Copy)]
pub struct Flag<'c> {
    pub arg: &'c Arg,
}

/// All that can be set, of `ukvmm` itself; those for its subcommands too are [`Arg::is_global_set`]. `command` has been built. Flags that have a short name
/// alone are short for another one.
pub fn flags(command: &Command) -> impl Iterator<Item = Flag<'_>> {
    let settable = |arg: &&Arg| {
        let asks = matches!(
            arg.get_action(),
            ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version
        );
        !asks && (arg.get_long().is_some() || arg.is_last_set())
    };
    command.get_arguments().filter(settable).map(|arg| Flag { arg })
}

impl<'c> Flag<'c> {
    /// The long name, which is the key in a file.
    pub fn name(self) -> &'c str {
        self.arg.get_long().unwrap_or(self.arg.get_id().as_str())
    }

    pub fn variable(self) -> String {
        format!("{PREFIX}{}", self.name().replace('-', "_").to_uppercase())
    }

    pub fn form(self) -> Form {
        match self.arg.get_action() {
            ArgAction::Set | ArgAction::Append => match self.arg.get_num_args() {
                Some(number) if number.min_values() == 0 && !self.arg.is_last_set() => Form::Optional,
                _ => Form::Value,
            },
            ArgAction::Count => Form::Count,
            _ => Form::Switch,
        }
    }

    /// Whether it may be given often, each time with a value.
    pub fn is_list(self) -> bool {
        matches!(self.arg.get_action(), ArgAction::Append)
    }

    /// What its value is called: `SIZE`, `FILE[,ro]`.
    pub fn value_name(self) -> &'c str {
        self.arg.get_value_names().and_then(|names| names.first()).map_or("", |name| name.as_str())
    }

    /// The words of a command line that say `given`. Those of the program stand behind `--`.
    pub fn words(self, given: &Given) -> impl Iterator<Item = OsString> {
        given.0.iter().map(move |value| match value {
            Some(value) if self.arg.is_last_set() => value.clone(),
            Some(value) => {
                let mut word = OsString::from(format!("--{}=", self.name()));
                word.push(value);
                word
            }
            None => format!("--{}", self.name()).into(),
        })
    }
}

/// What stands for a switch that is on or off.
pub fn switch(text: &str) -> Option<bool> {
    match text {
        "1" | "true" | "yes" | "on" => Some(true),
        "0" | "false" | "no" | "off" => Some(false),
        _ => None,
    }
}
