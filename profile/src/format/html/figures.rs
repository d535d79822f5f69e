//! Tables.

use crate::format::escape::escape;
use crate::format::units::{count, percent, time};
use crate::metric::{Key, Metric};
use crate::report::Report;
use std::io::{self, Write};

/// Threads that are listed.
const THREADS: usize = 20;
/// Own events that are listed.
const MARKS: usize = 100;

/// A section's figures.
pub fn metrics(report: &Report, metrics: &[(&Key, &Metric)], out: &mut dyn Write) -> io::Result<()> {
    let sum: u128 = metrics.iter().map(|(_, metric)| metric.total.sum()).sum();
    writeln!(
        out,
        "<h3>How long they took, in {}</h3>\n<div class=\"wide\"><table>\n<tr><th></th><th>count</th><th class=\"less\">total</th><th>share</th>\
         <th class=\"less\">min</th><th>p50</th><th class=\"less\">p90</th><th>p99</th><th class=\"less\">max</th><th>p50, time</th></tr>",
        report.clock.unit()
    )?;
    for (key, metric) in metrics {
        let total = &metric.total;
        let quantile = |of| count(total.quantile(of).into());
        let median = report.clock.micros(total.quantile(0.5) as f64).map_or_else(|| "–".into(), time);
        writeln!(
            out,
            "<tr><td>{}</td><td>{}</td><td class=\"less\">{}</td><td>{}</td><td class=\"less\">{}</td><td>{}</td><td class=\"less\">{}</td><td>{}</td>\
             <td class=\"less\">{}</td><td>{median}</td></tr>",
            escape(&key.name(&report.names, metric.last)),
            count(total.count().into()),
            count(total.sum()),
            percent(total.sum(), sum),
            count(total.min().into()),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            count(total.max().into()),
        )?;
    }
    writeln!(out, "</table></div>")
}

/// Programs' and servers' own events.
pub fn marks(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let marks = report.summary.marks(&report.names);
    if marks.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Programs' and servers' own events</h2>\n<div class=\"wide\"><table>\n<tr><th>thread</th><th>number</th><th>count</th></tr>"
    )?;
    for (number, event, thread) in marks.iter().take(MARKS) {
        let (thread, number) = (escape(thread), count((*number).into()));
        writeln!(out, "<tr><td>{thread}</td><td>{event}</td><td>{number}</td></tr>")?;
    }
    if let others @ 1.. = marks.len().saturating_sub(MARKS) {
        writeln!(out, "<tr><td>others: {others}</td><td></td><td></td></tr>")?;
    }
    writeln!(out, "</table></div>")
}

/// CPUs and threads.
pub fn machine(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.summary.cpus.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>CPUs and threads, in {}</h2>\n<div class=\"wide\"><table>\n<tr><th></th><th>user</th><th>kernel</th><th>idle</th><th>outside of the guest</th></tr>",
        report.clock.unit()
    )?;
    for (cpu, spent) in &report.summary.cpus {
        let sum = [spent.user, spent.kernel, spent.idle].into_iter().map(u128::from).sum();
        let cell = |part: u64| format!("<td>{} ({})</td>", count(part.into()), percent(part.into(), sum));
        let cells: String = [spent.user, spent.kernel, spent.idle, spent.outside].map(cell).concat();
        writeln!(out, "<tr><td>CPU {cpu}</td>{cells}</tr>")?;
    }
    writeln!(
        out,
        "</table></div>\n<div class=\"wide\"><table>\n<tr><th>in user mode</th><th>ticks</th><th>share</th></tr>"
    )?;
    let threads = report.summary.by_time(&report.names);
    let sum = threads.iter().map(|(_, ticks)| u128::from(*ticks)).sum();
    for (name, ticks) in threads.iter().take(THREADS) {
        let (name, ticks) = (escape(name), u128::from(*ticks));
        writeln!(out, "<tr><td>{name}</td><td>{}</td><td>{}</td></tr>", count(ticks), percent(ticks, sum))?;
    }
    writeln!(out, "</table></div>")
}
