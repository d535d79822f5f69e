//! How the times of a call are distributed: how many took how long, on a logarithmic scale.

use crate::format::escape::escape;
use crate::format::units::{count, time};
use crate::metric::{Key, Metric};
use crate::report::Report;
use crate::stats::Distribution;
use std::io::{self, Write};

/// Calls that get a plot: those that took most time, if there are enough of them to be distributed.
const PLOTS: usize = 12;
const LEAST: u64 = 10;
/// Columns from one power of two to the next.
const FINENESS: f64 = 8.0;
/// Of the picture, in its own units.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 90.0;

pub fn write(report: &Report, metrics: &[(&Key, &Metric)], out: &mut dyn Write) -> io::Result<()> {
    let enough: Vec<_> =
        metrics.iter().filter(|(_, metric)| metric.total.count() >= LEAST).take(PLOTS).collect();
    if enough.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>How their times are distributed</h3>\n<div class=\"plots\">")?;
    for (key, metric) in enough {
        let name = escape(&key.name(&report.names, metric.last));
        writeln!(
            out,
            "<figure><figcaption>{name} <span class=\"faint\">({})</span></figcaption>",
            count(metric.total.count().into())
        )?;
        picture(report, &name, &metric.total, out)?;
        writeln!(out, "</figure>")?;
    }
    writeln!(out, "</div>")
}

fn picture(report: &Report, name: &str, times: &Distribution, out: &mut dyn Write) -> io::Result<()> {
    let (first, columns) = columns(times);
    let most = columns.iter().copied().max().unwrap_or(1).max(1) as f64;
    let width = WIDTH / columns.len() as f64;
    let height = HEIGHT + 16.0;
    writeln!(
        out,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Distribution of the times of {name}\">\
         <line x1=\"0\" x2=\"{WIDTH}\" y1=\"{HEIGHT}\" y2=\"{HEIGHT}\" stroke=\"var(--line)\"/>"
    )?;
    for (n, number) in columns.iter().enumerate().filter(|(_, number)| **number > 0) {
        // Whatever there is can be seen.
        let height = (*number as f64 / most * HEIGHT).max(1.0);
        writeln!(
            out,
            "<rect x=\"{:.2}\" y=\"{:.2}\" width=\"{:.2}\" height=\"{height:.2}\" fill=\"var(--accent)\"><title>{} to {}: {number}</title></rect>",
            n as f64 * width,
            HEIGHT - height,
            (width - 0.5).max(0.5),
            edge(report, first + n as i64),
            edge(report, first + n as i64 + 1),
        )?;
    }
    let text = |x: f64, anchor: &str, what: String| {
        format!("<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"{anchor}\">{what}</text>", HEIGHT + 13.0)
    };
    let at = ((place(times.quantile(0.5)) - first) as f64 + 0.5) * width;
    let median = format!(
        "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"0\" y2=\"{HEIGHT}\" stroke=\"var(--ink)\" stroke-dasharray=\"3 3\"><title>median: {}</title></line>",
        ticks(report, times.quantile(0.5) as f64)
    );
    let left = text(0.0, "start", edge(report, first));
    let right = text(WIDTH, "end", edge(report, first + columns.len() as i64));
    writeln!(out, "{median}{left}{right}</svg>")
}

/// The number of the first column, and how many values are in each.
fn columns(times: &Distribution) -> (i64, Vec<u64>) {
    let (first, last) = (place(times.min()), place(times.max()));
    // Always some, so that a single value is no block that fills the picture.
    let (first, last) = (first - 3, last.max(first + 12) + 3);
    let mut columns = vec![0; (last - first + 1) as usize];
    for value in times.histogram().iter_recorded() {
        let n = (place(value.value_iterated_to()) - first).clamp(0, columns.len() as i64 - 1);
        columns[n as usize] += value.count_since_last_iteration();
    }
    (first, columns)
}

/// The column that a value is in.
fn place(ticks: u64) -> i64 {
    ((ticks.max(1) as f64).log2() * FINENESS).floor() as i64
}

/// Where a column begins.
fn edge(report: &Report, column: i64) -> String {
    ticks(report, (column as f64 / FINENESS).exp2())
}

fn ticks(report: &Report, ticks: f64) -> String {
    report.clock.micros(ticks).map_or_else(|| count(ticks.round() as u128), time)
}
