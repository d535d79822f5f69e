//! The forms that a profile can be had in.
//!
//! - [`table`], [`jsonl`], [`hdr`], [`html`]: made of a [`Report`](crate::report::Report); [`units`], [`words`]: how they write numbers and sentences; [`escape`]: text in
//!   HTML and SVG
//! - [`perfetto`]: made of the records as they are gone through
//! - [`folded`], [`flamegraph`]: made of the samples

pub mod escape;
pub mod flamegraph;
pub mod folded;
pub mod hdr;
pub mod html;
pub mod jsonl;
pub mod perfetto;
pub mod table;
pub mod units;
pub mod words;

use std::path::Path;
use std::str::FromStr;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    /// For a terminal.
    Table,
    /// A JSON object a line.
    JsonLines,
    /// HdrHistogram's log.
    Hdr,
    /// Chrome's trace events, for the Perfetto UI.
    Perfetto,
    /// Folded stacks, for programs that draw flame graphs.
    Folded,
    /// A flame graph, as a picture.
    FlameGraph,
    /// A page for a browser.
    Html,
    /// As it was recorded: [`crate::file`].
    Raw,
}

/// Names, and extensions of files that mean them.
const ALL: [(Format, &str, &str); 8] = [
    (Format::Table, "table", "txt"),
    (Format::JsonLines, "jsonl", "jsonl"),
    (Format::Hdr, "hdr", "hlog"),
    (Format::Perfetto, "perfetto", "json"),
    (Format::Folded, "folded", "folded"),
    (Format::FlameGraph, "flamegraph", "svg"),
    (Format::Html, "html", "html"),
    (Format::Raw, "raw", "raw"),
];

impl Format {
    /// What users write.
    pub const NAMES: [&str; 8] = {
        let mut names = [""; 8];
        let mut n = 0;
        while n < names.len() {
            names[n] = ALL[n].1;
            n += 1;
        }
        names
    };

    pub fn name(self) -> &'static str {
        ALL.iter().find(|(format, ..)| *format == self).map_or("", |(_, name, _)| name)
    }

    /// Samples that are usually taken a second of each vCPU for it; `Some(0)`: it keeps those that somebody asks for. `None`: it shows none. A number that has no factor in
    /// common with what a guest does a thousand times a second.
    pub fn samples(self) -> Option<u32> {
        match self {
            Self::Folded | Self::FlameGraph => Some(997),
            // It is about times, too, which samples make longer.
            Self::Html => Some(97),
            Self::Raw => Some(0),
            _ => None,
        }
    }

    /// What a file of this name is to hold, if its extension says so.
    pub fn of_path(path: &Path) -> Option<Self> {
        let given = path.extension()?;
        ALL.iter().find(|(.., extension)| given == *extension).map(|(format, ..)| *format)
    }
}

/// There is no format of this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no format {0:?}; known: {known}", known = Format::NAMES.join(", "))]
pub struct UnknownFormat(pub String);

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let found = ALL.iter().find(|(_, known, _)| *known == name);
        found.map(|(format, ..)| *format).ok_or_else(|| UnknownFormat(name.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_extensions_mean_formats() {
        for name in Format::NAMES {
            assert_eq!(name.parse::<Format>().unwrap().name(), name);
        }
        let of = |path: &str| Format::of_path(Path::new(path));
        assert_eq!(
            (of("a/b.json"), of("b.hlog"), of("x.txt"), of("c.svg")),
            (Some(Format::Perfetto), Some(Format::Hdr), Some(Format::Table), Some(Format::FlameGraph))
        );
        assert_eq!((of("profile"), of("a.out"), of("txt")), (None, None, None));
        assert_eq!(
            "JSON".parse::<Format>().unwrap_err().to_string(),
            "there is no format \"JSON\"; known: table, jsonl, hdr, perfetto, folded, flamegraph, html, raw"
        );
    }
}
