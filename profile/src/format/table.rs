//! The profile on a terminal: at most 100 columns.

use super::units::{count, fit, mean, percent, time};
use super::words;
use crate::metric::{Key, Metric, Section};
use crate::phase::Phase;
use crate::report::Report;
use std::io::{self, Write};

/// Columns.
const WIDTH: usize = 100;
/// Of a name.
const NAME: usize = 22;
/// Of the figures behind it.
const TIMES: [usize; 8] = [9, 10, 8, 10, 10, 10, 10, 11];
const SHARES: [usize; 8] = [11, 8, 11, 8, 11, 8, 11, 8];
/// Threads that are listed.
const THREADS: usize = 12;
/// Own events that are listed.
const MARKS: usize = 40;

pub fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    wrapped(&words::command(report), out)?;
    writeln!(out, "{}", words::extent(report))?;
    for section in Section::ALL {
        let metrics = report.summary.section(section);
        if !metrics.is_empty() {
            times(report, section, &metrics, out)?;
            phases(report, &metrics, out)?;
        }
    }
    marks(report, out)?;
    cpus(report, out)?;
    threads(report, out)?;
    writeln!(out)?;
    for paragraph in words::about(report) {
        wrapped(&paragraph, out)?;
    }
    Ok(())
}

/// How long they took, one line each.
fn times(
    report: &Report,
    section: Section,
    metrics: &[(&Key, &Metric)],
    out: &mut dyn Write,
) -> io::Result<()> {
    let sum: u128 = metrics.iter().map(|(_, metric)| metric.total.sum()).sum();
    writeln!(out, "\n{}, in {}", section.title(), report.clock.unit())?;
    let titles = ["count", "total", "share", "p50", "p90", "p99", "max", "p50, time"];
    line(out, "", TIMES, &titles.map(str::to_string))?;
    for (key, metric) in metrics {
        let total = &metric.total;
        let quantile = |of| count(total.quantile(of).into());
        let cells = [
            count(total.count().into()),
            count(total.sum()),
            percent(total.sum(), sum),
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            count(total.max().into()),
            report.clock.micros(total.quantile(0.5) as f64).map_or_else(|| "–".into(), time),
        ];
        line(out, &key.name(&report.names, metric.last), TIMES, &cells)?;
    }
    Ok(())
}

/// Where the time went, on the average: only phases that there are.
fn phases(report: &Report, metrics: &[(&Key, &Metric)], out: &mut dyn Write) -> io::Result<()> {
    let is_there = |phase: &Phase| metrics.iter().any(|(_, metric)| metric.phase(*phase).is_some());
    let phases: Vec<Phase> = Phase::ALL.into_iter().filter(is_there).collect();
    if phases.len() < 2 {
        return Ok(());
    }
    let width = ((WIDTH - NAME) / (phases.len() + 1)).min(11);
    let cell = |text: &str| format!("{:>width$}", fit(text, width - 1));
    let row = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|text| cell(text)).collect();
        format!("{:NAME$}{cells}", fit(name, NAME))
    };
    let has_room = |name: &str| name.chars().count() < width;
    let title = |phase: &Phase| Some(phase.name()).filter(|name| has_room(name)).unwrap_or(phase.short());
    let titles = std::iter::once("mean").chain(phases.iter().map(title));
    writeln!(out, "\n{}", row("", titles.map(str::to_string).collect()))?;
    for (key, metric) in metrics {
        let means = phases.iter().map(|phase| mean(metric.mean(*phase)));
        let cells = std::iter::once(mean(metric.total.mean())).chain(means).collect();
        writeln!(out, "{}", row(&key.name(&report.names, metric.last), cells))?;
    }
    Ok(())
}

/// How often programs and servers have recorded events of their own.
fn marks(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let marks = report.summary.marks(&report.names);
    if marks.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nPrograms' and servers' own events\n{:>11}{:>9}  thread", "count", "number")?;
    for (count_of, event, thread) in marks.iter().take(MARKS) {
        writeln!(out, "{:>11}{event:>9}  {}", count((*count_of).into()), fit(thread, WIDTH - 22))?;
    }
    match marks.len().saturating_sub(MARKS) {
        0 => Ok(()),
        others => writeln!(out, "others: {others}"),
    }
}

