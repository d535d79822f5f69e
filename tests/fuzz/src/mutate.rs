//! Changes bytes at random, always in the same way.

/// A generator of numbers that look random (xorshift64*, S. Vigna).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() >> 11).checked_rem(end as u64).unwrap_or(0) as usize
    }
}

/// Bytes of an input at most.
pub const INPUT_MAX: usize = 4096;
/// Numbers at whose edges things go wrong.
const EDGES: [u64; 12] = [
    0,
    1,
    0x7f,
    0xff,
    0x100,
    0x7fff,
    0xffff,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// One of `corpus`, changed in some places, and perhaps joined with another.
pub fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let pick = |random: &mut Random| corpus.get(random.below(corpus.len())).cloned().unwrap_or_default();
    let mut input = pick(random);
    if random.below(4) == 0 {
        let other = pick(random);
        input.truncate(random.below(input.len() + 1));
        input.extend(&other[random.below(other.len() + 1)..]);
    }
    for _ in 0..=random.below(8) {
        change(&mut input, random);
    }
    input.truncate(INPUT_MAX);
    input
}

fn change(input: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(input.len());
    match random.below(7) {
        0 | 1 if !input.is_empty() => input[at] ^= 1 << random.below(8),
        2 if !input.is_empty() => input[at] = random.number() as u8,
        3 => {
            let width = 1 << random.below(4);
            let value = EDGES[random.below(EDGES.len())].to_le_bytes();
            for (to, from) in input.iter_mut().skip(at).zip(&value[..width]) {
                *to = *from;
            }
        }
        4 => {
            let len = random.below(9);
            let new: Vec<u8> = (0..len).map(|_| random.number() as u8).collect();
            input.splice(at..at, new);
        }
        5 => {
            let end = (at + random.below(17)).min(input.len());
            input.drain(at..end);
        }
        _ => {
            let end = (at + random.below(65)).min(input.len());
            let copy = input[at..end].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_inputs_and_another_makes_others() {
        let corpus = [vec![1; 100], vec![], vec![3; 5000]];
        let inputs = |seed| {
            let mut random = Random::new(seed);
            (0..200).map(|_| mutated(&corpus, &mut random)).collect::<Vec<_>>()
        };
        assert_eq!(inputs(2), inputs(2));
        assert_ne!(inputs(2), inputs(5));
        assert!(inputs(2).iter().all(|input| input.len() <= INPUT_MAX));
        assert!(mutated(&[], &mut Random::new(7)).len() <= 9 * 8);
    }
}
