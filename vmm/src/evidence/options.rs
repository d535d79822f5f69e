//! `--manifest`, `--crash-dir`, `--junit`, `--boot-timeout`.

use crate::options::{SubOptionError, SubOptions};
use crate::size;
use clap::Args;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Bytes of `console.log` at most, if nothing else is said.
pub const CONSOLE: u64 = 8 << 20;
/// What may be said.
const CONSOLE_RANGE: std::ops::RangeInclusive<u64> = 1 << 10..=1 << 30;

#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Evidence")]
pub struct EvidenceOptions {
    /// Write what was run where, and how it ended, to this file (JSON)
    ///
    /// It is written however the run ends, and replaces a file of this name. See docs/evidence.md.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Should the guest die, leave everything that helps to find out why in a new folder below this one
    ///
    /// Console log, registers, the kernel's last events, a core, the manifest. core=off leaves the core out; console=SIZE keeps so much of what the guest has printed, from
    /// the end, if 8M is not enough. See docs/evidence.md.
    #[arg(long, value_name = "FOLDER[,core=off][,console=SIZE]")]
    pub crash_dir: Option<OsString>,
    /// Write what the guest's tests came to (KTAP or TAP on its console) to this file, as JUnit XML
    ///
    /// A test that failed, or was not made, makes the exit status 1 if the guest's own is 0.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Stop a guest that has given no sign of life for so long, with status 124; "off": never
    ///
    /// A sign is output, or a driver at work. Not with --gdb.
    #[arg(long, value_name = "SECONDS|off", default_value = "60")]
    pub boot_timeout: BootTimeout,
}

/// How long a guest may give no sign of life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct BootTimeout(pub Option<Duration>);

impl FromStr for BootTimeout {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let seconds: f64 = text.parse().map_err(|_| "neither a number of seconds nor off".to_string())?;
        match Duration::try_from_secs_f64(seconds) {
            Ok(time) if !time.is_zero() => Ok(Self(Some(time))),
            _ => Err("it must be longer than 0 seconds, and finite; off turns it off".into()),
        }
    }
}

/// What was given to `--crash-dir`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CrashOptions {
    pub folder: PathBuf,
    pub core: bool,
    /// Bytes of the guest's output that are kept.
    pub console: usize,
}

impl CrashOptions {
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--crash-dir", given)?;
        let folder = options.path("a folder")?;
        let core = match options.choice("core", &["on", "off"])? {
            None | Some("on") => true,
            Some(_) => false,
        };
        let console = match options.value("console")? {
            None => CONSOLE,
            Some(text) => {
                let size = size::parse(&text).ok().filter(|size| CONSOLE_RANGE.contains(size));
                size.ok_or_else(|| options.bad_value(&text, "a size from 1K to 1G"))?
            }
        };
        options.finish()?;
        Ok(Self { folder, core, console: console as usize })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crash_folder_has_its_options() {
        let parse = |given: &str| CrashOptions::parse(given.as_ref()).map_err(|error| error.to_string());
        let plain = CrashOptions { folder: "a/b".into(), core: true, console: CONSOLE as usize };
        assert_eq!(parse("a/b"), Ok(plain.clone()));
        assert_eq!(
            parse("a/b,console=1M,core=off"),
            Ok(CrashOptions { core: false, console: 1 << 20, ..plain })
        );
        for (given, says) in [
            ("", "a folder"),
            ("d,core=no", "known: on, off"),
            ("d,console=1", "from 1K to 1G"),
            ("d,console=x", "from 1K to 1G"),
            ("d,cores=off", "did you mean core?"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("--crash-dir") && error.contains(says), "{given}: {error}");
        }
    }

    #[test]
    fn a_boot_timeout_is_a_time_or_off() {
        let parse = |text: &str| text.parse::<BootTimeout>();
        assert_eq!(parse("off"), Ok(BootTimeout(None)));
        assert_eq!(parse("0.5"), Ok(BootTimeout(Some(Duration::from_millis(500)))));
        for text in ["0", "-1", "NaN", "inf", "1e300", "never", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
