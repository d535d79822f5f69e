//! What the two ends say to each other: frames, over two ports of the lab's virtio console.
//!
//! One port is for standard input alone, so that input that nobody takes does not hold up a signal. A frame is a byte that says what it
//! is, four with the length of the rest (little-endian), and the rest.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

/// Most that a frame holds, which is more than any of ours has.
const LENGTH_MAX: u32 = 1 << 20;
/// Bytes of a file or of input that are sent in one frame.
pub const CHUNK: usize = 4096;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Frame {
    /// To the inside, first of all.
    Start(Start),
    /// Standard input.
    Input(Vec<u8>),
    /// The end of it.
    End,
    /// Rows and columns of the terminal.
    Resize(u16, u16),
    /// A signal for `ukvmm`.
    Signal(u8),
    /// To the outside: a file begins.
    File(PathBuf),
    /// Its bytes.
    Data(Vec<u8>),
    /// So many of its bytes that are zero.
    Zeros(u64),
    /// To either: of the connection with this number ([`super::relay`]).
    Relay(u32, Step),
}

/// What becomes of a connection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Somebody has come to this door.
    Open(u8),
    /// They say this.
    Bytes(Vec<u8>),
    /// So many bytes have been taken off the sender's hands.
    Taken(u32),
    /// They say no more.
    Shut,
}

/// What the inside has to know.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Start {
    /// Which of standard input, output and error are terminals.
    pub terminals: [bool; 3],
    /// Rows and columns.
    pub size: (u16, u16),
    /// The first so many doors lead out of the lab ([`super::doors`]).
    pub ways_out: u8,
    /// Files and folders that are wanted back.
    pub outputs: Vec<PathBuf>,
}

impl Frame {
    fn parts(&self) -> (u8, Vec<u8>) {
        let size = |(rows, columns): (u16, u16)| [rows.to_le_bytes(), columns.to_le_bytes()].concat();
        match self {
            Self::Start(start) => {
                let mut bytes: Vec<u8> = start.terminals.iter().map(|&is| is.into()).collect();
                bytes.extend(size(start.size));
                bytes.push(start.ways_out);
                for path in &start.outputs {
                    bytes.extend(path.as_os_str().as_bytes());
                    bytes.push(0);
                }
                (1, bytes)
            }
            Self::Input(bytes) => (2, bytes.clone()),
            Self::End => (3, Vec::new()),
            Self::Resize(rows, columns) => (4, size((*rows, *columns))),
            Self::Signal(signal) => (5, vec![*signal]),
            Self::File(path) => (6, path.as_os_str().as_bytes().to_vec()),
            Self::Data(bytes) => (7, bytes.clone()),
            Self::Zeros(count) => (12, count.to_le_bytes().to_vec()),
            Self::Relay(number, step) => {
                let (kind, bytes) = step.parts();
                (kind, [&number.to_le_bytes(), bytes.as_slice()].concat())
            }
        }
    }

    fn of(kind: u8, bytes: Vec<u8>) -> Option<Self> {
        let path = |bytes: &[u8]| PathBuf::from(OsString::from_vec(bytes.to_vec()));
        Some(match (kind, bytes.as_slice()) {
            (1, [a, b, c, r0, r1, c0, c1, ways_out, rest @ ..]) => {
                let names = rest.split(|&byte| byte == 0).filter(|name| !name.is_empty());
                Self::Start(Start {
                    terminals: [a, b, c].map(|&byte| byte != 0),
                    size: (u16::from_le_bytes([*r0, *r1]), u16::from_le_bytes([*c0, *c1])),
                    ways_out: *ways_out,
                    outputs: names.map(path).collect(),
                })
            }
            (2, _) => Self::Input(bytes),
            (3, []) => Self::End,
            (4, [r0, r1, c0, c1]) => {
                Self::Resize(u16::from_le_bytes([*r0, *r1]), u16::from_le_bytes([*c0, *c1]))
            }
            (5, [signal]) => Self::Signal(*signal),
            (6, name) => Self::File(path(name)),
            (7, _) => Self::Data(bytes),
            (12, count) => Self::Zeros(u64::from_le_bytes(count.try_into().ok()?)),
            (kind, [a, b, c, d, rest @ ..]) => {
                Self::Relay(u32::from_le_bytes([*a, *b, *c, *d]), Step::of(kind, rest)?)
            }
            _ => return None,
        })
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let (kind, bytes) = self.parts();
        let length = u32::try_from(bytes.len()).ok().filter(|&length| length <= LENGTH_MAX);
        let length = length.ok_or(io::ErrorKind::InvalidInput)?;
        out.write_all(&[&[kind][..], &length.to_le_bytes(), &bytes].concat())
    }

