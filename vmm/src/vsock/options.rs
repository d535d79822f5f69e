//! `--vsock cid=N,path=SOCKET[,via=SOCKET]`.

use crate::options::{SubOptionError, SubOptions};
use devices::virtio::vsock::Cid;
use std::ffi::OsStr;
use std::path::PathBuf;

/// The socket device that the user wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct VsockOptions {
    /// The guest's address.
    pub cid: Cid,
    /// Where programs of the host connect; with `_` and a number behind it, where they listen.
    pub path: PathBuf,
    /// Where somebody listens for all that the guest connects to, in place of those sockets with numbers.
    pub via: Option<PathBuf>,
}

impl VsockOptions {
    /// Reads what was given to `--vsock`.
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--vsock", given)?;
        let number = options.required("cid")?;
        let path = options.required_path("path")?;
        let via = options.path_of("via")?;
        let wrong = |why: &str| options.bad_value(&number, format!("an address: {why}"));
        let cid = number.parse().map_err(|_| wrong("a number is needed"))?;
        let cid = Cid::new(cid).map_err(|error| wrong(&error.to_string()))?;
        options.finish()?;
        Ok(Self { cid, path, via })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<VsockOptions, String> {
        VsockOptions::parse(given.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_its_place() {
        let wanted = VsockOptions { cid: Cid::new(3).unwrap(), path: "/run/a=b".into(), via: None };
        assert_eq!(parse("path=/run/a=b,cid=3"), Ok(wanted.clone()));
        let via = Some("/run/c".into());
        assert_eq!(parse("path=/run/a=b,cid=3,via=/run/c"), Ok(VsockOptions { via, ..wanted }));
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("cid=3", "path=… is missing"),
            ("path=s", "cid=… is missing"),
            ("cid=2,path=s", "3 to 4294967294"),
            ("cid=4294967296,path=s", "a number is needed"),
            ("cid=x,path=s", "\"x\" is not an address"),
            ("cid=3,path=s,ro", "unknown \"ro\""),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("--vsock") && error.contains(says), "{given}: {error}");
        }
    }
}
