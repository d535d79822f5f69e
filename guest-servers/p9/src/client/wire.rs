//! Fields in messages.
//!
//! Fields are written where the message lies. Of an answer the part that is not bulk data is copied out first: the
//! memory is shared, and what was checked must be what is used.

use super::channel::Channel;
use super::error::Error;
use super::kind::HEADER;

/// A request that is being written.
pub struct Writer<'a, C> {
    channel: &'a mut C,
    at: usize,
    kind: u8,
    tag: u16,
}

impl<'a, C: Channel> Writer<'a, C> {
    pub fn new(channel: &'a mut C, kind: u8, tag: u16) -> Self {
        Self { channel, at: HEADER, kind, tag }
    }

    pub fn bytes(self, bytes: &[u8]) -> Self {
        self.channel.put(self.at, bytes);
        Self { at: self.at + bytes.len(), ..self }
    }
    pub fn u16(self, value: u16) -> Self {
        self.bytes(&value.to_le_bytes())
    }
    pub fn u32(self, value: u32) -> Self {
        self.bytes(&value.to_le_bytes())
    }
    pub fn u64(self, value: u64) -> Self {
        self.bytes(&value.to_le_bytes())
    }
    /// A string; one that has no room in a message makes the message too long, which [`Self::finish`] finds.
    pub fn text(self, text: &str) -> Self {
        self.u16(text.len() as u16).bytes(text.as_bytes())
    }

    /// The message's length.
    pub fn finish(self) -> Result<usize, Error> {
        let (at, room) = (self.at, self.channel.room());
        let len = u32::try_from(at).ok().filter(|_| at <= room).ok_or(Error::BadName)?;
        self.channel.put(0, &len.to_le_bytes());
        self.channel.put(4, &[self.kind]);
        self.channel.put(5, &self.tag.to_le_bytes());
        Ok(at)
    }
}

/// Fields of an answer.
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let (head, rest) = self.bytes.split_at_checked(len).ok_or(Error::Garbled)?;
        self.bytes = rest;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or(Error::Garbled)?;
        self.bytes = rest;
        Ok(*head)
    }
    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(u8::from_le_bytes)
    }
    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_le_bytes)
    }
    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }
    pub fn u64(&mut self) -> Result<u64, Error> {
        self.array().map(u64::from_le_bytes)
    }
    /// A string's bytes: a name on Linux need not be text.
    pub fn text(&mut self) -> Result<&'a [u8], Error> {
        let len = self.u16()?;
        self.bytes(len.into())
    }
    pub fn qid(&mut self) -> Result<Qid, Error> {
        Ok(Qid { kind: self.u8()?, version: self.u32()?, path: self.u64()? })
    }
}

/// What a file is known by: its inode number, and something that changes with its contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Qid {
    pub kind: u8,
    pub version: u32,
    pub path: u64,
}

impl Qid {
    /// Bytes in a message.
    pub const SIZE: usize = 13;
    const DIRECTORY: u8 = 0x80;
    const SYMLINK: u8 = 0x02;

    pub const fn is_directory(&self) -> bool {
        self.kind & Self::DIRECTORY != 0
    }
    pub const fn is_symlink(&self) -> bool {
        self.kind & Self::SYMLINK != 0
    }
}
