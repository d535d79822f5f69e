//! A flame graph's boxes: each function as wide as it was found often, upon the one that has called it.

use crate::stacks::{IDLE, KERNEL_MARK, Stacks};

/// Part of the whole width below which a box is left out, with all that is upon it.
const NARROWEST: f64 = 1.0 / 2000.0;

/// A box.
#[derive(Clone, PartialEq, Debug)]
pub struct Frame<'a> {
    pub name: &'a str,
    /// Row, from the bottom.
    pub depth: usize,
    /// Samples to the left of it, and in it.
    pub from: u64,
    pub samples: u64,
    pub kind: Kind,
}

/// What a function belongs to, for its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The machine itself, and what has no name.
    Machine,
    Kernel,
    Server,
    /// Of the Linux server's.
    Program,
    Idle,
}

/// The boxes, row by row from the bottom and from left to right within each.
pub fn frames(stacks: &Stacks) -> Vec<Frame<'_>> {
    let least = ((stacks.total() as f64 * NARROWEST).ceil() as u64).max(1);
    let mut frames = Vec::new();
    // Those that the last stack was in: stacks come in the order of their names.
    let mut open: Vec<Frame<'_>> = Vec::new();
    let mut from = 0;
    for (path, count) in stacks.folded() {
        let same = open.iter().zip(&path).take_while(|(frame, name)| frame.name == **name).count();
        frames.extend(open.drain(same..));
        for depth in same..path.len() {
            open.push(Frame { name: path[depth], depth, from, samples: 0, kind: kind(&path[..=depth]) });
        }
        open.iter_mut().for_each(|frame| frame.samples += count);
        from += count;
    }
    frames.extend(open);
    frames.retain(|frame| frame.samples >= least);
    frames.sort_by_key(|frame| (frame.depth, frame.from));
    frames
}

fn kind(path: &[&str]) -> Kind {
    match path {
        [] | [_] => Kind::Machine,
        [_, task, ..] if *task == IDLE => Kind::Idle,
        [.., name] if name.ends_with(KERNEL_MARK) => Kind::Kernel,
        // `linux: sh`: a server's.
        [_, task, ..] if task.contains(": ") => Kind::Program,
        _ => Kind::Server,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::samples::Tree;

    #[test]
    fn what_is_called_stands_upon_its_caller() {
        let mut tree = Tree::default();
        for (stack, count) in [
            ("linux: sh/main/read", 2),
            ("linux: sh/main", 1),
            ("linux: sh/main/read/enter_[k]", 1),
            ("idle", 3),
            ("root/x", 1),
        ] {
            (0..count).for_each(|_| tree.add(0, 0, stack.split('/')));
        }
        let mut stacks = Stacks::default();
        stacks.add(tree.take());
        let boxes: Vec<_> =
            frames(&stacks).into_iter().map(|f| (f.depth, f.name, f.from, f.samples, f.kind)).collect();
        let want = [
            (0, "vm", 0, 8, Kind::Machine),
            (1, "idle", 0, 3, Kind::Idle),
            (1, "linux: sh", 3, 4, Kind::Program),
            (1, "root", 7, 1, Kind::Server),
            (2, "main", 3, 4, Kind::Program),
            (2, "x", 7, 1, Kind::Server),
            (3, "read", 4, 3, Kind::Program),
            (4, "enter_[k]", 6, 1, Kind::Kernel),
        ];
        assert_eq!(boxes, want);
    }

    #[test]
    fn what_is_too_narrow_is_left_out() {
        let mut tree = Tree::default();
        (0..9999).for_each(|_| tree.add(0, 0, ["a", "f"]));
        tree.add(0, 0, ["a", "g", "h"]);
        let mut stacks = Stacks::default();
        stacks.add(tree.take());
        let names: Vec<_> = frames(&stacks).into_iter().map(|frame| frame.name).collect();
        assert_eq!(names, ["vm", "a", "f"]);
    }
}
