//! `docs/performance.md` and `docs/paper.md`: every command of `bench` writes its own part of them and leaves the others as they are.

use crate::paths;
use anyhow::{Context, Result};
use std::fs;

/// A part, which one command writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Ipc,
    Calls,
    Boot,
    Start,
    Devices,
    Debugger,
    Paper,
    Events,
    Cache,
    Lmbench,
}

/// A page, with its parts in their order.
struct Page {
    path: &'static str,
    title: &'static str,
    parts: &'static [Part],
}

const PAGES: [Page; 2] = [
    Page {
        path: "docs/performance.md",
        title: "Performance",
        parts: &[Part::Ipc, Part::Calls, Part::Boot, Part::Start, Part::Devices, Part::Debugger],
    },
    Page {
        path: "docs/paper.md",
        title: "The paper's measurements",
        parts: &[Part::Paper, Part::Events, Part::Cache, Part::Lmbench],
    },
];

const NOTE: &str = "<!-- Written by `cargo xtask bench`; what is changed here by hand will be lost. -->\n";

impl Part {
    fn begin(self) -> &'static str {
        match self {
            Self::Ipc => "\n<!-- cargo xtask bench ipc -->\n",
            Self::Calls => "\n<!-- cargo xtask bench calls -->\n",
            Self::Boot => "\n<!-- cargo xtask bench boot -->\n",
            Self::Start => "\n<!-- cargo xtask bench start -->\n",
            Self::Devices => "\n<!-- cargo xtask bench devices -->\n",
            Self::Debugger => "\n<!-- cargo xtask bench debugger -->\n",
            Self::Paper => "\n<!-- cargo xtask bench paper -->\n",
            Self::Events => "\n<!-- cargo xtask bench paper --events -->\n",
            Self::Cache => "\n<!-- cargo xtask bench cache -->\n",
            Self::Lmbench => "\n<!-- cargo xtask bench paper --lmbench DIR -->\n",
        }
    }

    fn page(self) -> &'static Page {
        PAGES.iter().find(|page| page.parts.contains(&self)).expect("each part stands on a page")
    }
}

const END: &str = "\n<!-- end -->\n";

/// Writes a part.
pub fn write(part: Part, text: &str) -> Result<()> {
    let path = paths::root().join(part.page().path);
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, with(&before, part, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// The page with a part replaced.
fn with(page: &str, part: Part, text: &str) -> String {
    let mut out = format!("# {}\n\n{NOTE}", part.page().title);
    for &each in part.page().parts {
        let text = if each == part { Some(text.trim()) } else { find(page, each) };
        if let Some(text) = text {
            out += &format!("{}\n{text}\n{END}", each.begin());
        }
    }
    out
}

fn find(page: &str, part: Part) -> Option<&str> {
    let (_, rest) = page.split_once(part.begin())?;
    Some(rest.split_once(END)?.0.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_disturb_each_other() {
        let first = with("", Part::Boot, "\nboot one\n\nend\n");
        let second = with(&first, Part::Ipc, "ipc one");
        assert_eq!(find(&second, Part::Boot), Some("boot one\n\nend"));
        assert_eq!(find(&second, Part::Ipc), Some("ipc one"));
        assert!(second.find("ipc one") < second.find("boot one"));
        let third = with(&second, Part::Boot, "boot two");
        assert_eq!(find(&third, Part::Ipc), Some("ipc one"));
        assert!(!third.contains("boot one") && third.contains("boot two"));
        assert_eq!(with(&third, Part::Boot, "boot two"), third);
    }

    #[test]
    fn each_part_is_on_its_page() {
        assert!(with("", Part::Debugger, "x").starts_with("# Performance\n"));
        assert!(with("", Part::Paper, "x").starts_with("# The paper's measurements\n"));
    }
}
