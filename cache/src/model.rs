//! A cache: associative by sets, the line that was not used for longest makes room.
//!
//! A miss is *compulsory* if the line was never there before; of *capacity* if a cache of the same size that may put a line anywhere would have missed, too; else of
//! *conflict*: the set was too small (Hill and Smith, *Evaluating Associativity in CPU Caches*, 1989).

use crate::shape::Shape;
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Miss {
    Compulsory,
    Capacity,
    Conflict,
}

pub struct Cache {
    shape: Shape,
    /// Numbers of lines by sets, that used last at the end.
    sets: HashMap<u64, Vec<u64>>,
    anywhere: Anywhere,
    seen: HashSet<u64>,
}

impl Cache {
    pub fn new(shape: Shape) -> Self {
        let anywhere = Anywhere { room: shape.lines(), now: 0, used: HashMap::new(), order: BTreeMap::new() };
        Self { shape, sets: HashMap::new(), anywhere, seen: HashSet::new() }
    }

    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Uses a line. `None`: it was there.
    pub fn access(&mut self, line: u64) -> Option<Miss> {
        let is_new = self.seen.insert(line);
        let anywhere = self.anywhere.access(line);
        if self.hits(line) {
            return None;
        }
        Some(match (is_new, anywhere) {
            (true, _) => Miss::Compulsory,
            (false, false) => Miss::Capacity,
            (false, true) => Miss::Conflict,
        })
    }

    fn hits(&mut self, line: u64) -> bool {
        let set = self.sets.entry(line % self.shape.sets()).or_default();
        let place = set.iter().position(|&other| other == line);
        match place {
            Some(place) => drop(set.remove(place)),
            None if set.len() == self.shape.ways() => drop(set.remove(0)),
            None => {}
        }
        set.push(line);
        place.is_some()
    }
}

/// The same without sets.
struct Anywhere {
    room: usize,
    /// Counts accesses.
    now: u64,
    /// When a line was used, both ways round.
    used: HashMap<u64, u64>,
    order: BTreeMap<u64, u64>,
}

impl Anywhere {
    /// Whether the line was there.
    fn access(&mut self, line: u64) -> bool {
        self.now += 1;
        let before = self.used.insert(line, self.now);
        if let Some(before) = before {
            self.order.remove(&before);
        }
        self.order.insert(self.now, line);
        if self.used.len() > self.room
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.used.remove(&oldest);
        }
        before.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Miss::*;

    /// What becomes of accesses to these lines.
    fn play(size: u64, ways: u64, lines: &[u64]) -> Vec<Option<Miss>> {
        let mut cache = Cache::new(Shape::new(size, ways, 64).unwrap());
        lines.iter().map(|&line| cache.access(line)).collect()
    }

    #[test]
    fn a_line_that_comes_for_the_first_time_is_compulsory() {
        assert_eq!(play(256, 1, &[0, 1, 0, 1]), [Some(Compulsory), Some(Compulsory), None, None]);
    }

    /// Four sets of one way: lines 0 and 4 are of one set. Two lines in all would fit.
    #[test]
    fn two_lines_of_one_set_conflict() {
        let first = Some(Compulsory);
        assert_eq!(play(256, 1, &[0, 4, 0, 4]), [first, first, Some(Conflict), Some(Conflict)]);
        assert_eq!(play(256, 2, &[0, 4, 0, 4]), [first, first, None, None], "two ways are enough");
    }

    /// Four lines in all; a loop over five of them never finds one, whatever the sets are.
    #[test]
    fn a_loop_that_is_too_large_misses_by_capacity() {
        let expected = [[Some(Compulsory); 5], [Some(Capacity); 5]].concat();
        assert_eq!(play(256, 4, &[0, 1, 2, 3, 4, 0, 1, 2, 3, 4]), expected);
    }

    /// By hand: sets {0, 2, 4 …} and {1, 3, 5 …} of two ways each. 0 2 4 fill the even set and push out 0; nowhere else would 0 have gone, as there is room for four.
    #[test]
    fn the_line_not_used_for_longest_makes_room() {
        let first = Some(Compulsory);
        assert_eq!(
            play(256, 2, &[0, 2, 0, 4, 2, 0, 1]),
            [first, first, None, first, Some(Conflict), Some(Conflict), first]
        );
    }

    /// A direct-mapped cache may have what one without sets has lost: a hit is no miss of any kind.
    #[test]
    fn sets_may_be_better_than_none() {
        let first = Some(Compulsory);
        assert_eq!(play(128, 1, &[0, 1, 3, 0]), [first, first, first, None]);
    }
}
