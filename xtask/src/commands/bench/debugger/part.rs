//! The part of `docs/performance.md` that is about debuggers.

use super::figures::Figures;
use crate::commands::bench::page::grouped;
use anyhow::{Context, Result};
use std::fmt::Write;

/// Measurement and what it is of.
type Row = (&'static str, &'static str);

const GUEST: [Row; 7] = [
    ("alone-call", "system call (`getppid`), without `--gdb`"),
    ("nobody-call", "the same with `--gdb`, and nobody there"),
    ("attached-call", "the same with a debugger attached"),
    ("pending-call", "the same while a breakpoint waits for its page"),
    ("alone-store", "store, without `--gdb`"),
    ("attached-store", "the same with a debugger attached"),
    ("watched-store", "the same to a page of which another word is watched"),
];

const COMMANDS: [Row; 5] = [
    (
        "breakpoint",
        "breakpoint in a program, with the registers read, a step over it, and on to the next hit: 10 packets",
    ),
    ("step", "`stepi` in a program"),
    ("kernel-step", "`stepi` in the kernel"),
    ("interrupt", "on, and Ctrl-C"),
    ("threads", "`info threads`: σ0, root, two servers with two threads each, three processes, a vCPU"),
];

const HEAD: &str = "## Debugger

What a debugger costs ([debugging.md](debugging.md)). In the lab all instructions count: those of the guest, KVM, `ukvmm`, the lab's Linux and the debugger, which here is a
small program that sends what gdb sends. Times are of the KVM of the machine that wrote this page, and the least of several runs; gdb's own come on top.
";

/// The part, in Markdown.
pub fn render(lab: &Figures, here: Option<&Figures>) -> Result<String> {
    let mut out = String::from(HEAD);
    for (what, rows) in [("the guest's program", &GUEST[..]), ("debugger's command", &COMMANDS)] {
        // Writing to a String cannot fail.
        let _ = write!(out, "\n| {what} | instructions in the lab | time |\n|---|---:|---:|\n");
        for (name, text) in rows {
            let find = |figures: &Figures, name: &str| {
                figures.get(name).copied().with_context(|| format!("no measurement {name:?}"))
            };
            let time = match here {
                Some(here) => time(find(here, name)?, find(here, "frequency")?),
                None => "not measured".to_owned(),
            };
            let _ = writeln!(out, "| {text} | {} | {time} |", grouped(find(lab, name)?));
        }
    }
    Ok(out)
}

/// `ticks` of a counter of this frequency.
fn time(ticks: u64, frequency: u64) -> String {
    let microseconds = ticks as f64 * 1e6 / frequency as f64;
    match microseconds {
        0.0..1.0 => format!("{:.1} ns", microseconds * 1e3),
        1.0..1000.0 => format!("{microseconds:.0} µs"),
        _ => format!("{:.1} ms", microseconds / 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_their_units() {
        let times = [5, 2500, 2_500_000, 25_000_000].map(|ticks| time(ticks, 2_500_000_000));
        assert_eq!(times, ["2.0 ns", "1 µs", "1.0 ms", "10.0 ms"]);
    }

    #[test]
    fn each_measurement_has_its_row() {
        let figures: Figures = GUEST
            .iter()
            .chain(&COMMANDS)
            .map(|(name, _)| (name.to_string(), 7))
            .chain([("frequency".into(), 1)])
            .collect();
        let text = render(&figures, Some(&figures)).unwrap();
        assert_eq!(text.matches("| 7 |").count(), GUEST.len() + COMMANDS.len());
        assert!(render(&Figures::new(), None).is_err());
    }
}
