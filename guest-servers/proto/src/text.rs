//! Bytes in message words: 48 in words 1–6, their number in word 0.

use crate::message::Malformed;

/// Number of bytes that one message carries.
pub const MAX: usize = 48;

/// Up to [`MAX`] bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bytes {
    bytes: [u8; MAX],
    len: usize,
}

impl Bytes {
    /// The first bytes of `all`, and the rest.
    pub fn split(all: &[u8]) -> (Self, &[u8]) {
        let (head, rest) = all.split_at(all.len().min(MAX));
        let mut bytes = [0; MAX];
        bytes[..head.len()].copy_from_slice(head);
        (Self { bytes, len: head.len() }, rest)
    }

    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    pub(crate) fn to_words(self) -> [u64; 7] {
        let mut words = [self.len as u64; 7];
        for (word, bytes) in words[1..].iter_mut().zip(self.bytes.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    pub(crate) fn from_words(words: [u64; 7]) -> Result<Self, Malformed> {
        let len = usize::try_from(words[0]).ok().filter(|len| *len <= MAX).ok_or(Malformed)?;
        let mut bytes = [0; MAX];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(&words[1..]) {
            *bytes = word.to_le_bytes();
        }
        bytes[len..].fill(0);
        Ok(Self { bytes, len })
    }
}

impl core::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "\"{}\"", self.as_slice().escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_at_every_length() {
        let all: Vec<u8> = (1..=60).collect();
        for len in 0..=60 {
            let (head, rest) = Bytes::split(&all[..len]);
            assert_eq!([head.as_slice(), rest].concat(), &all[..len]);
            assert_eq!(head.as_slice().len(), len.min(MAX));
            assert_eq!(Bytes::from_words(head.to_words()), Ok(head));
        }
    }

    #[test]
    fn a_count_that_lies() {
        assert_eq!(Bytes::from_words([49, 0, 0, 0, 0, 0, 0]), Err(Malformed));
        assert_eq!(Bytes::from_words([u64::MAX; 7]), Err(Malformed));
    }
}
