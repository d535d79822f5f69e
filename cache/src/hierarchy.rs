//! Two levels of caches: one for instructions, one for data, and one behind both.

use crate::lines;
use crate::model::{Cache, Miss};
use crate::shape::Shape;
use crate::trace::{Access, Kind};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    L1i,
    L1d,
    /// What misses in one of the others.
    L2,
}

impl Level {
    pub const ALL: [Self; 3] = [Self::L1i, Self::L1d, Self::L2];

    pub fn name(self) -> &'static str {
        match self {
            Self::L1i => "L1i",
            Self::L1d => "L1d",
            Self::L2 => "L2",
        }
    }
}

/// The caches of a processor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shapes {
    pub l1i: Shape,
    pub l1d: Shape,
    pub l2: Shape,
}

const fn shape(size: u64, ways: u64, line: u64) -> Shape {
    match Shape::new(size, ways, line) {
        Some(shape) => shape,
        None => panic!("there is no such cache"),
    }
}

impl Shapes {
    /// AMD's EPYC 7001, which the lab's CPU is modelled on.
    pub const EPYC: Self =
        Self { l1i: shape(64 << 10, 4, 64), l1d: shape(32 << 10, 8, 64), l2: shape(512 << 10, 8, 64) };
    /// The Pentium of the paper, and what its board had for a second level.
    pub const PENTIUM: Self =
        Self { l1i: shape(8 << 10, 2, 32), l1d: shape(8 << 10, 2, 32), l2: shape(256 << 10, 1, 32) };

    pub fn of(&self, level: Level) -> Shape {
        match level {
            Level::L1i => self.l1i,
            Level::L1d => self.l1d,
            Level::L2 => self.l2,
        }
    }
}

pub struct Hierarchy {
    l1i: Cache,
    l1d: Cache,
    l2: Cache,
}

impl Hierarchy {
    /// All empty.
    pub fn new(shapes: &Shapes) -> Self {
        let [l1i, l1d, l2] = [shapes.l1i, shapes.l1d, shapes.l2].map(Cache::new);
        Self { l1i, l1d, l2 }
    }

    /// Does what an access does, and tells of the misses.
    pub fn access(&mut self, access: &Access, mut missed: impl FnMut(Level, Miss)) {
        let (level, first) = match access.kind {
            Kind::Fetch => (Level::L1i, &mut self.l1i),
            Kind::Load | Kind::Store => (Level::L1d, &mut self.l1d),
        };
        let line = first.shape().line();
        for number in lines::of(access, line) {
            let Some(miss) = first.access(number) else { continue };
            missed(level, miss);
            // A line of the first level may lie in several of the second, or be a part of one.
            let bytes = self.l2.shape().line();
            for number in number * line / bytes..=(number * line + line - 1) / bytes {
                if let Some(miss) = self.l2.access(number) {
                    missed(Level::L2, miss);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::Who;

    fn misses(hierarchy: &mut Hierarchy, kind: Kind, address: u64, size: u8) -> Vec<(Level, Miss)> {
        let mut misses = Vec::new();
        hierarchy.access(&Access { kind, who: Who::User, address, size }, |level, miss| {
            misses.push((level, miss))
        });
        misses
    }

    #[test]
    fn the_second_level_sees_what_the_first_misses() {
        let mut hierarchy = Hierarchy::new(&Shapes::EPYC);
        let miss = |level| (level, Miss::Compulsory);
        assert_eq!(misses(&mut hierarchy, Kind::Fetch, 0, 4), [miss(Level::L1i), miss(Level::L2)]);
        assert_eq!(misses(&mut hierarchy, Kind::Fetch, 4, 4), []);
        assert_eq!(misses(&mut hierarchy, Kind::Load, 8, 8), [miss(Level::L1d)], "the second level has it");
        let two = [miss(Level::L1d), miss(Level::L2), miss(Level::L1d), miss(Level::L2)];
        assert_eq!(misses(&mut hierarchy, Kind::Store, 124, 8), two, "an access of two lines");
    }

    #[test]
    fn levels_may_have_lines_of_their_own() {
        let mut hierarchy = Hierarchy::new(&Shapes { l2: Shapes::PENTIUM.l2, ..Shapes::EPYC });
        let of_l2 =
            |misses: Vec<(Level, Miss)>| misses.iter().filter(|(level, _)| *level == Level::L2).count();
        assert_eq!(of_l2(misses(&mut hierarchy, Kind::Load, 0, 8)), 2);
        let mut hierarchy = Hierarchy::new(&Shapes { l2: Shapes::EPYC.l2, ..Shapes::PENTIUM });
        assert_eq!(of_l2(misses(&mut hierarchy, Kind::Load, 0, 8)), 1);
        assert_eq!(of_l2(misses(&mut hierarchy, Kind::Load, 32, 8)), 0);
    }
}
