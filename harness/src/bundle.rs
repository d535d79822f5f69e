//! What is left of a machine whose test has failed: a folder.
//!
//! | file | what |
//! |---|---|
//! | `command` | the command line, to run it again |
//! | `console.log` | what guest and `ukvmm` have printed |
//! | `failure` | what was expected, and what was found |
//! | `manifest.json` | what was run where, and how it ended |
//! | `TIME-PROCESS-KIND/` | if the guest has died: its core, registers, last events and more (`ukvmm --crash-dir`) |

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Names the folder in which bundles are put.
pub const FOLDER_VARIABLE: &str = "UKVMM_BUNDLES";

/// A bundle in the making.
#[derive(Debug)]
pub struct Bundle(PathBuf);

impl Bundle {
    /// Begins an empty one for the test `name`.
    pub fn new(folder: &Path, name: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        let name: String = name.chars().map(|c| if is_plain(c) { c } else { '_' }).collect();
        let path = folder.join(name);
        // What was there is from another run.
        drop(fs::remove_dir_all(&path));
        fs::create_dir_all(&path).map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        Ok(Self(path))
    }

    pub fn console(&self) -> PathBuf {
        self.0.join("console.log")
    }

    /// What makes `ukvmm` add its part.
    pub fn options(&self) -> [OsString; 4] {
        let (manifest, folder) = (self.0.join("manifest.json"), self.0.clone());
        ["--manifest".into(), manifest.into(), "--crash-dir".into(), folder.into()]
    }

    /// Notes how the machine was started.
    pub fn note_command(&self, command: &Command) -> Result<(), String> {
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let line = words.map(quoted).collect::<Vec<_>>().join(" ") + "\n";
        self.write("command", &line)
    }

    /// The test has failed: keeps the bundle. Returns the message with its place.
    pub fn keep(self, failure: &str) -> String {
        let noted = self.write("failure", &format!("{failure}\n"));
        let place = format!("{failure}\nall that is left of it: {}", self.0.display());
        noted.err().map_or(place.clone(), |error| format!("{place} ({error})"))
    }

    /// The test has passed: nothing is kept.
    pub fn discard(self) {
        // What cannot be removed does no harm.
        drop(fs::remove_dir_all(&self.0));
    }

    fn write(&self, name: &str, text: &str) -> Result<(), String> {
        let path = self.0.join(name);
        fs::write(&path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }
}

/// As a word of a shell.
fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=+,@%".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.into_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_is_kept_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = Bundle::new(folder.path(), "a/b").unwrap();
        bundle.note_command(Command::new("ukvmm").args(["--cmdline", "two words"])).unwrap();
        let message = bundle.keep("why");
        let path = folder.path().join("a_b");
        assert!(message.starts_with("why\n") && message.ends_with(path.to_str().unwrap()), "{message}");
        assert_eq!(fs::read_to_string(path.join("command")).unwrap(), "ukvmm --cmdline 'two words'\n");
        assert_eq!(fs::read_to_string(path.join("failure")).unwrap(), "why\n");
        Bundle::new(folder.path(), "a/b").unwrap().discard();
        assert!(!path.exists());
    }
}
