//! What is behind a share: found, opened.

use super::ShareOptions;
use super::options::Source;
use devices::virtio::p9::Tag;
use p9fs::{OpenError, Share};
use std::io;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use vmm_abi::exit;

/// What is wrong with a share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error("share {}: {problem}", path.display())]
    Folder { path: PathBuf, problem: OpenError },
    #[error("--share: the server at the socket {}: {source}", path.display())]
    Server { path: PathBuf, source: io::Error },
    #[error("--share: the tag {:?} is given more than once; the guest could not tell the folders apart", .0.as_str())]
    SameTag(Tag),
}

impl ShareError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::Folder { problem: OpenError::Missing, .. } => exit::NOT_FOUND,
            _ => exit::VMM,
        }
    }
}

/// A folder that is shared, and what the guest calls it.
#[derive(Debug)]
pub struct Folder {
    pub tag: Tag,
    pub files: Files,
    /// The folder, or the socket.
    pub path: PathBuf,
}

/// The files themselves.
#[derive(Debug)]
pub enum Files {
    Ours { share: Share, read_only: bool },
    Served(UnixStream),
}

impl Folder {
    /// Opens all folders.
    pub fn open_all(wanted: Vec<ShareOptions>) -> Result<Vec<Self>, ShareError> {
        let mut folders: Vec<Self> = Vec::new();
        for ShareOptions { tag, source } in wanted {
            if folders.iter().any(|other| other.tag == tag) {
                return Err(ShareError::SameTag(tag));
            }
            let (files, path) = open(source)?;
            folders.push(Self { tag, files, path });
        }
        Ok(folders)
    }
}

fn open(source: Source) -> Result<(Files, PathBuf), ShareError> {
    match source {
        Source::Folder { path, read_only } => match Share::open(&path, read_only) {
            Ok(share) => Ok((Files::Ours { share, read_only }, path)),
            Err(problem) => Err(ShareError::Folder { path, problem }),
        },
        Source::Server(path) => match UnixStream::connect(&path) {
            Ok(stream) => Ok((Files::Served(stream), path)),
            Err(source) => Err(ShareError::Server { path, source }),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open_all(wanted: &[&str]) -> Result<Vec<Folder>, ShareError> {
        Folder::open_all(wanted.iter().map(|given| ShareOptions::parse(given.as_ref()).unwrap()).collect())
    }

    #[test]
    fn folders_are_opened_in_turn() {
        let folders = open_all(&["tag=a,path=/", "tag=b,path=/,ro"]).unwrap();
        assert_eq!(folders.iter().map(|folder| folder.tag.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_shared_is_named() {
        for (wanted, says, status) in [
            (&["tag=a,path=/absent"][..], "share /absent: there is no such folder", exit::NOT_FOUND),
            (&["tag=a,path=/proc/self/status"], "share /proc/self/status: it is not a folder", exit::VMM),
            (&["tag=a,socket=/absent"], "the server at the socket /absent: No such file", exit::VMM),
            (&["tag=a,path=/", "tag=a,path=/proc"], "the tag \"a\" is given more than once", exit::VMM),
        ] {
            let error = open_all(wanted).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.status(), status);
        }
    }
}
