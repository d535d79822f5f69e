//! What the machine did in the course of time: a column for each stretch of it.

use crate::bins::Bin;
use crate::format::units::{count, time};
use crate::report::Report;
use std::io::{self, Write};

/// Of the picture, in its own units.
const WIDTH: f64 = 1024.0;
const HEIGHT: f64 = 120.0;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let bins = report.summary.bins.columns();
    let whole = |bin: &Bin| u128::from(bin.user) + u128::from(bin.kernel) + u128::from(bin.idle);
    let most = bins.iter().map(whole).max().unwrap_or(0);
    if most == 0 {
        return Ok(());
    }
    let end = report.summary.bins.width().saturating_mul(bins.len() as u64);
    let label = report.clock.micros(end as f64).map_or_else(|| count(end.into()), time);
    writeln!(
        out,
        "<h2>In the course of time</h2>\n<ul class=\"legend\"><li><i style=\"background:var(--user)\"></i>user mode</li>\
         <li><i style=\"background:var(--kernel)\"></i>kernel</li><li><i style=\"background:var(--idle)\"></i>idle</li></ul>\n\
         <figure><svg class=\"course\" preserveAspectRatio=\"none\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"What all CPUs did in the course of time\">"
    )?;
    let width = WIDTH / bins.len() as f64;
    for (n, bin) in bins.iter().enumerate() {
        let mut y = HEIGHT;
        for (ticks, colour) in [(bin.user, "user"), (bin.kernel, "kernel"), (bin.idle, "idle")] {
            let height = ticks as f64 / most as f64 * HEIGHT;
            if height > 0.0 {
                y -= height;
                let x = n as f64 * width;
                writeln!(
                    out,
                    "<rect x=\"{x:.2}\" y=\"{y:.2}\" width=\"{width:.2}\" height=\"{height:.2}\" fill=\"var(--{colour})\"/>"
                )?;
            }
        }
    }
    writeln!(out, "</svg><div class=\"ends\"><span>0</span><span>{label}</span></div></figure>")
}
