//! Writes a file.

use super::{
    BLOCK_MAX, DROPPED, HEAD, HEADER, Header, MAGIC, NAMES, Names, RECORDS, Ring, SAMPLES, Samples, TRAILER,
    Trailer, VERSION,
};
use serde::Serialize;
use std::io::{self, Write};
use vmm_abi::trace::Record;

/// Writes a file, a block a call. `out` need not be buffered for blocks of many records; for small ones it should be.
pub struct Writer<W> {
    out: W,
}

impl<W: Write> Writer<W> {
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&[0; 4])?;
        let mut this = Self { out };
        this.json(HEADER, header)?;
        Ok(this)
    }

    /// Records of `ring` as they are in memory, [`Record::SIZE`] bytes each.
    pub fn records(&mut self, ring: Ring, records: &[u8]) -> io::Result<()> {
        if !records.len().is_multiple_of(Record::SIZE) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "half a record"));
        }
        records.chunks(BLOCK_MAX as usize).try_for_each(|part| self.block(RECORDS, ring.to_word(), part))
    }

    /// The ring was full: so many records of it are not there, before those that come next.
    pub fn dropped(&mut self, ring: Ring, records: u64) -> io::Result<()> {
        self.block(DROPPED, ring.to_word(), &records.to_le_bytes())
    }

    pub fn names(&mut self, names: &Names) -> io::Result<()> {
        self.json(NAMES, names)
    }

    /// What has been written so far is to be there even if the writer dies.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub fn samples(&mut self, samples: &Samples) -> io::Result<()> {
        self.json(SAMPLES, samples)
    }

    /// The last block.
    pub fn end(mut self, trailer: &Trailer) -> io::Result<W> {
        self.json(TRAILER, trailer)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn json(&mut self, kind: u32, content: &impl Serialize) -> io::Result<()> {
        self.block(kind, 0, &serde_json::to_vec(content)?)
    }

    fn block(&mut self, kind: u32, ring: u32, content: &[u8]) -> io::Result<()> {
        if content.len() as u64 > BLOCK_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "too much for one block"));
        }
        let mut head = [0; HEAD];
        head[..4].copy_from_slice(&kind.to_le_bytes());
        head[4..8].copy_from_slice(&ring.to_le_bytes());
        head[8..].copy_from_slice(&(content.len() as u64).to_le_bytes());
        self.out.write_all(&head)?;
        self.out.write_all(content)
    }
}
