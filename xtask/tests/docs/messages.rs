//! docs/messages.md has an entry for every error message of the host's programs, and none that nobody says.
//!
//! An entry is the message's text with `…` for each placeholder, in the first column of a table.

use crate::markdown::{Page, files, read};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const PAGE: &str = "docs/messages.md";
/// Crates whose messages people see.
const CRATES: [&str; 7] = ["cache", "devices", "p9fs", "profile", "top", "usernet", "vmm"];
/// Sections whose entries are parts of what is said, and where that stands.
const LAST_WORDS: [(&str, &[&str]); 2] = [
    ("How a guest ended", &["vmm/src/ending.rs"]),
    (
        "Last words of the guest",
        &["guest-servers/root/src", "guest-servers/userlib/src", "guest-ukernel/kernel/src"],
    ),
];

/// Source files below some places.
fn sources(places: &[&str]) -> BTreeMap<String, String> {
    let is_source = |path: &Path| path.extension().is_some_and(|extension| extension == "rs");
    let found = files().into_iter().filter(|path| is_source(path));
    let found = found.filter(|path| places.iter().any(|place| path.starts_with(place)));
    found.map(|path| (path.display().to_string(), read(path.to_str().unwrap()))).collect()
}

/// The texts of `#[error("…")]`, as the page has them. Those that are nothing but placeholders say nothing of their own.
fn messages(source: &str) -> Vec<String> {
    let attributes = source.split("#[error(").skip(1);
    let texts = attributes.filter_map(|rest| Some(entry(&literal(rest.trim_start().strip_prefix('"')?))));
    texts.filter(|text| text.chars().filter(|c| c.is_alphabetic()).count() > 1).collect()
}

/// A string literal up to its closing quote.
fn literal(rest: &str) -> String {
    let (mut out, mut chars) = (String::new(), rest.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                // The line goes on behind the next one's spaces.
                Some('\n') => {
                    let rest = chars.as_str().trim_start();
                    chars = rest.chars();
                }
                Some('n') => out.push('\n'),
                Some(c) => out.push(c),
                None => break,
            },
            c => out.push(c),
        }
    }
    out
}

/// A message with `…` for its placeholders, in one line.
fn entry(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars().peekable());
    while let Some(c) = chars.next() {
        match c {
            '{' if chars.next_if_eq(&'{').is_some() => out.push('{'),
            '}' if chars.next_if_eq(&'}').is_some() => out.push('}'),
            '{' => {
                chars.by_ref().find(|c| *c == '}');
                out.push('…');
            }
            c => out.push(c),
        }
    }
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The entries of the page, with their sections.
fn entries() -> Vec<(String, String)> {
    let (mut entries, mut section) = (Vec::new(), String::new());
    for line in read(PAGE).lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section = heading.to_owned();
        } else if let Some(row) = line.strip_prefix("| ") {
            let cell = row.split(" | ").next().unwrap_or_default();
            entries.extend(Page::parse(cell).code.into_iter().map(|text| (section.clone(), text)));
        }
    }
    entries
}

fn is_last_words(section: &str) -> bool {
    LAST_WORDS.iter().any(|(name, _)| *name == section)
}

#[test]
fn every_message_has_its_entry() {
    let documented: BTreeSet<_> = entries().into_iter().map(|(_, text)| text).collect();
    let mut missing = Vec::new();
    for (path, source) in sources(&CRATES).iter().filter(|(path, _)| !path.contains("/tests")) {
        let new = messages(source).into_iter().filter(|text| !documented.contains(text));
        missing.extend(new.map(|text| format!("{path}: | `{text}` | … |")));
    }
    assert!(
        missing.is_empty(),
        "{PAGE} lacks these messages. Add a row to the table where a reader looks for it, and say in place of … what to do:\n{}",
        missing.join("\n")
    );
}

#[test]
fn every_entry_is_said() {
    let said: BTreeSet<_> = sources(&CRATES).values().flat_map(|source| messages(source)).collect();
    let stale =
        entries().into_iter().filter(|(section, text)| !is_last_words(section) && !said.contains(text));
    let stale: Vec<_> = stale.map(|(_, text)| text).collect();
    assert!(stale.is_empty(), "{PAGE} has messages that nobody says (reworded?): {stale:#?}");
}

#[test]
fn last_words_are_said() {
    for (section, places) in LAST_WORDS {
        let code: String = sources(places).into_values().collect();
        let here: Vec<_> =
            entries().into_iter().filter(|(of, _)| of == section).map(|(_, text)| text).collect();
        assert!(!here.is_empty(), "{PAGE} has no section \"{section}\"");
        let stale: Vec<_> = here.into_iter().filter(|text| !code.contains(text.as_str())).collect();
        assert!(stale.is_empty(), "{section}: nobody says {stale:#?}");
    }
}

#[test]
fn messages_are_read() {
    let source = r##"
        #[error("kernel {}: \"{what}\" is {{no}} \
                 kernel", .path.display())]
        #[error(
            "two\nlines"
        )]
        #[error(transparent)]
        #[error("{0}: {1}")]
    "##;
    assert_eq!(messages(source), ["kernel …: \"…\" is {no} kernel", "two lines"]);
}
