//! The working set: how many different lines are touched.

use crate::side::{Owned, Side};
use crate::trace::{Access, Kind};
use std::collections::{BTreeMap, HashSet};

/// The numbers of the lines that an access touches.
pub fn of(access: &Access, line: u64) -> impl Iterator<Item = u64> + use<> {
    access.address / line..=(access.address + u64::from(access.size) - 1) / line
}

/// How many lines are touched, by whom, as code (`true`) or data.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Lines(BTreeMap<(Side, bool), usize>);

impl Lines {
    /// Of what is executed in order; lines of `line` bytes.
    pub fn count(accesses: &[Owned], line: u64) -> Self {
        let mut seen = HashSet::new();
        let mut lines = Self::default();
        for (side, access) in accesses {
            let key = (*side, access.kind == Kind::Fetch);
            for number in of(access, line) {
                if seen.insert((key, number)) {
                    *lines.0.entry(key).or_default() += 1;
                }
            }
        }
        lines
    }

    pub fn code(&self, side: Side) -> usize {
        self.0.get(&(side, true)).copied().unwrap_or_default()
    }

    pub fn data(&self, side: Side) -> usize {
        self.0.get(&(side, false)).copied().unwrap_or_default()
    }

    /// All of some sides. A line that two of them touch is counted for both.
    pub fn sum(&self, sides: &[Side]) -> usize {
        sides.iter().map(|&side| self.code(side) + self.data(side)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Who;

    #[test]
    fn lines_are_counted_once_for_each_side() {
        let access = |side, kind, address, size| (side, Access { kind, who: Who::User, address, size });
        let accesses = [
            access(Side::Program, Kind::Fetch, 60, 4),
            access(Side::Program, Kind::Fetch, 62, 4),
            access(Side::Program, Kind::Load, 0, 8),
            access(Side::Program, Kind::Store, 8, 8),
            access(Side::Kernel, Kind::Load, 0, 8),
        ];
        let lines = Lines::count(&accesses, 64);
        assert_eq!((lines.code(Side::Program), lines.data(Side::Program)), (2, 1));
        assert_eq!((lines.code(Side::Kernel), lines.data(Side::Kernel)), (0, 1));
        assert_eq!((lines.sum(&Side::ALL), lines.sum(&[Side::Kernel])), (4, 1));
        assert_eq!(Lines::count(&accesses, 32).code(Side::Program), 2);
    }
}
