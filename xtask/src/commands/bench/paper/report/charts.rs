//! The charts of each section.

use super::super::breakdown::{self, Slow};
use super::super::cells::figure;
use super::super::figure5::{self, Figure5};
use super::super::part::All;
use super::super::run::Run;
use super::super::system::SYSTEMS;
use super::super::{ipc, table2, tables45};
use crate::commands::bench::page::grouped;
use crate::commands::bench::results::{Metrics, measured};
use profile::charts::bars::{Bar, Row, Scale};
use profile::charts::legend::{self, Entry};
use profile::charts::stack::{self, Part};
use profile::charts::{bars, boxes, phases};
use profile::format::escape::escape;
use std::io::{self, Write};

/// Longer bars have a gap.
const MOST_TIMES: f64 = 10.0;
const MOST_CYCLES: f64 = 2500.0;
/// Systems whose programs are in the chart of Figure 6, beside the first.
const PROGRAMS: [&str; 2] = ["l4-forwarded", "l4-trampoline"];
/// The µ-kernel's own programs.
const NATIVE: Entry<'static> = Entry { name: "L4, native", colour: "native" };

/// Of a section without any.
pub fn none(_: &All<'_>, _: &mut dyn Write) -> io::Result<()> {
    Ok(())
}

/// How a system is shown.
fn entry(key: &str) -> Entry<'static> {
    let name = SYSTEMS.iter().find(|system| system.key == key).map_or("", |system| system.title);
    let colour = match key {
        "linux-default" => "linux-default",
        "linux-lean" => "linux-lean",
        "l4-forwarded" => "forwarded",
        "l4-trampoline" => "trampoline",
        _ => "linux",
    };
    Entry { name, colour }
}

fn bar(entry: Entry<'static>, value: f64) -> Bar<'static> {
    Bar { name: entry.name, colour: entry.colour, value }
}

fn median(metrics: &Metrics, name: &str) -> Option<f64> {
    measured(metrics, name).map(|found| found.stats.median)
}

fn linux<'a>(all: &All<'a>) -> Option<&'a Run> {
    all.measured.runs.iter().find(|run| run.system.key == SYSTEMS[0].key)
}

/// Table 2: the instructions of a getpid, and the paper's cycles.
pub fn getpid(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    let value = |run: &Run| median(&run.metrics, table2::CALLS[0]);
    let rows = all.measured.runs.iter().filter_map(|run| {
        let entry = entry(run.system.key);
        Some(Row { name: entry.name, bars: vec![bar(entry, value(run)?)], figure: figure(value(run)?) })
    });
    let rows: Vec<_> = rows.collect();
    writeln!(out, "<h3>Instructions of a getpid</h3>")?;
    bars::write(&rows, Scale::of(&rows, f64::MAX, linux(all).and_then(value)), out)?;
    writeln!(out, "<h3>The paper's, in cycles of a Pentium at 133 MHz</h3>")?;
    let row = |(name, key, cycles): (&'static str, &str, f64)| {
        let bar = Bar { name, colour: entry(key).colour, value: cycles };
        Row { name, bars: vec![bar], figure: figure(cycles) }
    };
    let rows: Vec<_> = table2::papers().map(row).collect();
    bars::write(&rows, Scale::of(&rows, MOST_CYCLES, Some(table2::LINUX)), out)
}

/// Figure 5: the parts of a getpid.
pub fn parts(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    if all.figure5.is_empty() {
        return Ok(());
    }
    let shown = figure5::PARTS.iter().filter(|part| all.figure5.iter().any(|figure| figure.of(**part) > 0));
    let entry = |part: &figure5::Part| Entry { name: part.name(), colour: part_colour(*part) };
    legend::write(&shown.map(entry).collect::<Vec<_>>(), out)?;
    stack::begin(out)?;
    for Figure5 { title, parts, .. } in all.figure5 {
        let bar = |(part, ticks): &(figure5::Part, u64)| Part {
            name: part.name(),
            colour: part_colour(*part),
            value: *ticks as f64,
            text: grouped(*ticks),
        };
        let whole: u64 = parts.iter().map(|(_, ticks)| ticks).sum();
        let parts: Vec<_> = parts.iter().map(bar).collect();
        stack::row(title, &parts, whole as f64, &format!("{} instructions", grouped(whole)), out)?;
    }
    let paper = |(name, cycles, parts): &(&'static str, u64, &[figure5::Part])| {
        let colour = parts.last().map_or("exit", |part| part_colour(*part));
        Part { name, colour, value: *cycles as f64, text: grouped(*cycles) }
    };
    let parts: Vec<_> = figure5::PAPER.iter().map(paper).collect();
    let whole: f64 = parts.iter().map(|part| part.value).sum();
    stack::row("the paper's", &parts, whole, &format!("{whole} cycles"), out)?;
    stack::end(out)
}

fn part_colour(part: figure5::Part) -> &'static str {
    match part {
        figure5::Part::Program => "user",
        figure5::Part::Phase(phase) => phases::colour(phase),
    }
}

