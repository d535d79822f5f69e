//! `--profile FILE` on a command line for the lab: nothing that is written there comes back, but what is written to a port of the virtio console.
//!
//! So in the lab the records are written to such a port, as they are. What they are to become is made of them here: it is work for a CPU that is not emulated.

use ::profile::format::Format;
use anyhow::{Context, Result};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const OPTION: &str = "--profile";

/// A profile that a command line asks for.
#[derive(PartialEq, Eq, Debug)]
pub struct Profile {
    /// Which of the words says so, and how it begins.
    word: usize,
    prefix: &'static str,
    /// `None`: standard output.
    file: Option<PathBuf>,
    format: Format,
    /// Samples a second.
    hz: u32,
}

/// What stands behind the file's name.
#[derive(Default)]
struct Options {
    format: Option<Format>,
    hz: Option<u32>,
}

impl Profile {
    /// That of a command line of `ukvmm`. One that is wrong is none: `ukvmm` says best what is wrong.
    pub fn of(words: &[OsString]) -> Option<Self> {
        let own = || words.iter().take_while(|word| *word != "--").enumerate();
        let (word, prefix, given) =
            own().find_map(|(n, word)| match word.as_bytes().strip_prefix(OPTION.as_bytes())? {
                [] => Some((n + 1, "", words.get(n + 1)?.as_bytes())),
                [b'=', given @ ..] => Some((n, "--profile=", given)),
                _ => None,
            })?;
        let (path, Options { format, hz }) = parse(given)?;
        let by_extension = Format::of_path(&path);
        let (file, format) = match path == Path::new("-") {
            true => (None, format.unwrap_or(Format::Table)),
            false => (Some(path), format.or(by_extension).unwrap_or(Format::Raw)),
        };
        let usual = format.samples();
        let is_good = hz.unwrap_or(0) == 0 || usual.is_some();
        is_good.then(|| Self { word, prefix, file, format, hz: hz.or(usual).unwrap_or(0) })
    }

    /// Whether it has samples, for which `ukvmm` wants symbols.
    pub fn has_samples(&self) -> bool {
        self.hz > 0
    }

    /// The words, with the records going to a file of the lab.
    pub fn redirected(&self, words: &[OsString], to: &str) -> Vec<OsString> {
        let mut words = words.to_vec();
        if let Some(word) = words.get_mut(self.word) {
            *word = format!("{}{to},format=raw,hz={}", self.prefix, self.hz).into();
        }
        words
    }

    /// Makes the profile of the records, which have come back into the file `records`.
    pub fn make(&self, records: &Path) -> Result<()> {
        let input = File::open(records)?;
        if input.metadata()?.len() == 0 {
            // The machine has not begun to run, and somebody has said why.
            return Ok(());
        }
        let mut out: Box<dyn Write> = match &self.file {
            Some(path) => Box::new(BufWriter::new(File::create(path).with_context(|| self.complaint(path))?)),
            None => Box::new(BufWriter::new(io::stdout().lock())),
        };
        match self.format {
            Format::Raw => drop(io::copy(&mut &input, &mut out)?),
            format => ::profile::report::write(input, format, &mut out)?,
        }
        Ok(out.flush()?)
    }

    /// Finds out before the run whether the file can be written.
    pub fn check(&self) -> Result<()> {
        let Some(path) = &self.file else { return Ok(()) };
        fs::OpenOptions::new().append(true).create(true).open(path).with_context(|| self.complaint(path))?;
        Ok(())
    }

    fn complaint(&self, path: &Path) -> String {
        format!("{OPTION} {}: cannot be written", path.display())
    }
}

/// `FILE[,format=…][,hz=…]`, in which two commas are one of the file's name.
fn parse(given: &[u8]) -> Option<(PathBuf, Options)> {
    let mut path = Vec::new();
    let mut rest = given;
    loop {
        match rest {
            [b',', b',', more @ ..] => {
                path.push(b',');
                rest = more;
            }
            [b',', options @ ..] => {
                let options = Options::parse(str::from_utf8(options).ok()?)?;
                return Some((OsStr::from_bytes(&path).into(), options));
            }
            [byte, more @ ..] => {
                path.push(*byte);
                rest = more;
            }
            [] if path.is_empty() => return None,
            [] => return Some((OsStr::from_bytes(&path).into(), Options::default())),
        }
    }
}

impl Options {
    fn parse(text: &str) -> Option<Self> {
        text.split(',').try_fold(Self::default(), |options, option| match option.split_once('=')? {
            ("format", name) => Some(Self { format: Some(name.parse().ok()?), ..options }),
            ("hz", number) => Some(Self { hz: Some(number.parse().ok()?), ..options }),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(Into::into).collect()
    }

    fn of(line: &str) -> Option<(Option<PathBuf>, Format)> {
        Profile::of(&words(line)).map(|profile| (profile.file, profile.format))
    }

    #[test]
    fn a_command_line_asks_for_a_profile() {
        let file = |path: &str| Some(path.into());
        assert_eq!(of("--kernel k --profile p.txt -- x"), Some((file("p.txt"), Format::Table)));
        assert_eq!(of("--profile=a,,b,format=html"), Some((file("a,b"), Format::Html)));
        assert_eq!(of("--profile p"), Some((file("p"), Format::Raw)));
        assert_eq!(of("--profile -"), Some((None, Format::Table)));
        let hz = |line: &str| Profile::of(&words(line)).map(|profile| profile.hz);
        assert_eq!(
            [hz("--profile p"), hz("--profile p.svg"), hz("--profile p,hz=50,format=html")],
            [Some(0), Some(997), Some(50)]
        );
        for none in [
            "--kernel k -- --profile p",
            "--profile",
            "--profile p,format=x",
            "--profile p,x",
            "--profile p,hz=x",
            "--profile p.txt,hz=50",
            "--profiles p",
        ] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn its_records_go_to_a_port() {
        let redirected = |line: &str| {
            let words = words(line);
            Profile::of(&words).unwrap().redirected(&words, "/dev/p")
        };
        assert_eq!(
            redirected("-v --profile a.txt -- --profile"),
            words("-v --profile /dev/p,format=raw,hz=0 -- --profile")
        );
        assert_eq!(redirected("--profile=a.folded -v"), words("--profile=/dev/p,format=raw,hz=997 -v"));
    }

    #[test]
    fn records_are_the_raw_profile_and_none_are_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (records, path) = (folder.path().join("records"), folder.path().join("p"));
        let profile = Profile { word: 0, prefix: "", file: Some(path.clone()), format: Format::Raw, hz: 0 };
        fs::write(&records, "").unwrap();
        profile.make(&records).unwrap();
        assert!(!path.exists());
        fs::write(&records, "records").unwrap();
        profile.check().unwrap();
        profile.make(&records).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"records");
        let nowhere = Profile { file: Some(folder.path().join("no/p")), ..profile };
        assert!(nowhere.check().is_err());
    }
}
