//! The table of fids: the files that a client holds, by the numbers that it gave them.

use crate::share::Node;
use rustix::io::Errno;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

/// What one client may take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Fids. Each holds one file descriptor of this process, and one more while it is open.
    pub fids: usize,
}

/// What a fid has been opened as.
#[derive(Debug)]
pub enum Open {
    File {
        file: OwnedFd,
        writable: bool,
    },
    Folder(OwnedFd),
    /// An extended attribute to be read; with an empty name, the list of all. It is looked at when it is read.
    Xattr(Vec<u8>),
    /// An extended attribute that is being written, and set when the fid is given back.
    NewXattr {
        name: Vec<u8>,
        size: usize,
        flags: u32,
        value: Vec<u8>,
    },
}

/// A file that the client holds.
#[derive(Debug)]
pub struct Fid {
    pub node: Arc<Node>,
    pub open: Option<Open>,
}

impl Fid {
    pub fn new(node: Arc<Node>) -> Self {
        Fid { node, open: None }
    }

    /// The file, if it is open as one.
    pub fn file(&self) -> Result<&OwnedFd, Errno> {
        match &self.open {
            Some(Open::File { file, .. }) => Ok(file),
            Some(Open::Folder(_)) => Err(Errno::ISDIR),
            _ => Err(Errno::BADF),
        }
    }
}

/// Most attributes that may be in the making at once: their values are kept here, up to 64 KiB each.
const MOST_NEW_XATTRS: usize = 16;

/// All of them.
#[derive(Debug)]
pub struct Fids {
    fids: HashMap<u32, Fid>,
    limits: Limits,
}

impl Fids {
    pub fn new(limits: Limits) -> Self {
        Fids { fids: HashMap::new(), limits }
    }

    pub fn clear(&mut self) {
        self.fids.clear();
    }

    pub fn get(&self, number: u32) -> Result<&Fid, Errno> {
        self.fids.get(&number).ok_or(Errno::BADF)
    }

    pub fn get_mut(&mut self, number: u32) -> Result<&mut Fid, Errno> {
        self.fids.get_mut(&number).ok_or(Errno::BADF)
    }

    pub fn node(&self, number: u32) -> Result<&Arc<Node>, Errno> {
        self.get(number).map(|fid| &fid.node)
    }

    /// Whether a number can be given to one more file.
    pub fn check_free(&self, number: u32) -> Result<(), Errno> {
        if number == crate::wire::NO_FID || self.fids.contains_key(&number) {
            Err(Errno::BADF)
        } else if self.fids.len() >= self.limits.fids {
            Err(Errno::MFILE)
        } else {
            Ok(())
        }
    }

    /// Gives a number to a file; it is free, or another file's, which is let go.
    pub fn put(&mut self, number: u32, fid: Fid) {
        self.fids.insert(number, fid);
    }

    pub fn take(&mut self, number: u32) -> Result<Fid, Errno> {
        self.fids.remove(&number).ok_or(Errno::BADF)
    }

    /// Whether one more attribute may be in the making.
    pub fn check_new_xattr(&self) -> Result<(), Errno> {
        let making = |fid: &&Fid| matches!(fid.open, Some(Open::NewXattr { .. }));
        if self.fids.values().filter(making).count() < MOST_NEW_XATTRS { Ok(()) } else { Err(Errno::NOSPC) }
    }
}
