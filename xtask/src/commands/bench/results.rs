//! Results of the measuring programs: a JSON object a line, with figures in the form of seL4's benchmark results.
//!
//! A file of them begins with a line that says what was measured, and how; nothing in it differs between two runs of the same thing.

use super::checksums::Checksums;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The first line of a file.
#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
pub struct Header {
    /// What was measured.
    pub system: String,
    /// Version of `ukvmm`.
    pub ukvmm: String,
    /// The guest's kernel.
    pub kernel: String,
    /// The command line; paths are the repository's.
    pub command: String,
    /// What a tick is.
    #[serde(default)]
    pub clock: String,
    /// Of the kernel, its servers, and the others that took part.
    #[serde(default)]
    pub build: Checksums,
}

/// What a metric came to.
#[derive(Clone, PartialEq, Debug)]
pub enum Figure {
    Measured(Measured),
    /// Why it could not be measured.
    Unavailable(String),
}

#[derive(Clone, PartialEq, Debug)]
pub struct Measured {
    /// "ticks", or "ticks/byte".
    pub unit: String,
    /// What a round does that many of. Figures are per one of them.
    pub per: f64,
    /// Taken off each round, in ticks.
    pub subtracted: f64,
    pub stats: Stats,
}

/// In the order in which they stand in a line.
#[derive(Deserialize, Clone, Copy, PartialEq, Debug)]
pub struct Stats {
    pub min: f64,
    pub q1: f64,
    pub median: f64,
    pub mean: f64,
    pub q3: f64,
    pub max: f64,
    pub stddev: f64,
    pub n: f64,
}

/// A metric's name and figure, as they come.
pub type Metrics = Vec<(String, Figure)>;

#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Line {
    Measured { name: String, unit: String, per: f64, subtracted: f64, stats: Stats },
    Unavailable { name: String, error: String },
}

/// A line of a measuring program.
pub fn parse_line(line: &str) -> Result<(String, Figure)> {
    let line = serde_json::from_str(line).with_context(|| format!("no metric: {line}"))?;
    Ok(match line {
        Line::Measured { name, unit, per, subtracted, stats } => {
            (name, Figure::Measured(Measured { unit, per, subtracted, stats }))
        }
        Line::Unavailable { name, error } => (name, Figure::Unavailable(error)),
    })
}

/// Lines of a measuring program. None may be anything else, and no name may come twice.
pub fn parse(lines: &str) -> Result<Metrics> {
    let metrics = lines.lines().map(parse_line).collect::<Result<Metrics>>()?;
    for (at, (name, _)) in metrics.iter().enumerate() {
        ensure!(metrics[..at].iter().all(|(other, _)| other != name), "two metrics are called {name:?}");
    }
    Ok(metrics)
}

/// The figure of a metric.
pub fn find<'a>(metrics: &'a Metrics, name: &str) -> Option<&'a Figure> {
    metrics.iter().find(|(other, _)| other == name).map(|(_, figure)| figure)
}

/// What was measured of a metric.
pub fn measured<'a>(metrics: &'a Metrics, name: &str) -> Option<&'a Measured> {
    match find(metrics, name)? {
        Figure::Measured(measured) => Some(measured),
        Figure::Unavailable(_) => None,
    }
}

#[derive(Serialize, Deserialize)]
struct FirstLine {
    header: Header,
}

/// Writes a file: what a measuring program has said, behind a header.
pub fn write(path: &Path, header: &Header, lines: &str) -> Result<()> {
    let first = serde_json::to_string(&FirstLine { header: header.clone() })?;
    fs::write(path, format!("{first}\n{lines}")).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a file.
pub fn read(path: &Path) -> Result<(Header, Metrics)> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    from_text(&text).with_context(|| format!("in {}", path.display()))
}

fn from_text(text: &str) -> Result<(Header, Metrics)> {
    let Some((first, rest)) = text.split_once('\n') else { bail!("there are no results") };
    let first: FirstLine = serde_json::from_str(first).context("the first line is no header")?;
    Ok((first.header, parse(rest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = "{\"name\":\"a\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":3,\"stats\":[1,2,3.5,4,5,6,0.5,10]}\n\
                         {\"name\":\"b\",\"error\":\"pipe: Function not implemented\"}\n";

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.jsonl");
        let words = ["system", "0.1", "kernel", "command", "clock"].map(str::to_owned);
        let [system, ukvmm, kernel, command, clock] = words;
        let build = [("guest.elf".to_owned(), "12ab".to_owned())].into();
        let header = Header { system, ukvmm, kernel, command, clock, build };
        write(&path, &header, LINES).unwrap();
        let (found, metrics) = read(&path).unwrap();
        assert_eq!(found, header);
        let a = measured(&metrics, "a").unwrap();
        assert_eq!((a.stats.median, a.stats.n, a.subtracted), (3.5, 10.0, 3.0));
        assert_eq!(
            find(&metrics, "b"),
            Some(&Figure::Unavailable("pipe: Function not implemented".to_owned()))
        );
        assert!(measured(&metrics, "b").is_none() && find(&metrics, "c").is_none());
    }

    #[test]
    fn other_lines_are_refused() {
        let a = LINES.lines().next().unwrap();
        for wrong in [
            "words",
            "{}",
            "{\"name\":\"a\"}",
            &a.replace(",10]", "]"),
            &a.replace(",10]", ",10,11]"),
            &a.replace("3.5", "null"),
            &a.replace("\"per\"", "\"pre\""),
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
        assert!(parse(&format!("{a}\n{a}\n")).unwrap_err().to_string().contains("\"a\""));
        assert!(from_text(LINES).is_err(), "without a header");
        assert!(from_text("").is_err());
    }
}