/// What the CPUs did.
fn cpus(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.summary.cpus.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nCPUs, in {}", report.clock.unit())?;
    let titles = ["user", "", "kernel", "", "idle", "", "outside", ""];
    line(out, "", SHARES, &titles.map(str::to_string))?;
    for (cpu, time) in &report.summary.cpus {
        let sum = [time.user, time.kernel, time.idle].into_iter().map(u128::from).sum();
        let parts = [time.user, time.kernel, time.idle, time.outside].map(u128::from);
        let mut cells = [const { String::new() }; 8];
        for (pair, part) in cells.chunks_mut(2).zip(parts) {
            pair[0] = count(part);
            pair[1] = percent(part, sum);
        }
        line(out, &format!("CPU {cpu}"), SHARES, &cells)?;
    }
    Ok(())
}

/// Who ran in user mode, those that ran longest first.
fn threads(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let threads = report.summary.by_time(&report.names);
    if threads.is_empty() {
        return Ok(());
    }
    let sum = |threads: &[(String, u64)]| threads.iter().map(|(_, ticks)| u128::from(*ticks)).sum();
    let whole: u128 = sum(&threads);
    writeln!(out, "\nThreads in user mode, in {}", report.clock.unit())?;
    let mut row = |name: &str, ticks: u128| {
        let name = fit(name, WIDTH - 22);
        writeln!(out, "{:>11}{:>9}  {name}", count(ticks), percent(ticks, whole))
    };
    for (name, ticks) in threads.iter().take(THREADS) {
        row(name, u128::from(*ticks))?;
    }
    match threads.get(THREADS..) {
        Some(others @ [_, ..]) => row(&format!("others: {}", others.len()), sum(others)),
        _ => Ok(()),
    }
}

fn line(out: &mut dyn Write, name: &str, widths: [usize; 8], cells: &[String; 8]) -> io::Result<()> {
    let mut text = format!("{:NAME$}", fit(name, NAME));
    for (cell, width) in cells.iter().zip(widths) {
        text.push_str(&format!("{cell:>width$}"));
    }
    writeln!(out, "{}", text.trim_end())
}

/// A paragraph, and an empty line. A word that is too long is cut.
fn wrapped(text: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut column = 0;
    for word in text.split_whitespace().map(|word| fit(word, WIDTH)) {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > WIDTH {
            writeln!(out)?;
            column = 0;
        } else if column > 0 {
            write!(out, " ")?;
            column += 1;
        }
        write!(out, "{word}")?;
        column += length;
    }
    writeln!(out, "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mock;

    fn table(file: impl io::Read + io::Seek) -> String {
        let mut out = Vec::new();
        write(&Report::new(file).unwrap(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// The line that begins with `name`, its blanks made one.
    fn row(table: &str, name: &str) -> String {
        let line =
            table.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("no {name}: {table}"));
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_table_tells_how_long_and_where() {
        let table = table(mock::sample());
        assert!(table.lines().all(|line| line.chars().count() <= WIDTH), "{table}");
        // 20 times 1100 ticks, without 38 of measuring.
        assert_eq!(row(&table, "getpid"), "getpid 20 21 240 93.7 % 1 062 1 062 1 062 1 062 0.53 µs");
        let phases = table.lines().skip_while(|line| !line.contains("disp"));
        let phases = phases.map(|line| format!("{line}\n")).collect::<String>();
        assert_eq!(row(&phases, "getpid"), "getpid 1 062 97.0 194 145 295 – 187 144 –");
        let unwrapped = table.split_whitespace().collect::<Vec<_>>().join(" ");
        for part in [
            "linux → block",
            "page fault",
            "linux: cat[7]",
            "vector 0x40",
            "block, queue 1",
            "I/O port",
            "7 → 8, linux: cat[7] 1 50 100.0 %",
            "1 8 linux: cat[7]",
            "Did not return before their thread, or the guest, ended: exit_group (1).",
            "2000.000 MHz",
            "kernel, exit: 3; linux: 5",
        ] {
            assert!(unwrapped.contains(part), "{part}: {table}");
        }
    }

    #[test]
    fn nothing_is_a_table_too() {
        let table =
            table(mock::Guest::default().file(&Default::default(), &Default::default(), Default::default()));
        assert!(
            table.contains("0 records in 0 ticks") && table.contains("There are no records of calibration")
                || table.contains("no records of calibration")
        );
    }
}
