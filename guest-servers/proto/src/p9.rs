//! Files of the host: what the requests of a session ([`crate::session`]) with the 9p driver are.
//!
//! The driver does not look into the messages of 9P. It has one file server behind it, which has one conversation: who opens a session ends
//! that of whoever had one before, and begins with a message `Tversion`.

use crate::message::Malformed;
use crate::name;
use crate::session::{Opened, Submission};

/// What a client may ask for: an answer to the message that is `len` bytes at `offset` in the region. The submission's buffer is where the
/// answer goes; the two do not overlap. Value: the answer's length.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    pub offset: u32,
    pub len: u32,
}

const EXCHANGE: u32 = 1;
/// Bytes of the shortest message: size, type and tag.
pub const MESSAGE_MIN: u32 = 7;

impl From<Exchange> for Submission {
    fn from(exchange: Exchange) -> Self {
        Self {
            operation: EXCHANGE,
            arguments: [exchange.offset.into(), exchange.len.into()],
            ..Self::default()
        }
    }
}

impl TryFrom<&Submission> for Exchange {
    type Error = Malformed;

    fn try_from(s: &Submission) -> Result<Self, Malformed> {
        let [Ok(offset), Ok(len)] = s.arguments.map(u32::try_from) else { return Err(Malformed) };
        let apart = |a: u32, a_len: u32, b: u32| a.checked_add(a_len).is_some_and(|end| end <= b);
        let is_good = s.operation == EXCHANGE
            && len >= MESSAGE_MIN
            && s.len >= MESSAGE_MIN
            && (apart(offset, len, s.offset) || apart(s.offset, s.len, offset));
        if is_good { Ok(Self { offset, len }) } else { Err(Malformed) }
    }
}

/// What is shared: in the answer to [`crate::session::Request::Open`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Share {
    tag: [u8; name::MAX],
}

impl Share {
    /// With the name that the host gave it; what is longer than [`name::MAX`] bytes is cut off.
    pub fn new(tag: &[u8]) -> Self {
        let mut bytes = [0; name::MAX];
        let len = tag.len().min(name::MAX);
        bytes[..len].copy_from_slice(&tag[..len]);
        Self { tag: bytes }
    }

    /// Its name.
    pub fn tag(&self) -> &[u8] {
        let len = self.tag.iter().position(|b| *b == 0).unwrap_or(name::MAX);
        &self.tag[..len]
    }
}

impl core::fmt::Debug for Share {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.tag().escape_ascii())
    }
}

impl From<Share> for Opened {
    fn from(share: Share) -> Self {
        let mut info = [0; 6];
        for (word, bytes) in info.iter_mut().zip(share.tag.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self { info }
    }
}

impl From<&Opened> for Share {
    fn from(opened: &Opened) -> Self {
        let mut tag = [0; name::MAX];
        for (bytes, word) in tag.as_chunks_mut().0.iter_mut().zip(opened.info) {
            *bytes = word.to_le_bytes();
        }
        Self { tag }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_round_trip() {
        let exchange = Exchange { offset: 0x1000, len: 100 };
        for offset in [0x1000 + 100, 0, 0x1000 - 50] {
            let s = Submission { offset, len: 50, ..exchange.into() };
            assert_eq!(Exchange::try_from(&s), Ok(exchange));
        }
    }

    #[test]
    fn nonsense() {
        let good = Submission { offset: 0x2000, len: 50, ..Exchange { offset: 0x1000, len: 100 }.into() };
        for s in [
            Submission { operation: 2, ..good },
            Submission { len: 6, ..good },
            Submission { arguments: [0x1000, 6], ..good },
            Submission { arguments: [1 << 32, 100], ..good },
            Submission { arguments: [0x1000, 1 << 32], ..good },
            Submission { offset: 0x1063, ..good },
            Submission { offset: 0x1000 - 49, ..good },
            Submission { arguments: [u32::MAX.into(), u32::MAX.into()], offset: u32::MAX, ..good },
        ] {
            assert_eq!(Exchange::try_from(&s), Err(Malformed), "{s:?}");
        }
    }

    #[test]
    fn names_of_shares() {
        for (tag, want) in [(&b"host"[..], &b"host"[..]), (&[7; 40], &[7; 32]), (b"", b""), (b"a\0b", b"a")] {
            let share = Share::new(tag);
            assert_eq!(Share::from(&Opened::from(share)).tag(), want);
        }
    }
}
