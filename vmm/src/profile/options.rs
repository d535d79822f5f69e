//! `--profile FILE[,format=…][,hz=N]`

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
    /// Samples that are to be taken a second of each vCPU.
    pub hz: Option<u32>,
}

/// Samples a second that can be had.
const HZ_MAX: u32 = 10_000;

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
        let format = format.and_then(|name| name.parse().ok());
        let (place, format) = match path == Path::new("-") {
            true => (Place::StandardOutput, format.unwrap_or(Format::Table)),
            false => {
                let format = format.or_else(|| Format::of_path(&path)).unwrap_or(Format::Raw);
                (Place::File(path), format)
            }
        };
        let hz = hz(&mut options, format)?;
        options.finish()?;
        Ok(Self { place, format, hz })
    }
}

/// What is asked for, or usual: 0 is none.
fn hz(options: &mut SubOptions, format: Format) -> Result<Option<u32>, SubOptionError> {
    let usual = format.samples();
    let hz = match options.value("hz")? {
        None => usual.unwrap_or(0),
        Some(given) => {
            let hz = given.parse().ok().filter(|hz| *hz <= HZ_MAX);
            let expected = format!("a number of samples a second, 0 to {HZ_MAX}");
            hz.ok_or_else(|| options.bad_value(&given, expected))?
        }
    };
    match (hz, usual) {
        (1.., None) => {
            Err(options.bad_value(hz, format!("for the format {}, which shows no samples", format.name())))
        }
        _ => Ok(Some(hz).filter(|hz| *hz > 0)),
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
    fn samples_are_taken_for_formats_that_show_them() {
        let hz = |given: &str| ProfileOptions::parse(given.as_ref()).unwrap().hz;
        assert_eq!([hz("a.folded"), hz("a.svg"), hz("a.html")], [Some(997), Some(997), Some(97)]);
        assert_eq!([hz("a.txt"), hz("a.json"), hz("a"), hz("a.html,hz=0")], [None; 4]);
        assert_eq!(
            [hz("a,hz=50"), hz("a.folded,hz=10000"), hz("hz=7,format=flamegraph,hz=1")],
            [Some(50), Some(10_000), Some(1)]
        );
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("p.folded,hz=10001", "\"10001\" is not a number of samples a second, 0 to 10000"),
            ("p.folded,hz=-1", "is not a number of samples"),
            ("p.txt,hz=100", "\"100\" is not for the format table, which shows no samples"),
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
