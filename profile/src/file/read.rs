//! Reads a file, which may be anybody's: whatever is in it, a reader ends, and needs no more memory than a block has.
//!
//! Of what the records say nothing is checked, not even that there is such an event.

use super::{
    BLOCK_MAX, DROPPED, HEAD, HEADER, Header, MAGIC, NAMES, Names, RECORDS, Ring, SAMPLES, Samples, TRAILER,
    Trailer, VERSION,
};
use serde::de::DeserializeOwned;
use std::io::{self, Read};
use vmm_abi::trace::Record;

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    #[error("is no profile: it does not begin as one that `ukvmm --profile FILE,format=raw` has written")]
    NoProfile,
    #[error("is a profile of version {0}; this ukvmm reads version {VERSION}")]
    Version(u32),
    #[error("is cut off before its first record")]
    NoHeader,
    #[error("is damaged: {what} at offset {at}")]
    Damaged { what: String, at: u64 },
}

/// A part of a file.
#[derive(Clone, PartialEq, Debug)]
pub enum Block {
    /// Records of a ring, in its order.
    Records {
        ring: Ring,
        records: Vec<Record>,
    },
    /// Of this ring so many records are missing here.
    Dropped {
        ring: Ring,
        records: u64,
    },
    Names(Names),
    Samples(Samples),
    /// The last one.
    Trailer(Box<Trailer>),
}

/// Reads a file from its beginning, block by block.
pub struct Reader<R> {
    input: R,
    header: Header,
    /// How much has been read.
    at: u64,
    /// Where the last block's content begins.
    content: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    /// At the end of a file that is complete.
    Complete,
    /// At the end of one that is not.
    CutOff,
}

impl<R: Read> Reader<R> {
    /// Reads the header.
    pub fn new(mut input: R) -> Result<Self, ReadError> {
        let mut start = [0; 16];
        let length = fill(&mut input, &mut start)?;
        let (magic, rest) = start.split_at(MAGIC.len());
        if length < MAGIC.len() || magic != MAGIC {
            return Err(ReadError::NoProfile);
        }
        if length < start.len() {
            return Err(ReadError::NoHeader);
        }
        let version = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]);
        if version != VERSION {
            return Err(ReadError::Version(version));
        }
        let mut this = Self { input, header: Header::default(), at: 16, content: 16, state: State::Open };
        let at = this.at;
        match this.block()? {
            _ if this.state == State::CutOff => return Err(ReadError::NoHeader),
            Some((HEADER, _, content)) => this.header = json("the header", at, &content)?,
            Some(_) => return Err(ReadError::Damaged { what: "there is no header".into(), at }),
            None => return Err(ReadError::NoHeader),
        }
        Ok(this)
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the trailer has been read. If there are no more blocks and it has not, the writer was stopped.
    pub fn is_complete(&self) -> bool {
        self.state == State::Complete
    }

    /// Bytes that have been read.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// Offset of the content of the block that was read last.
    pub fn content(&self) -> u64 {
        self.content
    }

    /// The next block. Of a file that was cut off, all that there is.
    pub fn next_block(&mut self) -> Result<Option<Block>, ReadError> {
        while self.state == State::Open {
            let at = self.at;
            let Some((kind, ring, content)) = self.block()? else { break };
            let unknown = || ReadError::Damaged { what: format!("unknown ring {ring:#x}"), at };
            let ring = || Ring::from_word(ring).ok_or_else(unknown);
            match kind {
                RECORDS => return Ok(Some(Block::Records { ring: ring()?, records: records(&content) })),
                // A block that was cut off is no JSON any more, and no number.
                _ if self.state == State::CutOff => break,
                DROPPED => {
                    let short = || ReadError::Damaged { what: "a number is cut off".into(), at };
                    let records = u64::from_le_bytes(*content.first_chunk().ok_or_else(short)?);
                    return Ok(Some(Block::Dropped { ring: ring()?, records }));
                }
                NAMES => return Ok(Some(Block::Names(json("names", at, &content)?))),
                SAMPLES => return Ok(Some(Block::Samples(json("samples", at, &content)?))),
                TRAILER => {
                    let trailer = json("the trailer", at, &content)?;
                    self.state = State::Complete;
                    return Ok(Some(Block::Trailer(Box::new(trailer))));
                }
                HEADER => return Err(ReadError::Damaged { what: "a second header".into(), at }),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Kind, ring and content of the next block, as far as it is there; `None` at the end.
    fn block(&mut self) -> Result<Option<(u32, u32, Vec<u8>)>, ReadError> {
        let at = self.at;
        let mut head = [0; HEAD];
        let length = fill(&mut self.input, &mut head)?;
        self.at += length as u64;
        if length < HEAD {
            self.state = State::CutOff;
            return Ok(None);
        }
        let word =
            |from: usize| u32::from_le_bytes([head[from], head[from + 1], head[from + 2], head[from + 3]]);
        let size = u64::from(word(8)) | u64::from(word(12)) << 32;
        if size > BLOCK_MAX {
            return Err(ReadError::Damaged { what: format!("a block of {size} bytes"), at });
        }
        self.content = self.at;
        let mut content = Vec::new();
        let read = (&mut self.input).take(size).read_to_end(&mut content)?;
        self.at += read as u64;
        if (read as u64) < size {
            self.state = State::CutOff;
        }
        Ok(Some((word(0), word(4), content)))
    }
}

/// The whole ones of these bytes.
pub fn records(content: &[u8]) -> Vec<Record> {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let record = |bytes: &[u8; Record::SIZE]| match bytes.as_chunks().0 {
        [tag, thread, tsc, argument] => {
            Record::from_words([word(tag), word(thread), word(tsc), word(argument)])
        }
        _ => Record::default(),
    };
    content.as_chunks().0.iter().map(record).collect()
}

fn json<T: DeserializeOwned>(what: &str, at: u64, content: &[u8]) -> Result<T, ReadError> {
    serde_json::from_slice(content)
        .map_err(|error| ReadError::Damaged { what: format!("{what} ({error})"), at })
}

/// Reads until `buffer` is full or the input ends; returns how much.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match input.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
