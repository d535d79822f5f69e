//! The last bytes of a stream.

use std::collections::VecDeque;

/// Keeps so many bytes at most, the last ones.
#[derive(Debug)]
pub struct Ring {
    bytes: VecDeque<u8>,
    most: usize,
    dropped: u64,
}

impl Ring {
    pub fn new(most: usize) -> Self {
        Self { bytes: VecDeque::new(), most, dropped: 0 }
    }

    pub fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.most)..];
        let excess = (self.bytes.len() + kept.len()).saturating_sub(self.most);
        self.bytes.drain(..excess);
        self.bytes.extend(kept);
        self.dropped += (excess + bytes.len() - kept.len()) as u64;
    }

    /// Bytes that are gone.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What there is, behind a line that says what there is not.
    pub fn content(&self) -> Vec<u8> {
        let note = match self.dropped {
            0 => String::new(),
            dropped => format!("[ukvmm: {dropped} bytes before this were dropped]\n"),
        };
        let (first, second) = self.bytes.as_slices();
        [note.as_bytes(), first, second].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_stay() {
        let mut ring = Ring::new(4);
        ring.push(b"ab");
        ring.push(b"cd");
        assert_eq!((ring.content().as_slice(), ring.dropped()), (&b"abcd"[..], 0));
        ring.push(b"e");
        ring.push(b"123456");
        assert_eq!(ring.dropped(), 7);
        assert_eq!(ring.content(), b"[ukvmm: 7 bytes before this were dropped]\n3456");
    }

    proptest::proptest! {
        #[test]
        fn nothing_is_lost_but_what_is_said(pieces in proptest::collection::vec(proptest::collection::vec(0u8.., 0..9), 0..9), most in 1usize..12) {
            let mut ring = Ring::new(most);
            pieces.iter().for_each(|piece| ring.push(piece));
            let all = pieces.concat();
            let kept: Vec<u8> = ring.bytes.iter().copied().collect();
            proptest::prop_assert_eq!(&all[ring.dropped as usize..], &kept[..]);
            proptest::prop_assert!(kept.len() == all.len().min(most));
        }
    }
}
