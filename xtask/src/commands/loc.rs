//! `cargo xtask loc`: lines of code, area by area.
//!
//! A line of code is one that is neither empty nor only a comment. Tests are counted apart: files named `tests.rs`,
//! folders named `tests`, and inline modules marked `#[cfg(test)]`, which stand at a file's end in this project.

use crate::paths;
use anyhow::Result;
use std::path::Path;
use std::process::ExitCode;

/// An area of the project, and the folders that it is in.
const AREAS: [(&str, &[&str]); 8] = [
    ("abi", &["abi"]),
    ("µ-kernel", &["guest-ukernel"]),
    ("servers", &["guest-servers"]),
    ("VMM and devices", &["vmm", "devices"]),
    ("profiles", &["profile", "cache", "top"]),
    ("gdb", &["gdb"]),
    ("xtask", &["xtask"]),
    ("guest tests", &["tests"]),
];

/// Endings of source files, and what begins a comment in them.
const LANGUAGES: [(&str, &str); 6] =
    [("rs", "//"), ("c", "//"), ("h", "//"), ("S", "//"), ("sh", "#"), ("py", "#")];

/// Lines of code.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Lines {
    pub code: usize,
    pub tests: usize,
}

pub fn loc() -> Result<ExitCode> {
    println!("{:<16} {:>7} {:>7}", "", "code", "tests");
    for (area, lines) in count()? {
        println!("{area:<16} {:>7} {:>7}", lines.code, lines.tests);
    }
    Ok(ExitCode::SUCCESS)
}

/// Lines of every area.
pub fn count() -> Result<Vec<(&'static str, Lines)>> {
    let area = |&(name, folders): &(&'static str, &[&str])| {
        let mut lines = Lines::default();
        for folder in folders {
            add_folder(&paths::root().join(folder), name == "guest tests", &mut lines)?;
        }
        Ok((name, lines))
    };
    AREAS.iter().map(area).collect()
}

fn add_folder(folder: &Path, in_tests: bool, lines: &mut Lines) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        let in_tests = in_tests || name == "tests" || name == "tests.rs";
        if entry.file_type()?.is_dir() {
            add_folder(&path, in_tests, lines)?;
        } else if let Some(comment) = comment(&path) {
            let found = count_text(&std::fs::read_to_string(&path)?, comment);
            if in_tests {
                lines.tests += found.code + found.tests;
            } else {
                lines.code += found.code;
                lines.tests += found.tests;
            }
        }
    }
    Ok(())
}

fn comment(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?;
    LANGUAGES.iter().find(|(ending, _)| *ending == extension).map(|(_, comment)| *comment)
}

fn count_text(text: &str, comment: &str) -> Lines {
    let mut lines = Lines::default();
    let mut code =
        text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with(comment)).peekable();
    let mut in_tests = false;
    while let Some(line) = code.next() {
        // `#[cfg(test)] mod tests;` only names a file; with a brace it is the tests.
        in_tests |= line == "#[cfg(test)]"
            && code.peek().is_some_and(|next| next.starts_with("mod ") && next.ends_with('{'));
        if in_tests { lines.tests += 1 } else { lines.code += 1 }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_tests_are_told_from_code() {
        let text = "//! Head\n\nfn a() {} // b\n    // c\n#[cfg(test)]\nmod tests {\n    fn d() {}\n}\n";
        assert_eq!(count_text(text, "//"), Lines { code: 1, tests: 4 });
        assert_eq!(
            count_text("fn a() {}\n#[cfg(test)]\nmod tests;\nfn b() {}\n", "//"),
            Lines { code: 4, tests: 0 }
        );
    }

    #[test]
    fn every_area_is_there() {
        assert_eq!(count().unwrap().len(), AREAS.len());
    }
}
