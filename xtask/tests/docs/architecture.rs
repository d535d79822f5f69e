//! docs/architecture.md names files and functions: they are there.

use crate::markdown::{Page, read, root};

const PAGE: &str = "docs/architecture.md";

/// The words between backquotes.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

fn is_source(word: &str) -> bool {
    word.contains('/') && (word.ends_with(".rs") || word.ends_with(".s"))
}

/// Whether a file of source code has a function, or in assembler a label, of this name.
fn has(source: &str, name: &str) -> bool {
    let is_end = |c: char| !(c.is_alphanumeric() || c == '_');
    let follows = |line: &str, before: &str| {
        let at = line.find(before).map(|at| at + before.len());
        at.and_then(|at| line[at..].strip_prefix(name)).is_some_and(|rest| rest.starts_with(is_end))
    };
    source.lines().any(|line| follows(line, "fn ") || line.trim() == format!("{name}:"))
}

#[test]
fn every_file_is_there() {
    let missing: Vec<_> = Page::read(PAGE).code.into_iter().filter(|word| is_source(word)).collect();
    assert!(missing.len() > 20, "the page names files");
    let missing: Vec<_> = missing.into_iter().filter(|path| !root().join(path).is_file()).collect();
    assert!(missing.is_empty(), "{PAGE} names files that are not there: {missing:?}");
}

/// Rows are: what happens | file | functions, or, of threads: name | file | function | what it does.
#[test]
fn every_function_is_there() {
    let page = read(PAGE);
    let (mut missing, mut found) = (Vec::new(), 0);
    for row in page.lines().filter(|line| line.starts_with('|')) {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [_, file, functions, ..] = cells[..] else { continue };
        let [path] = code(file)[..] else { continue };
        let source = read(path);
        for function in code(functions) {
            found += 1;
            if !has(&source, function) {
                missing.push(format!("{function} in {path}"));
            }
        }
    }
    assert!(found > 50, "the page names functions");
    assert!(missing.is_empty(), "{PAGE} names functions that are not there (renamed? moved?): {missing:#?}");
}

#[test]
fn functions_are_told_from_what_is_none() {
    let source = "    pub fn take(&self) {}\nentry:\n// takes\nfn taken<T>() {}";
    for name in ["take", "taken", "entry"] {
        assert!(has(source, name), "{name}");
    }
    for name in ["tak", "takes", "self", "ent"] {
        assert!(!has(source, name), "{name}");
    }
}
