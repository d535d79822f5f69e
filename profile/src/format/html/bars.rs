//! Where the time of each call went: a bar that is divided as its phases are, on the average.

use crate::format::escape::escape;
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
    writeln!(out, "<h3>Where the time went, on the average</h3>\n<ul class=\"legend\">")?;
    for phase in &phases {
        writeln!(out, "<li><i style=\"background:{}\"></i>{}</li>", colour(*phase), phase.name())?;
    }
    writeln!(out, "</ul>\n<div class=\"bars\">")?;
    for (key, metric) in metrics.iter().take(ROWS) {
        let name = escape(&key.name(&report.names, metric.last));
        let whole = metric.total.mean();
        write!(
            out,
            "<div class=\"row\"><span class=\"name\" title=\"{name}\">{name}</span><div class=\"bar\">"
        )?;
        for phase in &phases {
            let part = metric.mean(*phase);
            if part > 0.0 && whole > 0.0 {
                let share = part / whole * 100.0;
                write!(
                    out,
                    "<span style=\"width:{share:.2}%;background:{}\" title=\"{}: {} ({share:.1} %)\"></span>",
                    colour(*phase),
                    phase.name(),
                    mean(part)
                )?;
            }
        }
        writeln!(out, "</div><span class=\"mean\">{}</span></div>", mean(whole))?;
    }
    writeln!(out, "</div>")
}

fn colour(phase: Phase) -> &'static str {
    match phase {
        Phase::Entry => "var(--entry)",
        Phase::Library => "var(--library)",
        Phase::IpcOut => "var(--ipc-out)",
        Phase::Dispatch => "var(--dispatch)",
        Phase::Server => "var(--server)",
        Phase::Driver => "var(--driver-ipc)",
        Phase::Waiting => "var(--waiting)",
        Phase::Reply => "var(--reply)",
        Phase::Exit => "var(--exit)",
        Phase::Host => "var(--host)",
        Phase::Kernel => "var(--kernel-phase)",
        Phase::Undivided => "var(--undivided)",
    }
}
