//! Files of the host: what the requests of a session ([`crate::session`]) with the 9p driver are.
//!
//! The driver does not look into the messages of 9P. It has one file server behind it, which has one conversation: a message `Tversion`
//! ends that of whoever had one before.

use crate::message::Malformed;
use crate::name;
use crate::session::{Opened, Submission};

/// What a client may ask for: an answer to a message of 9P. The submission's buffer begins with the message, of `len` bytes; the answer goes to
/// what follows from byte `answer` of the buffer on. Value: [`Answered`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange {
    pub len: u32,
    pub answer: u32,
}

const EXCHANGE: u32 = 1;
/// Bytes of the shortest message: size, type and tag.
pub const MESSAGE_MIN: u32 = 7;

impl From<Exchange> for Submission {
    fn from(exchange: Exchange) -> Self {
        Self {
            operation: EXCHANGE,
            arguments: [exchange.len.into(), exchange.answer.into()],
            ..Self::default()
        }
    }
}

impl TryFrom<&Submission> for Exchange {
    type Error = Malformed;

    fn try_from(s: &Submission) -> Result<Self, Malformed> {
        let [Ok(len), Ok(answer)] = s.arguments.map(u32::try_from) else { return Err(Malformed) };
        let fits = (MESSAGE_MIN..=answer).contains(&len) && answer <= s.len && s.len - answer >= MESSAGE_MIN;
        if s.operation == EXCHANGE && fits { Ok(Self { len, answer }) } else { Err(Malformed) }
    }
}

/// The value of a completion.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answered {
    /// Bytes of the answer.
    pub len: u32,
    /// Which conversation with the file server it belongs to: another than that of the answer before, if the device had to be reset. The
    /// file server has forgotten everything then.
    pub conversation: u32,
}

impl From<Answered> for u64 {
    fn from(answered: Answered) -> Self {
        Self::from(answered.len) | Self::from(answered.conversation) << 32
    }
}

impl From<u64> for Answered {
    fn from(value: u64) -> Self {
        Self { len: value as u32, conversation: (value >> 32) as u32 }
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
        for (exchange, len) in [
            (Exchange { len: 7, answer: 7 }, 14),
            (Exchange { len: 100, answer: 4096 }, 8192),
            (Exchange { len: 7, answer: u32::MAX - 7 }, u32::MAX),
        ] {
            assert_eq!(Exchange::try_from(&Submission { len, ..exchange.into() }), Ok(exchange));
        }
        let answered = Answered { len: 9, conversation: u32::MAX };
        assert_eq!(Answered::from(u64::from(answered)), answered);
    }

    #[test]
    fn nonsense() {
        let good = Submission { len: 8192, ..Exchange { len: 100, answer: 4096 }.into() };
        for s in [
            Submission { operation: 2, ..good },
            Submission { len: 4096 + 6, ..good },
            Submission { len: 0, ..good },
            Submission { arguments: [6, 4096], ..good },
            Submission { arguments: [4097, 4096], ..good },
            Submission { arguments: [100, 8193], ..good },
            Submission { arguments: [1 << 32 | 100, 4096], ..good },
            Submission { arguments: [100, 1 << 32], ..good },
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