/// Figure 6: how many times Linux' instructions.
pub fn programs(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(base) = linux(all) else { return Ok(()) };
    let runs: Vec<_> = all.measured.runs.iter().filter(|run| PROGRAMS.contains(&run.system.key)).collect();
    let rows = base.metrics.iter().filter_map(|(name, _)| {
        let one = median(&base.metrics, name)?;
        let times: Vec<_> =
            runs.iter().filter_map(|run| Some((run.system.key, median(&run.metrics, name)? / one))).collect();
        let figure: Vec<_> = times.iter().map(|(_, times)| format!("{times:.2}")).collect();
        let bars: Vec<_> = times.iter().map(|(key, times)| bar(entry(key), *times)).collect();
        (!bars.is_empty()).then(|| Row { name, bars, figure: figure.join(" · ") })
    });
    let rows: Vec<_> = rows.collect();
    if rows.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h3>Times the instructions of {}, which the line is at</h3>", base.system.title)?;
    legend::write(&runs.iter().map(|run| entry(run.system.key)).collect::<Vec<_>>(), out)?;
    bars::write(&rows, Scale::of(&rows, MOST_TIMES, Some(1.0)), out)
}

/// Who executes the instructions of the rows that are slower.
pub fn slower(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    let slow = breakdown::slow(&all.measured.runs, &all.measured.profiles);
    if slow.is_empty() {
        return Ok(());
    }
    const WHO: [Entry<'static>; 4] = [
        Entry { name: "program", colour: "user" },
        Entry { name: "µ-kernel", colour: "kernel" },
        Entry { name: "Linux server", colour: "reply" },
        Entry { name: "other servers and drivers", colour: "driver-ipc" },
    ];
    legend::write(&WHO, out)?;
    stack::begin(out)?;
    for Slow { breakdown, to_linux, .. } in &slow {
        let ticks = &breakdown.ticks;
        let values = [ticks.program, ticks.kernel, ticks.server, ticks.others + ticks.idle];
        let part = |(who, ticks): (&Entry<'static>, u64)| Part {
            name: who.name,
            colour: who.colour,
            value: ticks as f64,
            text: grouped(ticks),
        };
        let parts: Vec<_> = WHO.iter().zip(values).map(part).collect();
        stack::row(&breakdown.name, &parts, ticks.total() as f64, &format!("{to_linux:.2} × Linux"), out)?;
    }
    stack::end(out)
}

/// A call and its reply, ours and others' kernels.
pub fn round_trips(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    let ours = |key: &str| all.paths.get(key).map(|counts| counts.instructions as f64);
    let (Some(apart), Some(together), Some(_)) = (ours("call"), ours("call-within"), &all.measured.native)
    else {
        return Ok(());
    };
    const SPACES: [Entry<'static>; 2] = [
        Entry { name: "two address spaces", colour: "native" },
        Entry { name: "one address space", colour: "linux-default" },
    ];
    let row = |name: &'static str, apart: f64, together: Option<f64>| {
        let values = [Some(apart), together];
        let bars: Vec<_> =
            SPACES.iter().zip(values).filter_map(|(space, value)| Some(bar(*space, value?))).collect();
        let figure: Vec<_> = bars.iter().map(|bar| figure(bar.value)).collect();
        Row { name, figure: figure.join(" · "), bars }
    };
    let mut rows = vec![row("ukvmm's kernel, 7 words", apart, Some(together))];
    rows.extend(
        ipc::round_trips().map(|(who, apart, together)| row(who, apart as f64, together.map(|n| n as f64))),
    );
    writeln!(out, "<h3>Instructions of the kernel for a call and its reply</h3>")?;
    legend::write(&SPACES, out)?;
    bars::write(&rows, Scale::of(&rows, f64::MAX, None), out)
}

/// Tables 4 and 5.
pub fn natives(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(native) = &all.measured.native else { return Ok(()) };
    for (title, lines) in tables45::shown(native, &all.measured.runs) {
        let row = |line: &'_ tables45::Shown| {
            let bars = vec![bar(line.system.map_or(NATIVE, entry), line.value)];
            Row { name: line.name, bars, figure: figure(line.value) }
        };
        let rows: Vec<_> = lines.iter().map(row).collect();
        writeln!(out, "<h3>{title}</h3>")?;
        bars::write(&rows, Scale::of(&rows, f64::MAX, None), out)?;
    }
    Ok(())
}

/// How the rounds of each metric are distributed.
pub fn distributions(all: &All<'_>, out: &mut dyn Write) -> io::Result<()> {
    let Some(first) = all.measured.runs.first() else { return Ok(()) };
    writeln!(
        out,
        "<p>Of each metric the least, the half in the middle (the box), the median (the stroke) and the greatest, on a scale from 0 on; an arrow points at rounds beyond its end. \
         Beside it the median and the number of rounds.</p>"
    )?;
    for (name, _) in &first.metrics {
        let rows = all.measured.runs.iter().filter_map(|run| {
            let stats = &measured(&run.metrics, name)?.stats;
            let entry = entry(run.system.key);
            let values = [stats.min, stats.q1, stats.median, stats.q3, stats.max];
            let figure = format!("{} ({})", figure(stats.median), stats.n);
            Some(boxes::Row { name: entry.name, colour: entry.colour, values, figure })
        });
        let rows: Vec<_> = rows.collect();
        writeln!(out, "<h3>{}</h3>", escape(name))?;
        boxes::write(&rows, out)?;
    }
    Ok(())
}
