//! Where the time of each call went: a bar that is divided as its phases are, on the average.

use crate::charts::legend::{self, Entry};
use crate::charts::phases::colour;
use crate::charts::stack::{self, Part};
use crate::format::units::mean;
use crate::metric::{Key, Metric};
use crate::phase::Phase;
use crate::report::Report;
use std::io::{self, Write};

/// Rows; what took less time is in the table alone.
const ROWS: usize = 40;

pub fn write(report: &Report, metrics: &[(&Key, &Metric)], out: &mut dyn Write) -> io::Result<()> {
    let is_there = |phase: &Phase| metrics.iter().any(|(_, metric)| metric.phase(*phase).is_some());
    let phases: Vec<Phase> = Phase::ALL.into_iter().filter(is_there).collect();
    if phases.len() < 2 {
        return Ok(());
    }
    writeln!(out, "<h3>Where the time went, on the average</h3>")?;
    let entry = |phase: &Phase| Entry { name: phase.name(), colour: colour(*phase) };
    legend::write(&phases.iter().map(entry).collect::<Vec<_>>(), out)?;
    stack::begin(out)?;
    for (key, metric) in metrics.iter().take(ROWS) {
        let part = |phase: &Phase| {
            let value = metric.mean(*phase);
            Part { name: phase.name(), colour: colour(*phase), value, text: mean(value) }
        };
        let (parts, whole) = (phases.iter().map(part).collect::<Vec<_>>(), metric.total.mean());
        stack::row(&key.name(&report.names, metric.last), &parts, whole, &mean(whole), out)?;
    }
    stack::end(out)
}
