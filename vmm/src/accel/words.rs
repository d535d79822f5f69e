//! The command line of the `ukvmm` in the lab: that of the user, with what is for the outside taken out, and with doors in place of what is there.

use super::AccelError;
use crate::cli;
use crate::settings::{Flag, Form, Given, flags};
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::ffi::{OsStr, OsString};

/// Flags that mean something outside only.
const OUTSIDE: [&str; 2] = ["accel", "config"];

/// What is given to a flag in the lab, in place of what is given outside.
pub type Instead = (&'static str, Vec<OsString>);

/// The words behind the program's name. A short flag that stands for a long one has to be among `instead`.
pub fn inner(words: &[OsString], instead: &[Instead]) -> Result<Vec<OsString>, AccelError> {
    let mut command = cli::command();
    command.build();
    let matches = command.clone().try_get_matches_from(words);
    let matches = matches.map_err(|error| AccelError::Lab(error.to_string()))?;
    let mut out = vec![OsString::from("--accel=kvm")];
    let mut program = Vec::new();
    for flag in flags(&command).filter(|flag| !OUTSIDE.contains(&flag.name())) {
        let given = match instead.iter().find(|(name, _)| *name == flag.name()) {
            Some((_, values)) => Given(values.iter().map(|value| some(flag, value)).collect()),
            None => given(&matches, flag),
        };
        match flag.arg.is_last_set() {
            true => program.extend(flag.words(&given)),
            false => out.extend(flag.words(&given)),
        }
    }
    if !program.is_empty() {
        out.push("--".into());
        out.extend(program);
    }
    Ok(out)
}

fn given(matches: &ArgMatches, flag: Flag) -> Given {
    let id = flag.arg.get_id().as_str();
    if matches.value_source(id).is_none_or(|source| source == ValueSource::DefaultValue) {
        return Given(Vec::new());
    }
    match flag.form() {
        Form::Switch => Given::switch(true),
        Form::Count => Given(vec![None; matches.get_count(id).into()]),
        Form::Value | Form::Optional => {
            let values = matches.get_raw(id).into_iter().flatten();
            Given(values.map(|value| some(flag, value)).collect())
        }
    }
}

/// A value that is empty is none, where that may be.
fn some(flag: Flag, value: &OsStr) -> Option<OsString> {
    (flag.form() != Form::Optional || !value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str, instead: &[Instead]) -> Vec<String> {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        let mut words: Vec<_> =
            inner(&words, instead).unwrap().iter().map(|word| word.to_string_lossy().into_owned()).collect();
        // The order among flags says nothing.
        let flags = words.iter().position(|word| word == "--").unwrap_or(words.len());
        words[..flags].sort();
        words
    }

    #[test]
    fn what_is_for_the_outside_stays_there() {
        let line = "ukvmm --accel lab --kernel k --config=c --cpus 2 -- --accel x";
        assert_eq!(of(line, &[]), ["--accel=kvm", "--cpus=2", "--kernel=k", "--", "--accel", "x"]);
    }

    #[test]
    fn every_form_of_a_flag_survives() {
        let line = "ukvmm -vv --rng --strace --disk a --disk b,ro --virtio-console --env A=b";
        let expected = [
            "--accel=kvm",
            "--disk=a",
            "--disk=b,ro",
            "--env=A=b",
            "--rng",
            "--strace=all",
            "--verbose",
            "--verbose",
            "--virtio-console",
        ];
        assert_eq!(of(line, &[]), expected);
    }

    #[test]
    fn doors_stand_for_what_is_outside() {
        let instead = [("gdb", vec!["unix:/d".into()]), ("share", vec!["a".into(), "b".into()])];
        let expected = ["--accel=kvm", "--gdb=unix:/d", "--kernel=k", "--share=a", "--share=b"];
        assert_eq!(of("ukvmm -sS --kernel k --share tag=a,path=/", &instead), expected);
    }
}
