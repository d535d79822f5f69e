//! What is in a block: a function of its number and generation, so that a block that is old, elsewhere or torn is noticed.

/// Bytes of a block.
pub const BLOCK: usize = 4096;
const WORDS: usize = BLOCK / 8;

/// The bytes of `block` in `generation`.
pub fn fill(bytes: &mut [u8; BLOCK], block: u32, generation: u32) {
    let mut random = Random(u64::from(block) << 32 | u64::from(generation));
    let (words, _) = bytes.as_chunks_mut();
    for word in &mut words[..WORDS] {
        *word = random.word().to_le_bytes();
    }
}

/// Adds bytes to a checksum: FNV-1a, 64 bits.
pub fn checksum(sum: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(sum, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// The checksum of nothing.
pub const CHECKSUM: u64 = 0xcbf2_9ce4_8422_2325;

/// Random numbers from a seed: SplitMix64 (Steele, Lea, Flood, *Fast Splittable Pseudorandom Number Generators*, 2014).
pub struct Random(pub u64);

impl Random {
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let word = self.0;
        let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.word() % bound
    }
}
