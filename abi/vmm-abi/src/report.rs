//! What a debugger asks the Linux server while the machine stands still.
//!
//! The server has a function of the name [`SYMBOL`]: `len = ukvmm_report(request, request_len, answer, answer_max)`. It is never called in the machine.
//! `ukvmm` runs it on a copy of the server's memory. The question is always about a file, because there is one for everything:
//! `/proc` has the processes.

/// ELF symbol of the function.
pub const SYMBOL: &str = "ukvmm_report";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Operation {
    /// Bytes of a regular file, from an offset on.
    Read = 1,
    /// Entries of a folder, from a position on: 0, or what an answer has said. The bytes are [`Entry`]s.
    List = 2,
    /// Where a symbolic link leads.
    Link = 3,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Read, Self::List, Self::Link];
}

/// The question. Path as the process `process` sees it, with its root and current folder; if there is no such process, as the server does.
///
/// ```text
/// 0          4         8        16
/// operation  process   offset   path
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request<'a> {
    pub operation: Operation,
    pub process: u32,
    pub offset: u64,
    pub path: &'a [u8],
}

impl<'a> Request<'a> {
    /// What stands before the path.
    pub fn header(&self) -> [u8; 16] {
        let mut header = [0; 16];
        header[..4].copy_from_slice(&(self.operation as u32).to_le_bytes());
        header[4..8].copy_from_slice(&self.process.to_le_bytes());
        header[8..].copy_from_slice(&self.offset.to_le_bytes());
        header
    }

    pub fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (operation, rest) = split_u32(bytes)?;
        let (process, rest) = split_u32(rest)?;
        let (offset, path) = split_u64(rest)?;
        let operation = Operation::ALL.into_iter().find(|o| *o as u32 == operation)?;
        Some(Self { operation, process, offset, path })
    }
}

/// What stands before the bytes of an answer.
///
/// ```text
/// 0       4       8       16      24
/// error   mode    size    next    bytes
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Answer {
    /// Linux's error number; 0: none.
    pub error: u32,
    /// `st_mode` and `st_size` of the file.
    pub mode: u32,
    pub size: u64,
    /// Where to go on; what was asked for, if there is no more.
    pub next: u64,
}

impl Answer {
    pub const SIZE: usize = 24;

    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.error.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.mode.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.size.to_le_bytes());
        bytes[16..].copy_from_slice(&self.next.to_le_bytes());
        bytes
    }

    /// And the bytes.
    pub fn decode(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (error, rest) = split_u32(bytes)?;
        let (mode, rest) = split_u32(rest)?;
        let (size, rest) = split_u64(rest)?;
        let (next, rest) = split_u64(rest)?;
        Some((Self { error, mode, size, next }, rest))
    }
}

/// A name in a folder: its length in 4 bytes, the S_IFMT bits of its mode in 4, and the name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    pub mode: u32,
    pub name: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Puts it to the front of `out`, if it fits; the rest of `out` then.
    pub fn put<'o>(&self, out: &'o mut [u8]) -> Option<&'o mut [u8]> {
        let (front, rest) = out.split_at_mut_checked(8 + self.name.len())?;
        front[..4].copy_from_slice(&(self.name.len() as u32).to_le_bytes());
        front[4..8].copy_from_slice(&self.mode.to_le_bytes());
        front[8..].copy_from_slice(self.name);
        Some(rest)
    }

    /// The first of several, and the others.
    pub fn split(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (len, rest) = split_u32(bytes)?;
        let (mode, rest) = split_u32(rest)?;
        let (name, rest) = rest.split_at_checked(len as usize)?;
        Some((Self { mode, name }, rest))
    }
}

fn split_u32(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let (value, rest) = bytes.split_first_chunk()?;
    Some((u32::from_le_bytes(*value), rest))
}

fn split_u64(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (value, rest) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*value), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_answers_come_back() {
        for operation in Operation::ALL {
            let request = Request { operation, process: 7, offset: 1 << 40, path: b"/proc" };
            let mut bytes = [0; 21];
            bytes[..16].copy_from_slice(&request.header());
            bytes[16..].copy_from_slice(request.path);
            assert_eq!(Request::decode(&bytes), Some(request));
        }
        let answer = Answer { error: 2, mode: 0o100644, size: 5, next: 6 };
        let mut bytes = [1; Answer::SIZE + 2];
        bytes[..Answer::SIZE].copy_from_slice(&answer.encode());
        assert_eq!(Answer::decode(&bytes), Some((answer, &[1, 1][..])));
    }

    #[test]
    fn entries_follow_one_another() {
        let entries = [Entry { mode: 0o40000, name: b"." }, Entry { mode: 0o100000, name: b"a file" }];
        let mut bytes = [0; 25];
        let mut rest = &mut bytes[..];
        for entry in &entries {
            rest = entry.put(rest).unwrap();
        }
        assert_eq!(rest.len(), 2);
        assert!(entries[0].put(rest).is_none());
        let (first, rest) = Entry::split(&bytes).unwrap();
        let (second, rest) = Entry::split(rest).unwrap();
        assert_eq!([first, second], entries);
        assert_eq!(Entry::split(rest), None);
    }

    #[test]
    fn rubbish_is_refused() {
        assert_eq!(Request::decode(&[0; 16]), None);
        assert_eq!(Request::decode(&[1; 15]), None);
        assert_eq!(Answer::decode(&[0; 23]), None);
        assert_eq!(Entry::split(&[0xff; 20]), None);
    }
}
