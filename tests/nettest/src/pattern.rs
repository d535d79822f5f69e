//! Data that both ends can compute: the bytes of the numbers that a xorshift generator gives (G. Marsaglia, "Xorshift RNGs",
//! 2003; triple 13, 7, 17), and a sum of data (FNV-1a, 64 bits).

/// An endless sequence of bytes.
#[derive(Clone)]
pub struct Pattern {
    state: u64,
    bytes: [u8; 8],
    at: usize,
}

impl Pattern {
    pub const fn new(seed: u64) -> Self {
        // The state must not be 0.
        Self { state: seed | 1 << 63, bytes: [0; 8], at: 8 }
    }

    pub fn fill(&mut self, into: &mut [u8]) {
        for (byte, value) in into.iter_mut().zip(self) {
            *byte = value;
        }
    }
}

impl Iterator for Pattern {
    type Item = u8;

    fn next(&mut self) -> Option<u8> {
        if self.at == 8 {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            (self.bytes, self.at) = (self.state.to_le_bytes(), 0);
        }
        self.at += 1;
        Some(self.bytes[self.at - 1])
    }
}

/// A sum of bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sum(pub u64);

impl Sum {
    pub const EMPTY: Self = Self(0xcbf2_9ce4_8422_2325);

    #[must_use]
    pub fn and(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        let whole: Vec<u8> = Pattern::new(7).take(1000).collect();
        let mut parts = Vec::new();
        let mut pattern = Pattern::new(7);
        for len in [1, 7, 8, 9, 100, 875] {
            let mut part = vec![0; len];
            pattern.fill(&mut part);
            parts.extend(part);
        }
        assert_eq!(parts, whole);
        assert_ne!(Pattern::new(8).take(1000).collect::<Vec<_>>(), whole);
        assert_eq!(Sum::EMPTY.and(&whole[..500]).and(&whole[500..]), Sum::EMPTY.and(&whole));
    }

    #[test]
    fn the_sum_is_the_published_one() {
        // Landon Curt Noll's test vectors.
        assert_eq!(Sum::EMPTY.and(b"a").0, 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Sum::EMPTY.and(b"foobar").0, 0x8594_4171_f739_67e8);
    }
}
