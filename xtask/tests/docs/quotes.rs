//! A block of code below the line `<!-- FILE -->` is that file, whole. (Parts of sessions of gdb are looked at by
//! `tests/debugging.rs`.)

use crate::markdown::{pages, read, root};

/// The blocks of a page that say which file they are.
fn quotes(page: &str) -> Vec<(&str, String)> {
    let (mut quotes, mut before, mut lines) = (Vec::new(), "", page.lines());
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            let block: String =
                lines.by_ref().take_while(|line| *line != "```").map(|l| format!("{l}\n")).collect();
            let file = before.strip_prefix("<!-- ").and_then(|line| line.strip_suffix(" -->"));
            quotes.extend(file.map(|file| (file, block)));
        }
        before = line;
    }
    // Other comments are for people.
    quotes.retain(|(file, _)| !file.contains(' ') && !file.ends_with(".session"));
    quotes
}

#[test]
fn files_that_are_shown_are_as_they_are() {
    let mut shown = Vec::new();
    for path in pages() {
        for (file, block) in quotes(&read(path.to_str().unwrap())) {
            assert!(root().join(file).is_file(), "{} shows {file}, which is not there", path.display());
            assert!(
                read(file) == block,
                "{} shows {file} otherwise than it is: copy it again",
                path.display()
            );
            shown.push(file.to_owned());
        }
    }
    for file in
        ["tests/tutorial/src/bin/mean.rs", "tests/tutorial/src/bin/teller.rs", "images/servers/tutorial.toml"]
    {
        assert!(shown.iter().any(|shown| shown == file), "no page shows {file}");
    }
}

#[test]
fn blocks_that_say_nothing_are_anybody_s() {
    let page = "<!-- a.rs -->\n```rust\nx\n```\n\n```\ny\n```\n<!-- b.session -->\n```\nz\n```\n";
    assert_eq!(quotes(page), [("a.rs", "x\n".to_owned())]);
}
