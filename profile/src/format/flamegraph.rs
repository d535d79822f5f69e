//! A flame graph: a picture that is complete in itself, and as wide as there is room.
//!
//! A box is an SVG in the SVG, at a place and of a width in per cent: so a name is cut off where its box ends, and letters are as large on a telephone as on a wall. (Of `inferno`,
//! which is a crate for this, the licence is not one of ours.)

use super::escape::escape;
use super::units::{count, percent};
use crate::file::Header;
use crate::flame::{self, Frame, Kind};
use crate::names::harmless;
use crate::stacks::Stacks;
use std::io::{self, Write};

const STYLE: &str = include_str!("flamegraph.css");
const SCRIPT: &str = include_str!("flamegraph.js");

/// Pixels of a row, and of a box in it.
const ROW: usize = 17;
const BOX: usize = 16;
/// Pixels above the boxes of a picture that stands alone.
const HEAD: usize = 46;

/// The picture as a file.
pub fn write(header: &Header, stacks: &Stacks, out: &mut dyn Write) -> io::Result<()> {
    let command = escape(&harmless(&header.command.join(" "), 4096));
    let height = HEAD + height(stacks);
    write!(
        out,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"flame\" width=\"100%\" height=\"{height}\">\n\
         <style>\n{STYLE}svg {{ --paper: #ffffff; }}\nsvg.flame {{ background: var(--paper); }}\n\
         svg.frames &gt; svg {{ cursor: pointer; }}\ntext.head {{ font: 14px system-ui, sans-serif; }}\n</style>\n\
         <svg height=\"{HEAD}\"><text class=\"head\" x=\"8\" y=\"20\">ukvmm {command}</text><text class=\"head\" x=\"8\" y=\"38\">{} samples. \
         A click on a box shows it larger.</text></svg>\n<svg y=\"{HEAD}\">",
        count(stacks.total().into())
    )?;
    picture(stacks, out)?;
    writeln!(out, "</svg>\n<script>//<![CDATA[\n{SCRIPT}//]]></script>\n</svg>")
}

/// The boxes alone, to be part of a page.
pub fn picture(stacks: &Stacks, out: &mut dyn Write) -> io::Result<()> {
    let (frames, total, height) = (flame::frames(stacks), stacks.total(), height(stacks));
    writeln!(
        out,
        "<svg class=\"frames\" width=\"100%\" height=\"{height}\" style=\"height:{height}px\" role=\"img\" aria-label=\"Flame graph\">"
    )?;
    frames.iter().try_for_each(|frame| write_box(frame, total, height, out))?;
    writeln!(out, "</svg>")
}

fn height(stacks: &Stacks) -> usize {
    let rows = flame::frames(stacks).last().map_or(0, |frame| frame.depth + 1);
    rows * ROW
}

fn write_box(frame: &Frame<'_>, total: u64, height: usize, out: &mut dyn Write) -> io::Result<()> {
    let Frame { name, depth, from, samples, kind } = frame;
    let share = |part: u64| part as f64 / total as f64 * 100.0;
    let name = escape(name);
    writeln!(
        out,
        "<svg x=\"{:.4}%\" y=\"{}\" width=\"{:.4}%\" height=\"{BOX}\"><title>{name}: {} samples ({})</title><rect class=\"{}\" width=\"100%\" height=\"{BOX}\" \
         rx=\"2\"/><text x=\"3\" y=\"12\">{name}</text></svg>",
        share(*from),
        height - (depth + 1) * ROW,
        share(*samples),
        count((*samples).into()),
        percent((*samples).into(), total.into()),
        class(*kind)
    )
}

fn class(kind: Kind) -> &'static str {
    match kind {
        Kind::Machine => "machine",
        Kind::Kernel => "kernel",
        Kind::Server => "server",
        Kind::Program => "program",
        Kind::Idle => "idle",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::file::samples::Tree;

    fn stacks() -> Stacks {
        let mut tree = Tree::default();
        tree.add(0, 0, ["linux: sh", "main", "<f>\"&"]);
        (0..3).for_each(|_| tree.add(0, 0, ["idle"]));
        let mut stacks = Stacks::default();
        stacks.add(tree.take());
        stacks
    }

    #[test]
    fn a_picture_is_complete_in_itself_and_names_are_only_text() {
        let mut out = Vec::new();
        let header = Header { command: vec!["</svg><script>".into()], ..Header::default() };
        write(&header, &stacks(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("&lt;f&gt;&quot;&amp;: 1 samples (25.0 %)"), "{text}");
        assert!(text.contains("&lt;/svg&gt;") && text.matches("<script>").count() == 1);
        assert_eq!(text.matches("http").count(), 1, "the name space, and no address");
        assert_eq!(text.matches("<svg").count(), text.matches("</svg>").count());
    }

    #[test]
    fn boxes_stand_upon_each_other() {
        let mut out = Vec::new();
        picture(&stacks(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        let place = |name: &str| {
            let line = text.lines().find(|line| line.contains(&format!("<title>{name}:"))).unwrap();
            line.split(" height").next().unwrap().to_owned()
        };
        assert_eq!(place("vm"), "<svg x=\"0.0000%\" y=\"51\" width=\"100.0000%\"");
        assert_eq!(place("idle"), "<svg x=\"0.0000%\" y=\"34\" width=\"75.0000%\"");
        assert_eq!(place("main"), "<svg x=\"75.0000%\" y=\"17\" width=\"25.0000%\"");
    }
}
