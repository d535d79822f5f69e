//! The folder behind a share: found, opened.

use super::ShareOptions;
use devices::virtio::p9::Tag;
use p9fs::{OpenError, Share};
use std::path::PathBuf;
use vmm_abi::exit;

/// What is wrong with a share.
#[derive(Debug, thiserror::Error)]
pub enum ShareError {
    #[error("share {}: {problem}", path.display())]
    Folder { path: PathBuf, problem: OpenError },
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
    pub share: Share,
    pub path: PathBuf,
    pub read_only: bool,
}

impl Folder {
    /// Opens all folders.
    pub fn open_all(wanted: Vec<ShareOptions>) -> Result<Vec<Self>, ShareError> {
        let mut folders: Vec<Self> = Vec::new();
        for ShareOptions { tag, path, read_only } in wanted {
            if folders.iter().any(|other| other.tag == tag) {
                return Err(ShareError::SameTag(tag));
            }
            match Share::open(&path, read_only) {
                Ok(share) => folders.push(Self { tag, share, path, read_only }),
                Err(problem) => return Err(ShareError::Folder { path, problem }),
            }
        }
        Ok(folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(wanted: &[&str]) -> Result<Vec<Folder>, ShareError> {
        Folder::open_all(wanted.iter().map(|given| ShareOptions::parse(given.as_ref()).unwrap()).collect())
    }

    #[test]
    fn folders_are_opened_in_turn() {
        let folders = open(&["tag=a,path=/", "tag=b,path=/,ro"]).unwrap();
        assert_eq!(folders.iter().map(|folder| folder.tag.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn what_cannot_be_shared_is_named() {
        for (wanted, says, status) in [
            (&["tag=a,path=/absent"][..], "share /absent: there is no such folder", exit::NOT_FOUND),
            (&["tag=a,path=/proc/self/status"], "share /proc/self/status: it is not a folder", exit::VMM),
            (&["tag=a,path=/", "tag=a,path=/proc"], "the tag \"a\" is given more than once", exit::VMM),
        ] {
            let error = open(wanted).unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.status(), status);
        }
    }
}
