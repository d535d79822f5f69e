//! `--virtio-console[=name=TEXT,path=FILE[,listen]|pty]`.

use crate::options::{SubOptionError, SubOptions};
use std::ffi::OsStr;
use std::path::PathBuf;

/// Bytes of a name at most. Linux takes what fits into a page; nobody wants to read more than this.
const NAME_MAX: usize = 64;

/// A port that the user wants, beside that of the standard streams.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PortOptions {
    pub name: String,
    pub target: Target,
}

/// What is at the other end of a port.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// What is at this path; a file is made if there is nothing.
    Path(PathBuf),
    /// Whoever connects to a socket at this path.
    Listen(PathBuf),
    /// A new pseudo-terminal.
    Pty,
}

impl PortOptions {
    /// Reads what was given to `--virtio-console`. `None`: only the standard streams.
    pub fn parse(given: &OsStr) -> Result<Option<Self>, SubOptionError> {
        if given.is_empty() {
            return Ok(None);
        }
        let mut options = SubOptions::parse("--virtio-console", given)?;
        let name = options.required("name")?;
        if name.len() > NAME_MAX || name.chars().any(|c| c.is_control() || c == '/') {
            return Err(options.bad_value(name, format!("up to {NAME_MAX} bytes without slashes")));
        }
        let target = if options.flag("pty")? {
            Target::Pty
        } else {
            let listen = options.flag("listen")?;
            let path = options.required_path("path")?;
            if listen { Target::Listen(path) } else { Target::Path(path) }
        };
        options.finish()?;
        Ok(Some(Self { name, target }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<Option<PortOptions>, String> {
        PortOptions::parse(given.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_port_has_a_name_and_another_end() {
        let port = |target| Ok(Some(PortOptions { name: "a".into(), target }));
        assert_eq!(parse(""), Ok(None));
        assert_eq!(parse("name=a,path=b"), port(Target::Path("b".into())));
        assert_eq!(parse("listen,name=a,path=b"), port(Target::Listen("b".into())));
        assert_eq!(parse("name=a,pty"), port(Target::Pty));
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("name=a", "path=… is missing"),
            ("path=a", "name=… is missing"),
            ("name=a,pty,path=b", "unknown \"path\""),
            ("name=a,listen", "path=… is missing"),
            ("name=a/b,path=b", "without slashes"),
            ("a", "name=… is missing"),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.contains("--virtio-console") && error.contains(says), "{given}: {error}");
        }
    }
}
