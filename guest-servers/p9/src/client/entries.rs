//! Names in a folder, as `READDIR` tells them.

use super::error::Error;
use super::wire::{Qid, Reader};

/// A name and what it stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub qid: Qid,
    /// Where to go on after this entry.
    pub next: u64,
    /// `d_type` of `getdents64`.
    pub kind: u8,
    /// Not always text: bytes without NUL and `/`.
    pub name: &'a [u8],
}

/// Entries in an answer.
pub struct Entries<'a>(Reader<'a>);

impl<'a> Entries<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(Reader::new(bytes))
    }

    fn entry(&mut self) -> Result<Entry<'a>, Error> {
        let r = &mut self.0;
        let entry = Entry { qid: r.qid()?, next: r.u64()?, kind: r.u8()?, name: r.text()? };
        if entry.name.is_empty() || entry.name.iter().any(|b| matches!(b, 0 | b'/')) {
            return Err(Error::Garbled);
        }
        Ok(entry)
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, Error>;

    /// After an error there is nothing more.
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let entry = self.entry();
        if entry.is_err() {
            self.0 = Reader::new(&[]);
        }
        Some(entry)
    }
}