    /// The next frame; `None`: the other end has gone.
    pub fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        let mut kind = [0];
        if input.read(&mut kind)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 4];
        input.read_exact(&mut length)?;
        let length = u32::from_le_bytes(length);
        if length > LENGTH_MAX {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut bytes = vec![0; length as usize];
        input.read_exact(&mut bytes)?;
        Self::of(kind[0], bytes).map(Some).ok_or(io::ErrorKind::InvalidData.into())
    }
}

impl Step {
    fn parts(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Open(door) => (8, vec![*door]),
            Self::Bytes(bytes) => (9, bytes.clone()),
            Self::Taken(count) => (10, count.to_le_bytes().to_vec()),
            Self::Shut => (11, Vec::new()),
        }
    }

    fn of(kind: u8, bytes: &[u8]) -> Option<Self> {
        Some(match (kind, bytes) {
            (8, [door]) => Self::Open(*door),
            (9, bytes) => Self::Bytes(bytes.to_vec()),
            (10, [a, b, c, d]) => Self::Taken(u32::from_le_bytes([*a, *b, *c, *d])),
            (11, []) => Self::Shut,
            _ => return None,
        })
    }
}

/// Where several threads send frames to.
pub struct Sender(Mutex<Box<dyn Write + Send>>);

impl Sender {
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self(Mutex::new(Box::new(out)))
    }

    pub fn send(&self, frame: &Frame) -> io::Result<()> {
        frame.write(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_the_way() {
        let outputs = vec!["/a b".into(), OsString::from_vec(vec![b'/', 0xff]).into()];
        let start = Start { terminals: [true, false, true], size: (50, 300), ways_out: 2, outputs };
        let frames = [
            Frame::Start(start),
            Frame::Input(vec![0, 255]),
            Frame::End,
            Frame::Resize(1, 65535),
            Frame::Signal(15),
            Frame::File("/x".into()),
            Frame::Data(Vec::new()),
            Frame::Zeros(1 << 40),
            Frame::Relay(1 << 31, Step::Open(3)),
            Frame::Relay(2, Step::Bytes(vec![0, 255])),
            Frame::Relay(3, Step::Taken(65536)),
            Frame::Relay(4, Step::Shut),
        ];
        let mut bytes = Vec::new();
        frames.iter().for_each(|frame| frame.write(&mut bytes).unwrap());
        let mut rest = bytes.as_slice();
        for frame in frames {
            assert_eq!(Frame::read(&mut rest).unwrap(), Some(frame));
        }
        assert_eq!(Frame::read(&mut rest).unwrap(), None);
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [
            &[13, 0, 0, 0, 0][..],
            &[12, 1, 0, 0, 0, 0],
            &[4, 1, 0, 0, 0, 7],
            &[2, 255, 255, 255, 255],
            &[2, 4],
            &[1, 0, 0, 0, 0],
            &[8, 4, 0, 0, 0, 1, 0, 0, 0],
            &[11, 3, 0, 0, 0, 1, 0, 0],
        ] {
            assert!(Frame::read(&mut &*bytes).is_err(), "{bytes:?}");
        }
    }
}
