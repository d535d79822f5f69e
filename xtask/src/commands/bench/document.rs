//! `docs/performance.md`: every command of `bench` writes its own part of it and leaves the others as they are.

use crate::paths;
use anyhow::{Context, Result};
use std::fs;

/// A part, which one command writes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Ipc,
    Boot,
    Devices,
    Debugger,
}

/// In the order of the page.
const PARTS: [Part; 4] = [Part::Ipc, Part::Boot, Part::Devices, Part::Debugger];

const HEAD: &str = "# Performance

<!-- Written by `cargo xtask bench`; what is changed here by hand will be lost. -->
";

impl Part {
    fn begin(self) -> &'static str {
        match self {
            Self::Ipc => "\n<!-- cargo xtask bench ipc -->\n",
            Self::Boot => "\n<!-- cargo xtask bench boot -->\n",
            Self::Devices => "\n<!-- cargo xtask bench devices -->\n",
            Self::Debugger => "\n<!-- cargo xtask bench debugger -->\n",
        }
    }
}

const END: &str = "\n<!-- end -->\n";

/// Writes a part.
pub fn write(part: Part, text: &str) -> Result<()> {
    let path = paths::root().join("docs/performance.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    fs::write(&path, with(&before, part, text)).with_context(|| format!("cannot write {}", path.display()))
}

/// The page with a part replaced.
fn with(page: &str, part: Part, text: &str) -> String {
    let mut out = String::from(HEAD);
    for each in PARTS {
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
}
