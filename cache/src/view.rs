//! What a trace comes to.
//!
//! The first round begins with empty caches, so most of its misses are compulsory; what the others miss is what does not fit. Both are told, and apart.

use crate::hierarchy::{Hierarchy, Level, Shapes};
use crate::lines::Lines;
use crate::model::Miss;
use crate::side::{self, Owned, Side};
use crate::trace::{Kind, Record, Trace, TraceError};
use std::collections::BTreeMap;
use std::io::Read;

/// Some rounds of a metric.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Rounds {
    pub count: usize,
    instructions: BTreeMap<Side, u64>,
    misses: BTreeMap<(Level, Side, Miss), u64>,
}

impl Rounds {
    fn play(&mut self, round: &[Owned], hierarchy: &mut Hierarchy) {
        self.count += 1;
        for (side, access) in round {
            if access.kind == Kind::Fetch {
                *self.instructions.entry(*side).or_default() += 1;
            }
            hierarchy
                .access(access, |level, miss| *self.misses.entry((level, *side, miss)).or_default() += 1);
        }
    }

    /// Instructions of a round.
    pub fn instructions(&self) -> f64 {
        self.instructions.values().sum::<u64>() as f64 / self.count.max(1) as f64
    }

    pub fn instructions_of(&self, side: Side) -> f64 {
        self.instructions.get(&side).copied().unwrap_or_default() as f64 / self.count.max(1) as f64
    }

    /// Misses of a round by one side.
    pub fn misses(&self, level: Level, side: Side, miss: Miss) -> f64 {
        self.misses.get(&(level, side, miss)).copied().unwrap_or_default() as f64 / self.count.max(1) as f64
    }
}

/// All rounds of a metric.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct View {
    /// The first, with empty caches.
    pub cold: Rounds,
    /// The others.
    pub warm: Rounds,
    /// Lines of 64 bytes, and of 32, of the last round.
    pub lines: [Lines; 2],
    /// There were more rounds, for which the file had no room.
    pub is_cut: bool,
}

/// Sizes of lines whose numbers are told.
pub const LINES: [u64; 2] = [64, 32];

/// One view for each metric of a trace, in their order; also for one without rounds.
pub fn views(from: impl Read, shapes: &Shapes) -> Result<Vec<View>, TraceError> {
    let mut views = Vec::new();
    let (mut rounds, mut is_cut) = (Vec::<Vec<Record>>::new(), false);
    for record in Trace::new(from)? {
        match record? {
            Record::RoundBegins => rounds.push(Vec::new()),
            Record::Cut => {
                // The round is not whole.
                rounds.pop();
                is_cut = true;
            }
            Record::MetricEnds => {
                views.push(view(&std::mem::take(&mut rounds), shapes, is_cut));
                is_cut = false;
            }
            record => rounds.last_mut().ok_or(TraceError::NoRound)?.push(record),
        }
    }
    if !rounds.is_empty() || is_cut {
        views.push(view(&rounds, shapes, is_cut));
    }
    if views.iter().all(|view| view.cold.count == 0) { Err(TraceError::Empty) } else { Ok(views) }
}

fn view(rounds: &[Vec<Record>], shapes: &Shapes, is_cut: bool) -> View {
    let rounds = side::attribute(rounds);
    let mut hierarchy = Hierarchy::new(shapes);
    let mut view = View { is_cut, ..View::default() };
    for (n, round) in rounds.iter().enumerate() {
        let part = if n == 0 { &mut view.cold } else { &mut view.warm };
        part.play(round, &mut hierarchy);
    }
    if let Some(last) = rounds.last() {
        view.lines = LINES.map(|line| Lines::count(last, line));
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::MAGIC;

    const ROUND: u64 = 4 << 56;
    const END: u64 = 5 << 56;
    const CUT: u64 = 6 << 56;

    fn fetch(address: u64) -> u64 {
        1 << 48 | address
    }

    fn read(words: &[u64]) -> Result<Vec<View>, TraceError> {
        let bytes = words.iter().flat_map(|word| word.to_le_bytes());
        let bytes: Vec<u8> = MAGIC.into_iter().chain(bytes).collect();
        let shape = "128:1:64".parse().unwrap();
        views(&bytes[..], &Shapes { l1i: shape, l1d: shape, l2: "256:4:64".parse().unwrap() })
    }

    /// By hand: two lines of room in the first level, sets 0 and 1; lines 0 and 2 push each other out, and the second level has room for both.
    #[test]
    fn the_first_round_is_told_from_the_others() {
        let round = [ROUND, fetch(0), fetch(128)];
        let views = read(&[&round[..], &round, &round, &[END]].concat()).unwrap();
        let [View { cold, warm, lines, is_cut: false }] = &views[..] else { panic!("{views:?}") };
        assert_eq!((cold.count, warm.count, cold.instructions(), warm.instructions()), (1, 2, 2.0, 2.0));
        let misses = |rounds: &Rounds, level| {
            [Miss::Compulsory, Miss::Capacity, Miss::Conflict]
                .map(|miss| rounds.misses(level, Side::Program, miss))
        };
        assert_eq!((misses(cold, Level::L1i), misses(cold, Level::L2)), ([2.0, 0.0, 0.0], [2.0, 0.0, 0.0]));
        assert_eq!((misses(warm, Level::L1i), misses(warm, Level::L2)), ([0.0, 0.0, 2.0], [0.0; 3]));
        assert_eq!(lines.each_ref().map(|lines| lines.code(Side::Program)), [2, 2]);
    }

    #[test]
    fn metrics_keep_their_order() {
        let views = read(&[END, ROUND, fetch(0), END, ROUND, fetch(0), ROUND, fetch(64), CUT]).unwrap();
        let rounds: Vec<_> =
            views.iter().map(|view| (view.cold.count, view.warm.count, view.is_cut)).collect();
        assert_eq!(rounds, [(0, 0, false), (1, 0, false), (1, 0, true)]);
    }

    #[test]
    fn a_trace_of_nothing_is_refused() {
        assert!(matches!(read(&[]), Err(TraceError::Empty)));
        assert!(matches!(read(&[END, CUT]), Err(TraceError::Empty)));
        assert!(matches!(read(&[fetch(0)]), Err(TraceError::NoRound)));
        assert!(matches!(read(&[ROUND, END, 3 << 56]), Err(TraceError::NoRound)));
    }
}
