//! `--share tag=NAME,path=FOLDER[,ro]` and `--share tag=NAME,socket=PATH`.

use crate::options::{SubOptionError, SubOptions};
use devices::virtio::p9::Tag;
use std::ffi::OsStr;
use std::path::PathBuf;

/// A folder that the user wants to share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShareOptions {
    /// The name by which the guest knows it.
    pub tag: Tag,
    pub source: Source,
}

/// Where its files come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    Folder {
        path: PathBuf,
        read_only: bool,
    },
    /// A server of 9P2000.L that listens at this socket.
    Server(PathBuf),
}

impl ShareOptions {
    /// Reads what was given to `--share`.
    pub fn parse(given: &OsStr) -> Result<Self, SubOptionError> {
        let mut options = SubOptions::parse("--share", given)?;
        let tag = options.required("tag")?;
        let source = match options.path_of("socket")? {
            Some(socket) => Source::Server(socket),
            None => Source::Folder { path: options.required_path("path")?, read_only: options.flag("ro")? },
        };
        let tag = Tag::new(&tag).map_err(|error| options.bad_value(&tag, format!("a tag: {error}")))?;
        options.finish()?;
        Ok(Self { tag, source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &str) -> Result<ShareOptions, String> {
        ShareOptions::parse(given.as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_has_its_place() {
        let share = |source| Ok(ShareOptions { tag: Tag::new("host").unwrap(), source });
        let folder = |read_only| Source::Folder { path: "/a=b".into(), read_only };
        assert_eq!(parse("tag=host,path=/a=b"), share(folder(false)));
        assert_eq!(parse("ro,path=/a=b,tag=host"), share(folder(true)));
        assert_eq!(parse("socket=/a,tag=host"), share(Source::Server("/a".into())));
    }

    #[test]
    fn mistakes_are_named() {
        for (given, says) in [
            ("", "tag=… is missing"),
            ("tag=t", "path=… is missing"),
            ("path=/", "tag=… is missing"),
            ("tag=,path=/", "tag needs a value"),
            ("tag=t,tag=u,path=/", "tag is given more than once"),
            ("tag=t,path=/,path=/", "path is given more than once"),
            ("tag=t u,path=/", "\"t u\" is not a tag: a tag has 1 to 31 bytes"),
            ("tag=12345678901234567890123456789012,path=/", "1 to 31 bytes"),
            ("tag=t,path=/,ro=yes", "ro is a flag"),
            ("tag=t,path=/,rw", "unknown \"rw\""),
            ("tag=t,socket=/s,path=/", "unknown \"path\""),
            ("tag=t,socket=/s,ro", "unknown \"ro\""),
        ] {
            let error = parse(given).unwrap_err();
            assert!(error.starts_with("--share") && error.contains(says), "{given}: {error}");
        }
    }
}
