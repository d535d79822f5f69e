//! docs/debugging.md shows what the tests see: its transcripts are parts of the sessions that are tried, its configuration can be read.

use serde_json::Value;
use std::path::Path;

/// Blocks of a page: the line before, and the block's own lines.
fn blocks(page: &str) -> Vec<(&str, Vec<&str>)> {
    let (mut blocks, mut before, mut lines) = (Vec::new(), "", page.lines());
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            blocks.push((before, lines.by_ref().take_while(|line| *line != "```").collect()));
        }
        before = line;
    }
    blocks
}

fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    std::fs::read_to_string(root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What somebody types and sees in a session: no comments, stage directions or empty lines.
fn visible(line: &&str) -> bool {
    let is_comment = *line == "#" || line.starts_with("# ");
    !is_comment && !line.starts_with("-- ") && !line.trim().is_empty()
}

#[test]
fn transcripts_are_of_sessions() {
    let page = read("docs/debugging.md");
    let mut found = 0;
    for (before, block) in blocks(&page) {
        let Some(path) = before.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->")) else {
            continue;
        };
        let session = read(path);
        let session: Vec<_> = session.lines().filter(visible).map(str::trim_end).collect();
        let block: Vec<_> = block.into_iter().filter(visible).map(str::trim_end).collect();
        assert!(
            session.windows(block.len()).any(|part| part == block),
            "this is no part of {path}:\n{}",
            block.join("\n")
        );
        found += 1;
    }
    assert!(found > 0);
}

#[test]
fn configurations_can_be_read() {
    let page = read("docs/debugging.md");
    let mut configurations = Vec::new();
    for (_, block) in blocks(&page).into_iter().filter(|(_, block)| block.first() == Some(&"{")) {
        let value: Value = serde_json::from_str(&block.join("\n")).unwrap();
        configurations.extend(value["configurations"].as_array().unwrap().clone());
    }
    assert!(!configurations.is_empty());
    for configuration in configurations {
        assert_eq!(configuration["request"], "launch", "{configuration}");
        assert!(configuration["name"].is_string() && configuration["program"].is_string(), "{configuration}");
    }
}
