//! Files of `tests/data` with counts that are promised. A test fails when one has grown.

use crate::paths;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Such a file.
pub struct Promise {
    /// Its name.
    pub file: &'static str,
    /// What the counts are.
    pub what: &'static str,
    /// The command that writes it.
    pub command: &'static str,
}

/// What a path takes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    pub instructions: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code_lines: Vec<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_lines: Vec<usize>,
}

impl Counts {
    /// Of something whose cache lines are not counted.
    pub fn instructions(instructions: u64) -> Self {
        Self { instructions, code_lines: vec![], data_lines: vec![] }
    }

    /// What has grown since `before`.
    pub fn growth(&self, before: &Self) -> Vec<String> {
        let one = |what: &str, now: u64, before: u64| {
            (now > before).then(|| format!("{now} {what}, and not {before} as before"))
        };
        let lines = |what: &str, now: &[usize], before: &[usize]| {
            let sum = |lines: &[usize]| lines.iter().sum::<usize>() as u64;
            one(what, sum(now), sum(before))
        };
        let grown = [
            one("instructions", self.instructions, before.instructions),
            lines("lines of code", &self.code_lines, &before.code_lines),
            lines("lines of data", &self.data_lines, &before.data_lines),
        ];
        grown.into_iter().flatten().collect()
    }
}

/// By the names of what is counted.
pub type Table = BTreeMap<String, Counts>;

impl Promise {
    fn path(&self) -> PathBuf {
        paths::root().join("tests/data").join(self.file)
    }

    pub fn read(&self) -> Result<Table> {
        let path = self.path();
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("in {}", path.display()))
    }

    pub fn write(&self, table: &Table) -> Result<()> {
        let Self { what, command, .. } = self;
        let head = format!("# {what} Written by\n# `{command}`; a test fails when a count has grown.\n\n");
        let (path, text) = (self.path(), head + &toml::to_string(table)?);
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Prints what has become of the promise. Whether nothing has grown.
    pub fn check(&self, now: &Table) -> Result<bool> {
        let (report, good) = check(now, &self.read()?, self.command);
        print!("{report}");
        Ok(good)
    }
}

/// Compares with what is promised: a line a path, `ok NAME …` or `not ok NAME # …`. Whether nothing has grown.
fn check(now: &Table, promised: &Table, command: &str) -> (String, bool) {
    let (mut report, mut good) = (String::new(), true);
    for (name, counts) in now {
        let wrong = match promised.get(name) {
            Some(before) => counts.growth(before),
            None => vec![format!("nothing is promised; `{command}` does it")],
        };
        good &= wrong.is_empty();
        report += &match wrong.is_empty() {
            true => format!("ok {name} {}\n", counts.instructions),
            false => format!("not ok {name} # {}\n", wrong.join("; ")),
        };
    }
    for name in promised.keys().filter(|name| !now.contains_key(*name)) {
        good = false;
        report += &format!("not ok {name} # it is promised, but was not counted\n");
    }
    (report, good)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(instructions: u64, code: usize) -> Counts {
        Counts { instructions, code_lines: vec![code, 1], data_lines: vec![] }
    }

    fn table(counts: Counts) -> Table {
        Table::from([("call".to_owned(), counts)])
    }

    #[test]
    fn growth_is_told() {
        let promised = table(counts(100, 8));
        assert_eq!(check(&table(counts(100, 8)), &promised, "x"), ("ok call 100\n".to_owned(), true));
        assert!(check(&table(counts(99, 7)), &promised, "x").1);
        let (report, good) = check(&table(counts(101, 9)), &promised, "x");
        assert!(
            !good && report.contains("101 instructions") && report.contains("10 lines of code"),
            "{report}"
        );
    }

    #[test]
    fn paths_come_and_go_by_decision_only() {
        assert!(!check(&table(counts(1, 1)), &Table::new(), "x").1);
        assert!(!check(&Table::new(), &table(counts(1, 1)), "x").1);
    }

    #[test]
    fn what_is_written_is_read() {
        let table = table(counts(100, 8));
        assert_eq!(toml::from_str::<Table>(&toml::to_string(&table).unwrap()).unwrap(), table);
    }
}
