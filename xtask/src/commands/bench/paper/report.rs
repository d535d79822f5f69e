//! `build/paper/report.html`: the page as one file for a browser, with charts.
//!
//! - [`charts`]: the charts of each section; [`markdown`]: its text and tables, which are those of docs/paper.md

pub mod charts;
mod markdown;

use super::part::{self, All};
use super::programs;
use super::system::SYSTEMS;
use crate::commands::bench::results::measured;
use anyhow::{Context, Result};
use profile::charts::page;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

const TITLE: &str = "The paper's measurements";

/// Writes the file.
pub fn write(all: &All<'_>) -> Result<PathBuf> {
    let path = programs::folder()?.join("report.html");
    let mut out = Vec::new();
    render(all, &mut out)?;
    fs::write(&path, out).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// The page.
pub fn render(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    page::begin(TITLE, "", out)?;
    writeln!(out, "<h1>{TITLE}</h1>")?;
    page::tiles(&tiles(all), out)?;
    for section in part::sections(all) {
        // Below the heading, if there is one.
        let (heading, rest) = match section.text.split_once('\n') {
            Some((first, rest)) if first.starts_with('#') => (first, rest),
            _ => ("", section.text.as_str()),
        };
        write!(out, "{}", markdown::html(heading))?;
        (section.charts)(all, out)?;
        write!(out, "{}", markdown::html(rest))?;
    }
    page::end(out)
}

/// What one wants to know first: how we stand beside Linux.
fn tiles(all: &All<'_>) -> Vec<(String, String)> {
    let Some(linux) = all.measured.runs.iter().find(|run| run.system.key == SYSTEMS[0].key) else {
        return Vec::new();
    };
    let mut tiles = Vec::new();
    for run in all.measured.runs.iter().filter(|run| !run.system.is_linux()) {
        let times = |name: &str| {
            let (ours, base) = (measured(&run.metrics, name)?, measured(&linux.metrics, name)?);
            Some(ours.stats.median / base.stats.median)
        };
        if let Some(times) = times("getpid") {
            tiles.push((
                format!("{times:.2} ×"),
                format!("Linux' instructions for a getpid: {}", run.system.title),
            ));
        }
        let all: Vec<f64> = linux.metrics.iter().filter_map(|(name, _)| times(name)).collect();
        let fewer = all.iter().filter(|times| **times <= 1.0).count();
        let what = format!("rows with no more instructions than Linux: {}", run.system.title);
        tiles.push((format!("{fewer} of {}", all.len()), what));
    }
    tiles
}

#[cfg(test)]
mod tests;
