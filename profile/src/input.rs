//! A file, as an analysis wants it: each ring by itself, and no more of it in memory than a little.
//!
//! In the file the rings' records lie one behind the other as they were collected. The first pass notes where; then each ring is read from there on, at the pace of the others.

use crate::file::{Block, Header, ReadError, Reader, Ring, Trailer, records};
use crate::merge::Entry;
use crate::names::NameBook;
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use vmm_abi::trace::Record;

/// Records of a ring that are in memory at a time.
const CHUNK: u64 = 4096;
/// Parts of rings that a file may have; an hour of the host's looking at 72 rings every 10 ms. What is beyond is not looked at.
const PARTS: usize = 1 << 25;

/// A file that has been gone through once.
pub struct Input<F> {
    pub header: Header,
    /// `None` of a file that was cut off.
    pub trailer: Option<Trailer>,
    pub names: NameBook,
    rings: BTreeMap<Ring, VecDeque<Part>>,
    file: RefCell<F>,
    /// What went wrong while a ring was read.
    problem: RefCell<Option<io::Error>>,
}

/// Records of a ring that lie side by side in the file.
#[derive(Clone, Copy, Debug)]
struct Part {
    at: u64,
    records: u64,
}

impl<F: Read + Seek> Input<F> {
    /// Goes through the file, which is read from its beginning.
    pub fn open(mut file: F) -> Result<Self, ReadError> {
        file.rewind()?;
        let mut reader = Reader::new(BufReader::new(&mut file))?;
        let header = reader.header().clone();
        let (mut trailer, mut names, mut rings) = (None, NameBook::default(), BTreeMap::new());
        let mut parts = 0;
        while let Some(block) = reader.next_block()? {
            match block {
                Block::Records { ring, records } if !records.is_empty() && parts < PARTS => {
                    parts += 1;
                    let count = records.len() as u64;
                    let parts: &mut VecDeque<Part> = rings.entry(ring).or_default();
                    parts.push_back(Part { at: reader.content(), records: count });
                }
                Block::Records { .. } => {}
                Block::Names(more) => names.add(more),
                Block::Trailer(end) => trailer = Some(*end),
            }
        }
        let (file, problem) = (RefCell::new(file), RefCell::new(None));
        Ok(Self { header, trailer, names, rings, file, problem })
    }

    /// The rings and what is in them. If something cannot be read, that ring ends there, and [`Self::check`] says why.
    pub fn rings(&self) -> Vec<(Ring, Entries<'_, F>)> {
        let entries = |parts: &VecDeque<Part>| Entries {
            input: self,
            parts: parts.clone(),
            chunk: Vec::new().into_iter(),
            last: None,
            waiting: None,
        };
        self.rings.iter().map(|(ring, parts)| (*ring, entries(parts))).collect()
    }

    /// Whether all that was asked for could be read.
    pub fn check(&self) -> io::Result<()> {
        self.problem.take().map_or(Ok(()), Err)
    }

    fn read(&self, part: Part) -> io::Result<Vec<Record>> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(part.at))?;
        let mut bytes = vec![0; part.records as usize * Record::SIZE];
        file.read_exact(&mut bytes)?;
        Ok(records(&bytes))
    }
}

/// What is in a ring. A record whose number does not follow that of the one before tells that some are missing.
pub struct Entries<'a, F> {
    input: &'a Input<F>,
    parts: VecDeque<Part>,
    chunk: std::vec::IntoIter<Record>,
    /// Sequence number of the last record.
    last: Option<u32>,
    /// A record that comes behind a gap.
    waiting: Option<Record>,
}

impl<F: Read + Seek> Entries<'_, F> {
    fn record(&mut self) -> Option<Record> {
        loop {
            if let Some(record) = self.chunk.next() {
                return Some(record);
            }
            let part = self.parts.front_mut()?;
            let now = Part { at: part.at, records: part.records.min(CHUNK) };
            part.at += now.records * Record::SIZE as u64;
            part.records -= now.records;
            if part.records == 0 {
                self.parts.pop_front();
            }
            match self.input.read(now) {
                Ok(records) => self.chunk = records.into_iter(),
                Err(problem) => {
                    self.input.problem.borrow_mut().get_or_insert(problem);
                    self.parts.clear();
                }
            }
        }
    }
}

impl<F: Read + Seek> Iterator for Entries<'_, F> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if let Some(record) = self.waiting.take() {
            return Some(Entry::Record(record));
        }
        let record = self.record()?;
        let sequence = record.sequence();
        let missing = match self.last.replace(sequence) {
            Some(last) => sequence.wrapping_sub(last).wrapping_sub(1),
            // The first of a ring is number 1.
            None => sequence.wrapping_sub(1),
        };
        if missing == 0 {
            return Some(Entry::Record(record));
        }
        self.waiting = Some(record);
        Some(Entry::Lost(missing.into()))
    }
}
