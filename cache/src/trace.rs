//! Files of addresses, as the plugin of the lab's QEMU writes them (`xtask/plugin/trace.c`; docs/cache.md has the format).
//!
//! Addresses are those of the machine's memory, so that what two address spaces share is the same, and what they do not is not.

use std::io::{self, Read};

/// A file begins with it.
pub const MAGIC: [u8; 8] = *b"ukvmtrc1";
const RECORD: usize = 8;
const ADDRESS_BITS: u32 = 48;

/// Who executes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    User,
    Kernel,
    /// The machine's host.
    Host,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Fetch,
    Load,
    Store,
}

/// `size` bytes from `address` on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Access {
    pub kind: Kind,
    pub who: Who,
    pub address: u64,
    pub size: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Record {
    Access(Access),
    /// CR3 has been written: what is executed in user mode from now on is perhaps another program.
    NewSpace,
    RoundBegins,
    /// All rounds of a metric have been made.
    MetricEnds,
    /// There was more than the file was to have.
    Cut,
}

#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    #[error("is no trace of memory accesses")]
    Magic,
    #[error("ends within a record")]
    Short,
    #[error("has a record that means nothing, {0:#018x}")]
    Record(u64),
    #[error("has accesses of no round")]
    NoRound,
    #[error("has no whole round")]
    Empty,
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
}

/// Reads a file, record by record. Behind an error nothing more comes.
pub struct Trace<R> {
    from: R,
    failed: bool,
}

impl<R: Read> Trace<R> {
    pub fn new(mut from: R) -> Result<Self, TraceError> {
        let mut magic = [0; MAGIC.len()];
        match from.read_exact(&mut magic) {
            Ok(()) if magic == MAGIC => Ok(Self { from, failed: false }),
            Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => Err(error.into()),
            _ => Err(TraceError::Magic),
        }
    }

    fn read(&mut self) -> Result<Option<Record>, TraceError> {
        let mut bytes = [0; RECORD];
        let mut have = 0;
        while have < RECORD {
            match self.from.read(&mut bytes[have..]) {
                Ok(0) if have == 0 => return Ok(None),
                Ok(0) => return Err(TraceError::Short),
                Ok(more) => have += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        parse(u64::from_le_bytes(bytes)).map(Some)
    }
}

impl<R: Read> Iterator for Trace<R> {
    type Item = Result<Record, TraceError>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let read = self.read();
        self.failed = read.is_err();
        read.transpose()
    }
}

/// Bits 0 to 47: address; 48 to 55: size; 56 to 59: what; 60 to 63: who.
fn parse(word: u64) -> Result<Record, TraceError> {
    let meaningless = || TraceError::Record(word);
    let access = |kind| {
        let who = match word >> 60 {
            0 => Who::User,
            1 => Who::Kernel,
            2 => Who::Host,
            _ => return Err(meaningless()),
        };
        let (address, size) = (word & ((1 << ADDRESS_BITS) - 1), (word >> ADDRESS_BITS) as u8);
        if size == 0 {
            return Err(meaningless());
        }
        Ok(Record::Access(Access { kind, who, address, size }))
    };
    match word >> 56 & 0xf {
        0 => access(Kind::Fetch),
        1 => access(Kind::Load),
        2 => access(Kind::Store),
        3 => Ok(Record::NewSpace),
        4 => Ok(Record::RoundBegins),
        5 => Ok(Record::MetricEnds),
        6 => Ok(Record::Cut),
        _ => Err(meaningless()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(words: &[u64]) -> Vec<u8> {
        words.iter().fold(MAGIC.to_vec(), |mut file, word| {
            file.extend(word.to_le_bytes());
            file
        })
    }

    fn read(bytes: &[u8]) -> Result<Vec<Record>, TraceError> {
        Trace::new(bytes)?.collect()
    }

    #[test]
    fn records_are_read() {
        let words =
            [4 << 56, 0x1_u64 << 60 | 3 << 48 | 0x1000, 1 << 56 | 8 << 48 | 7, 3 << 56, 5 << 56, 6 << 56];
        let fetch = Access { kind: Kind::Fetch, who: Who::Kernel, address: 0x1000, size: 3 };
        let load = Access { kind: Kind::Load, who: Who::User, address: 7, size: 8 };
        let expected = [
            Record::RoundBegins,
            Record::Access(fetch),
            Record::Access(load),
            Record::NewSpace,
            Record::MetricEnds,
            Record::Cut,
        ];
        assert_eq!(read(&file(&words)).unwrap(), expected);
    }

    #[test]
    fn what_is_no_trace_is_refused() {
        assert!(matches!(read(b""), Err(TraceError::Magic)));
        assert!(matches!(read(b"ukvmtrc2........"), Err(TraceError::Magic)));
        let whole = file(&[4 << 56]);
        assert!(matches!(read(&whole[..whole.len() - 1]), Err(TraceError::Short)));
        for wrong in [7 << 56, 0xf << 56, 3 << 60 | 1 << 48, 0] {
            assert!(
                matches!(read(&file(&[wrong])), Err(TraceError::Record(word)) if word == wrong),
                "{wrong:#x}"
            );
        }
    }

    #[test]
    fn nothing_comes_behind_an_error() {
        let bytes = file(&[7 << 56, 4 << 56]);
        let mut trace = Trace::new(&bytes[..]).unwrap();
        assert!(trace.next().unwrap().is_err() && trace.next().is_none());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut file = MAGIC.to_vec();
            file.extend(bytes);
            let _ = read(&file);
        }
    }
}
