//! `--disk FILE[,ro][,serial=TEXT][,direct][,io=auto|uring|threads]`.

use super::backend::Engine;
use crate::options::{SubOptionError, SubOptions};
use devices::virtio::block::request::SERIAL;
use std::ffi::OsStr;
use std::path::PathBuf;

/// A disk that the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DiskOptions {
    pub path: PathBuf,
    pub read_only: bool,
    /// What the guest is told when it asks who the disk is.
    pub serial: Option<String>,
    /// Past the host's page cache.
    pub direct: bool,
    pub engine: Engine,
}

impl DiskOptions {
    /// Reads what was given to `--disk`.
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--disk", given)?;
        let path = options.path("a file or block device")?;
        let read_only = options.flag("ro")?;
        let direct = options.flag("direct")?;
        let serial = options.value("serial")?;
        if let Some(serial) = serial.as_ref().filter(|serial| !fits(serial)) {
            return Err(options.bad_value(serial, format!("up to {SERIAL} printable ASCII characters")));
        }
        let engine = match options.value("io")?.as_deref() {
            None | Some("auto") => Engine::Auto,
            Some("uring") => Engine::Ring,
            Some("threads") => Engine::Threads,
            Some(other) => return Err(options.bad_value(other, "auto, uring or threads")),
        };
        options.finish()?;
        Ok(Self { path, read_only, serial, direct, engine })
    }
}

fn fits(serial: &str) -> bool {
    serial.len() <= SERIAL && serial.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<DiskOptions, String> {
        DiskOptions::parse(given.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_its_place() {
        let plain = DiskOptions {
            path: "a=b.img".into(),
            read_only: false,
            serial: None,
            direct: false,
            engine: Engine::Auto,
        };
        assert_eq!(parse("a=b.img"), Ok(plain.clone()));
        let all = DiskOptions {
            read_only: true,
            serial: Some("disk 7".into()),
            direct: true,
            engine: Engine::Threads,
            ..plain
        };
        assert_eq!(parse("a=b.img,serial=disk 7,io=threads,direct,ro"), Ok(all));
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("", "a file or block device"),
            ("f,rw", "rw"),
            ("f,serial=123456789012345678901", "20"),
            ("f,serial=ü", "ASCII"),
            ("f,io=fast", "auto, uring or threads"),
            ("f,ro=yes", "ro"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.contains("--disk") && error.contains(says), "{given}: {error}");
        }
    }
}
