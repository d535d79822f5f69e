//! A view for people, as text.

use crate::hierarchy::{Level, Shapes};
use crate::model::Miss;
use crate::side::Side;
use crate::view::{LINES, Rounds, View};
use std::fmt::Write;

const MISSES: [(Miss, &str); 3] =
    [(Miss::Compulsory, "compulsory"), (Miss::Capacity, "capacity"), (Miss::Conflict, "conflict")];

/// All views of a trace.
pub fn text(views: &[View], shapes: &Shapes) -> String {
    let mut out = String::new();
    for level in Level::ALL {
        let _ = writeln!(out, "{:<4} {}", level.name(), shapes.of(level));
    }
    for (n, view) in views.iter().enumerate() {
        let rounds = view.cold.count + view.warm.count;
        let cut = if view.is_cut { ", and more that are not in the file" } else { "" };
        let _ = writeln!(out, "\nmetric {}: {rounds} rounds{cut}", n + 1);
        if rounds > 0 {
            working_set(&mut out, view);
            misses(&mut out, "first round, caches empty", &view.cold);
            misses(&mut out, "later rounds", &view.warm);
        }
    }
    out
}

fn working_set(out: &mut String, view: &View) {
    for (lines, size) in view.lines.iter().zip(LINES) {
        let _ = writeln!(out, "  lines of {size:<22} {:>10} {:>10}", "code", "data");
        for side in Side::ALL.into_iter().filter(|side| lines.sum(&[*side]) > 0) {
            let _ =
                writeln!(out, "    {:<29} {:>10} {:>10}", side.name(), lines.code(side), lines.data(side));
        }
    }
}

fn misses(out: &mut String, title: &str, rounds: &Rounds) {
    if rounds.count == 0 {
        return;
    }
    let instructions = rounds.instructions();
    let _ = write!(out, "  {title}: misses per instruction, of {instructions:.0}\n  {:<31}", "");
    for name in MISSES.map(|(_, name)| name).iter().chain(&["all"]) {
        let _ = write!(out, " {name:>10}");
    }
    out.push('\n');
    for level in Level::ALL {
        for side in Side::ALL.into_iter().filter(|side| rounds.instructions_of(*side) > 0.0) {
            let each = MISSES.map(|(miss, _)| rounds.misses(level, side, miss) / instructions.max(1.0));
            let _ = write!(out, "    {:<4} {:<24}", level.name(), side.name());
            for value in each.iter().chain([&each.iter().sum()]) {
                let _ = write!(out, " {value:>10.4}");
            }
            out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::MAGIC;
    use crate::view;

    #[test]
    fn a_view_is_shown() {
        let words: [u64; 4] = [4 << 56, 1 << 48, 1 << 60 | 1 << 56 | 8 << 48 | 64, 5 << 56];
        let bytes: Vec<u8> =
            MAGIC.into_iter().chain(words.iter().flat_map(|word| word.to_le_bytes())).collect();
        let shapes = Shapes::EPYC;
        let text = text(&view::views(&bytes[..], &shapes).unwrap(), &shapes);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let has = |expected: &str| text.lines().any(|line| words(line) == words(expected));
        assert!(has("L1i 64K:4:64") && has("metric 1: 1 rounds"), "{text}");
        assert!(has("program 1 0") && has("kernel 0 1"), "{text}");
        assert!(has("L1i program 1.0000 0.0000 0.0000 1.0000"), "{text}");
        assert!(!text.contains("later rounds"), "{text}");
    }
}
