//! One page for a browser, with everything in it: it loads nothing, runs no script, and can be mailed or printed.
//!
//! - [`bars`]: where the time went; [`figures`]: tables; [`plot`]: how long it took, each; [`course`]: what the machine did in the course of time;
//!   [`flame`]: where vCPUs were found

mod bars;
mod course;
mod figures;
mod flame;
mod plot;

use super::escape::escape;
use super::units::{count, grouped, percent, time};
use super::words;
use crate::charts::page;
use crate::metric::Section;
use crate::report::Report;
use std::io::{self, Write};

const STYLE: &str = include_str!("flamegraph.css");

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let command = escape(&words::command(report));
    page::begin(&format!("Profile: {}", words::command(report)), STYLE, out)?;
    writeln!(
        out,
        "<h1>Profile</h1>\n<p><code>{command}</code></p>\n<p class=\"faint\">{}. ukvmm {}.</p>",
        escape(&words::extent(report)),
        escape(&report.header.ukvmm)
    )?;
    tiles(report, out)?;
    course::write(report, out)?;
    flame::write(report, out)?;
    for section in Section::ALL {
        let metrics = report.summary.section(section);
        if !metrics.is_empty() {
            writeln!(out, "<h2>{}</h2>", section.title())?;
            bars::write(report, &metrics, out)?;
            figures::metrics(report, &metrics, out)?;
            plot::write(report, &metrics, out)?;
        }
    }
    figures::marks(report, out)?;
    figures::machine(report, out)?;
    writeln!(out, "<h2>How far this can be trusted</h2>")?;
    for paragraph in words::about(report) {
        writeln!(out, "<p>{}</p>", escape(&paragraph))?;
    }
    page::end(out)
}

/// The first things that one wants to know.
fn tiles(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let counts = &report.outcome.counts;
    let calls =
        report.summary.section(Section::Linux).iter().map(|(_, metric)| metric.total.count()).sum::<u64>();
    let (ticks, cost) = report.summary.measured();
    let length = report
        .clock
        .micros(counts.ticks() as f64)
        .map_or_else(|| format!("{} {}", count(counts.ticks().into()), report.clock.unit()), time);
    let tiles = [
        (length, "from the first record to the last"),
        (count(calls.into()), "Linux system calls"),
        (count(counts.records.into()), "records"),
        (grouped(report.summary.gaps.into()), "gaps in them"),
        (percent(cost, ticks), "of the requests' time was measuring, and is taken off"),
    ];
    page::tiles(&tiles, out)
}

#[cfg(test)]
mod tests;
