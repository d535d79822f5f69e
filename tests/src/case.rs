//! What to run and how to judge it.

use crate::compare;
use crate::process::{self, Outcome};
use crate::{build::Build, tap};
use std::process::Command;
use std::time::Duration;

/// A Linux program run, the same on Linux and in the guest.
#[derive(Clone, Debug)]
pub struct Case {
    pub name: &'static str,
    /// Program and arguments. `{tests}` stands for the folder of the test programs, `{tmp}` for a fresh
    /// directory.
    pub argv: Vec<&'static str>,
    /// Further arguments, in guests only: how much is enough where a system call takes up to a millisecond, because a
    /// KVM emulates the kernel's instructions or TCG all of them.
    pub guest_args: &'static [&'static str],
    pub stdin: &'static [u8],
    pub judge: Judge,
    /// Why it is not run on this machine's own Linux, if it is not.
    pub not_native: Option<&'static str>,
    /// How long it may take in a guest.
    pub timeout: Duration,
}

/// Where the right answer comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// Standard output, standard error and exit status are those of the same run on this machine's Linux.
    Linux,
    /// The program itself, see [`tap`].
    Itself,
}

/// Where a case is run: decides which exceptions from the architecture are known there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Native,
    Kvm,
    Lab,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Case {
    /// A program whose output must be Linux's.
    pub fn like_linux(name: &'static str, argv: &[&'static str]) -> Self {
        let (argv, timeout) = (argv.to_vec(), DEFAULT_TIMEOUT);
        Self { name, argv, guest_args: &[], stdin: b"", judge: Judge::Linux, not_native: None, timeout }
    }
    /// A program that judges itself.
    pub fn itself(name: &'static str, argv: &[&'static str]) -> Self {
        Self { judge: Judge::Itself, ..Self::like_linux(name, argv) }
    }
    pub fn stdin(self, stdin: &'static [u8]) -> Self {
        Self { stdin, ..self }
    }
    pub fn seconds(self, seconds: u64) -> Self {
        Self { timeout: Duration::from_secs(seconds), ..self }
    }
    /// Does less in guests.
    pub fn in_guest(self, guest_args: &'static [&'static str]) -> Self {
        Self { guest_args, ..self }
    }
    /// Not to be run on this machine's own Linux.
    pub fn guest_only(self, reason: &'static str) -> Self {
        Self { not_native: Some(reason), ..self }
    }

    /// The program and its arguments with the placeholders filled in.
    pub fn argv_in(&self, tests: &str, tmp: &str) -> Vec<String> {
        self.argv.iter().map(|word| word.replace("{tests}", tests).replace("{tmp}", tmp)).collect()
    }

    /// As [`argv_in`](Self::argv_in), for a guest.
    pub fn guest_argv(&self, tests: &str, tmp: &str) -> Vec<String> {
        let mut argv = self.argv_in(tests, tmp);
        argv.extend(self.guest_args.iter().map(|&word| word.to_owned()));
        argv
    }

    /// Runs the case on this machine's Linux.
    pub fn run_native(&self, build: &Build) -> Result<Outcome, String> {
        let tmp = tempfile::tempdir().map_err(|e| format!("cannot make a temporary directory: {e}"))?;
        let argv = self.argv_in(&build.tests().to_string_lossy(), &tmp.path().join("case").to_string_lossy());
        let mut command = Command::new(&argv[0]);
        command.args(&argv[1..]).current_dir(tmp.path()).env_clear().env("PATH", "/bin").env("HOME", "/");
        process::run(command, self.stdin, self.timeout)
    }

    /// The native test: two runs agree, and a program that judges itself finds Linux faultless.
    pub fn check_native(&self, build: &Build) -> Result<(), String> {
        let first = self.run_native(build)?;
        if self.judge == Judge::Itself {
            return self.check_itself(&first, Place::Native);
        }
        compare::outcomes(&first, &self.run_native(build)?).map_err(|e| format!("two runs do not agree: {e}"))
    }

    /// Judges what the case did in a guest.
    pub fn check(&self, outcome: &Outcome, place: Place, build: &Build) -> Result<(), String> {
        match self.judge {
            Judge::Linux => compare::outcomes(&self.run_native(build)?, outcome),
            Judge::Itself => self.check_itself(outcome, place),
        }
    }

    fn check_itself(&self, outcome: &Outcome, place: Place) -> Result<(), String> {
        let allowed: &[&str] = match place {
            Place::Native => &[],
            Place::Kvm => &[tap::platform::EMULATED],
            Place::Lab => &[tap::platform::TCG],
        };
        tap::passed(outcome, allowed).map(drop).map_err(|e| format!("{e}\n{}", compare::describe(outcome)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_in() {
        let case = Case::like_linux("x", &["{tests}/x", "a={tmp}/a", "plain"]);
        assert_eq!(case.argv_in("/tests", "/tmp"), ["/tests/x", "a=/tmp/a", "plain"]);
        let case = case.in_guest(&["100"]);
        assert_eq!(case.argv_in("/tests", "/tmp"), ["/tests/x", "a=/tmp/a", "plain"]);
        assert_eq!(case.guest_argv("/tests", "/tmp"), ["/tests/x", "a=/tmp/a", "plain", "100"]);
    }
}
