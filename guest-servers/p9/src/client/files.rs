//! What is open: enough to open it again.

use super::error::Error;
use super::kind::{self, open};
use alloc::string::String;
use alloc::vec::Vec;

/// An open file or folder of a session. Valid until it is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct File {
    pub(super) index: usize,
    /// Tells this file from one that had the same place before it.
    pub(super) serial: u64,
}

/// An entry of the table.
pub(super) struct Open {
    serial: u64,
    pub path: String,
    pub flags: u32,
    /// Why it could not be opened again.
    pub stale: Option<u32>,
}

/// All that is open. The place in the table is the fid, less one.
#[derive(Default)]
pub(super) struct Files {
    table: Vec<Option<Open>>,
    serial: u64,
}

/// The fid for what is walked to and not opened.
pub(super) const SCRATCH_FID: u32 = kind::ROOT_FID + 1;
const FIRST_FID: u32 = SCRATCH_FID + 1;
/// More files than this are not open at once.
const MAX: usize = 1 << 16;

impl Files {
    /// A place for a file that is to be opened, and its fid.
    pub fn free(&mut self) -> Result<(usize, u32), Error> {
        let index = match self.table.iter().position(Option::is_none) {
            Some(index) => index,
            None => {
                self.table.try_reserve(1).map_err(|_| Error::NoMemory)?;
                self.table.push(None);
                self.table.len() - 1
            }
        };
        if index < MAX { Ok((index, fid(index))) } else { Err(Error::NoMemory) }
    }

    /// Notes that the file of this place is open. What makes or empties a file is not done again.
    pub fn opened(&mut self, index: usize, path: &str, flags: u32) -> Result<File, Error> {
        let mut copy = String::new();
        copy.try_reserve_exact(path.len()).map_err(|_| Error::NoMemory)?;
        copy.push_str(path);
        self.serial += 1;
        let flags = flags & !(open::CREATE | open::EXCLUSIVE | open::TRUNCATE);
        let place = self.table.get_mut(index).ok_or(Error::NoMemory)?;
        *place = Some(Open { serial: self.serial, path: copy, flags, stale: None });
        Ok(File { index, serial: self.serial })
    }

    /// The fid of an open file.
    pub fn fid(&self, file: File) -> Result<u32, Error> {
        match self.table.get(file.index) {
            Some(Some(open)) if open.serial == file.serial => match open.stale {
                None => Ok(fid(file.index)),
                Some(errno) => Err(Error::Stale(errno)),
            },
            _ => Err(Error::Refused(EBADF)),
        }
    }

    /// Forgets a file; whether there was one that the server knows.
    pub fn remove(&mut self, file: File) -> bool {
        let known = self.fid(file).is_ok();
        let is = |o: &Open| o.serial == file.serial;
        if let Some(place) = self.table.get_mut(file.index)
            && place.as_ref().is_some_and(is)
        {
            *place = None;
        }
        known
    }

    /// All open files with their fids.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Open)> {
        self.table.iter_mut().enumerate().filter_map(|(i, o)| Some((fid(i), o.as_mut()?)))
    }
}

/// A file that is not open.
const EBADF: u32 = 9;

fn fid(index: usize) -> u32 {
    FIRST_FID + index as u32
}
