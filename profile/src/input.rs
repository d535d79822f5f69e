//! A file, as an analysis wants it: each ring by itself, and no more of it in memory than a little.
//!
//! In the file the rings' records lie one behind the other as they were collected. The first pass notes where; then each ring is read from there on, at the pace of the others.

use crate::file::{Block, Header, ReadError, Reader, Ring, Trailer, records};
use crate::merge::Entry;
use crate::names::NameBook;
use crate::stacks::Stacks;
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
    pub stacks: Stacks,
    rings: BTreeMap<Ring, VecDeque<Part>>,
    file: RefCell<F>,
    /// What went wrong while a ring was read.
    problem: RefCell<Option<io::Error>>,
}

/// What comes next in a ring.
#[derive(Clone, Copy, Debug)]
enum Part {
    /// Records that lie side by side in the file.
    Records {
        at: u64,
        count: u64,
    },
    Lost(u64),
}

impl<F: Read + Seek> Input<F> {
    /// Goes through the file, which is read from its beginning.
    pub fn open(mut file: F) -> Result<Self, ReadError> {
        file.rewind()?;
        let mut reader = Reader::new(BufReader::new(&mut file))?;
        let header = reader.header().clone();
        let (mut trailer, mut names, mut rings) = (None, NameBook::default(), BTreeMap::new());
        let mut stacks = Stacks::default();
        let mut parts = 0;
        while let Some(block) = reader.next_block()? {
            let (ring, part) = match block {
                Block::Records { ring, records } => {
                    (ring, Part::Records { at: reader.content(), count: records.len() as u64 })
                }
                Block::Dropped { ring, records } => (ring, Part::Lost(records)),
                Block::Names(more) => {
                    names.add(more);
                    continue;
                }
                Block::Samples(more) => {
                    stacks.add(more);
                    continue;
                }
                Block::Trailer(end) => {
                    trailer = Some(*end);
                    continue;
                }
            };
            parts += 1;
            if parts <= PARTS {
                let parts: &mut VecDeque<Part> = rings.entry(ring).or_default();
                parts.push_back(part);
            }
        }
        let (file, problem) = (RefCell::new(file), RefCell::new(None));
        Ok(Self { header, trailer, names, stacks, rings, file, problem })
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

    fn read(&self, at: u64, count: u64) -> io::Result<Vec<Record>> {
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; count as usize * Record::SIZE];
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
    /// The next record, or how many are said to be missing before it.
    fn part(&mut self) -> Option<Result<Record, u64>> {
        loop {
            if let Some(record) = self.chunk.next() {
                return Some(Ok(record));
            }
            let (at, count) = match self.parts.pop_front()? {
                Part::Lost(lost) => return Some(Err(lost)),
                Part::Records { at, count } => (at, count),
            };
            let now = count.min(CHUNK);
            if now < count {
                let rest = Part::Records { at: at + now * Record::SIZE as u64, count: count - now };
                self.parts.push_front(rest);
            }
            match self.input.read(at, now) {
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
        let record = match self.part()? {
            Ok(record) => record,
            Err(lost) => return Some(Entry::Lost(lost)),
        };
        let sequence = record.sequence();
        // The first of a ring is number 1. Dropped ones have no numbers.
        let last = self.last.replace(sequence).unwrap_or(0);
        let missing = sequence.wrapping_sub(last).wrapping_sub(1);
        if missing == 0 {
            return Some(Entry::Record(record));
        }
        self.waiting = Some(record);
        Some(Entry::Lost(missing.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::{Names, Writer};
    use std::io::Cursor;
    use vmm_abi::trace::Event;

    fn bytes(numbers: std::ops::Range<u64>) -> Vec<u8> {
        let record = |n| Record::new(Event::EXIT, 0, n, 0, n * 10, 0);
        numbers.map(record).flat_map(Record::to_words).flat_map(u64::to_le_bytes).collect()
    }

    /// Of a ring: the numbers of its records, and how many are missing where.
    fn entries(input: &Input<Cursor<Vec<u8>>>, ring: Ring) -> Vec<Result<u32, u64>> {
        let (_, entries) = input.rings().into_iter().find(|(found, _)| *found == ring).unwrap();
        entries
            .map(|entry| match entry {
                Entry::Record(record) => Ok(record.sequence()),
                Entry::Lost(lost) => Err(lost),
            })
            .collect()
    }

    #[test]
    fn rings_are_read_side_by_side_with_their_holes() {
        let mut writer = Writer::new(Vec::new(), &Header::default()).unwrap();
        let (one, other) = (Ring::Cpu(0), Ring::User(3));
        writer.records(one, &bytes(1..3)).unwrap();
        writer.records(other, &bytes(2..3)).unwrap();
        writer.dropped(one, 7).unwrap();
        writer.names(&Names { tsc: 0, tasks: [(3, "x".into())].into() }).unwrap();
        writer.records(one, &bytes(3..5)).unwrap();
        writer.records(one, &bytes(9..10)).unwrap();
        let file = writer.end(&Trailer::default()).unwrap();
        let input = Input::open(Cursor::new(file)).unwrap();
        assert_eq!(entries(&input, one), [Ok(1), Ok(2), Err(7), Ok(3), Ok(4), Err(4), Ok(9)]);
        assert_eq!(entries(&input, other), [Err(1), Ok(2)]);
        assert_eq!(input.names.task(3, 0), Some("x"));
        assert!(input.trailer.is_some() && input.check().is_ok());
    }

    #[test]
    fn many_records_come_in_their_order() {
        let mut writer = Writer::new(Vec::new(), &Header::default()).unwrap();
        let count = 2 * CHUNK + 5;
        writer.records(Ring::Cpu(0), &bytes(1..count + 1)).unwrap();
        let input = Input::open(Cursor::new(writer.end(&Trailer::default()).unwrap())).unwrap();
        assert!(entries(&input, Ring::Cpu(0)).into_iter().eq((1..=count as u32).map(Ok)));
    }
}
