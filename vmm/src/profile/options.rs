//! `--profile FILE[,format=…]`

use crate::options::{SubOptionError, SubOptions};
use profile::format::Format;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A profile that the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileOptions {
    pub place: Place,
    pub format: Format,
}

/// Where it is to go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    File(PathBuf),
    /// Behind what the guest has printed.
    StandardOutput,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::StandardOutput => f.write_str("-"),
        }
    }
}

impl ProfileOptions {
    /// Reads what was given to `--profile`.
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--profile", given)?;
        let path = options.path("a file, or - for standard output")?;
        // As an option that has taken the next one for its value.
        if path.as_os_str().len() > 1 && path.as_os_str().as_bytes().starts_with(b"-") {
            let name = path.display();
            return Err(options.bad_value(&name, format_args!("a file; one of that name is ./{name}")));
        }
        let format = options.choice("format", &Format::NAMES)?;
        options.finish()?;
        let format = format.and_then(|name| name.parse().ok());
        Ok(match path == Path::new("-") {
            true => Self { place: Place::StandardOutput, format: format.unwrap_or(Format::Table) },
            false => {
                let format = format.or_else(|| Format::of_path(&path)).unwrap_or(Format::Raw);
                Self { place: Place::File(path), format }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<(Place, Format), String> {
        let options = ProfileOptions::parse(given.as_ref()).map_err(|error| error.to_string())?;
        Ok((options.place, options.format))
    }

    #[test]
    fn the_format_is_named_or_the_extension_s() {
        let file = |path: &str| Place::File(path.into());
        for (given, place, format) in [
            ("p", file("p"), Format::Raw),
            ("a=b.html", file("a=b.html"), Format::Html),
            ("p.json,format=jsonl", file("p.json"), Format::JsonLines),
            ("a,,b.txt", file("a,b.txt"), Format::Table),
            ("-", Place::StandardOutput, Format::Table),
            ("-,format=folded", Place::StandardOutput, Format::Folded),
        ] {
            assert_eq!(parse(given), Ok((place, format)), "{given}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("", "a file, or - for standard output, which is missing"),
            ("--cpus", "\"--cpus\" is not a file; one of that name is ./--cpus"),
            ("p,format", "format needs a value"),
            ("p,format=tabel", "unknown \"tabel\" (did you mean table?); known: table, jsonl"),
            ("p,fromat=table", "did you mean format?"),
            ("p,format=raw,format=raw", "more than once"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("--profile") && error.contains(says), "{given}: {error}");
        }
    }
}
