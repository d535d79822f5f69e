//! Sequence numbers (RFC 9293 §3.4). They go around, so there is no smaller and larger, only ahead and behind.

use std::ops::{Add, AddAssign};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Seq(pub u32);

impl Seq {
    /// How far `self` is ahead of `other`; negative if it is behind.
    pub fn ahead_of(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }

    /// How far `self` is ahead of `other`; 0 if it is not.
    pub fn since(self, other: Self) -> usize {
        self.ahead_of(other).max(0) as usize
    }
}

impl Add<usize> for Seq {
    type Output = Self;
    fn add(self, count: usize) -> Self {
        Self(self.0.wrapping_add(count as u32))
    }
}

impl AddAssign<usize> for Seq {
    fn add_assign(&mut self, count: usize) {
        *self = *self + count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_go_around() {
        let before = Seq(u32::MAX - 1);
        let after = before + 4;
        assert_eq!(after, Seq(2));
        assert_eq!((after.ahead_of(before), before.ahead_of(after)), (4, -4));
        assert_eq!((after.since(before), before.since(after)), (4, 0));
    }
}
