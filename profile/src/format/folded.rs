//! Folded stacks: a line for each, its frames from the outermost to the innermost with semicolons in between, and how often it was found.
//!
//! `flamegraph.pl`, inferno and speedscope draw flame graphs of it.

use crate::stacks::Stacks;
use std::io::{self, Write};

pub fn write(stacks: &Stacks, out: &mut dyn Write) -> io::Result<()> {
    stacks.folded().into_iter().try_for_each(|(path, count)| writeln!(out, "{} {count}", path.join(";")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::samples::Tree;

    #[test]
    fn a_line_has_a_stack_and_its_count() {
        let mut tree = Tree::default();
        for stack in [&["linux: sh", "main", "<a as b>::f"][..], &["idle"], &["idle"]] {
            tree.add(0, 0, stack.iter().copied());
        }
        let mut stacks = Stacks::default();
        stacks.add(tree.take());
        let mut out = Vec::new();
        write(&stacks, &mut out).unwrap();
        assert_eq!(str::from_utf8(&out).unwrap(), "vm;idle 2\nvm;linux: sh;main;<a as b>::f 1\n");
    }
}
