//! Names of servers and modules: up to 32 bytes of UTF-8, in four message words, padded with NULs.

use crate::message::Malformed;

/// Length of the longest name, in bytes; as in the kernel interface page.
pub const MAX: usize = 32;
/// Number of message words that a name takes.
pub const WORDS: usize = MAX / 8;

/// A name: not empty, valid UTF-8, no NUL in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Name([u8; MAX]);

impl Name {
    /// `None` if `text` is empty, longer than [`MAX`] bytes, or holds a NUL.
    pub const fn new(text: &str) -> Option<Self> {
        Self::from_bytes(text.as_bytes())
    }

    const fn from_bytes(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > MAX {
            return None;
        }
        let mut bytes = [0; MAX];
        let mut i = 0;
        while i < text.len() {
            if text[i] == 0 {
                return None;
            }
            bytes[i] = text[i];
            i += 1;
        }
        Some(Self(bytes))
    }

    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(MAX);
        // It was UTF-8 when it was made, so the alternative is never taken.
        core::str::from_utf8(&self.0[..len]).unwrap_or("?")
    }

    pub(crate) fn to_words(self) -> [u64; WORDS] {
        let mut words = [0; WORDS];
        for (word, bytes) in words.iter_mut().zip(self.0.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        words
    }

    pub(crate) fn from_words(words: [u64; WORDS]) -> Result<Self, Malformed> {
        let mut bytes = [0; MAX];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        let len = bytes.iter().position(|b| *b == 0).unwrap_or(MAX);
        if bytes[len..].iter().any(|b| *b != 0) || core::str::from_utf8(&bytes[..len]).is_err() {
            return Err(Malformed);
        }
        Self::from_bytes(&bytes[..len]).ok_or(Malformed)
    }
}

impl core::fmt::Display for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.as_str())
    }
}

impl core::fmt::Debug for Name {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}", self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for text in ["a", "console", "µ-kernel", &"x".repeat(32)] {
            let name = Name::new(text).unwrap();
            assert_eq!(name.as_str(), text);
            assert_eq!(Name::from_words(name.to_words()), Ok(name));
        }
    }

    #[test]
    fn what_is_not_a_name() {
        assert_eq!(Name::new(""), None);
        assert_eq!(Name::new(&"x".repeat(33)), None);
        assert_eq!(Name::new("a\0b"), None);
        assert_eq!(Name::from_words([0; 4]), Err(Malformed), "empty");
        assert_eq!(Name::from_words([0xff; 4]), Err(Malformed), "not UTF-8");
        assert_eq!(Name::from_words([0x61, 0x62, 0, 0]), Err(Malformed), "text after the padding");
    }
}
