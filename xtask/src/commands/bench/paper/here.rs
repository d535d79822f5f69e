//! `--here`: the same measurements on this machine's KVM, for the terminal.
//!
//! A tick is a cycle of the time stamp counter then, and somebody else may have had the CPU meanwhile: the least says what the work takes, the median and the quartiles what
//! it took. Where guest kernel mode is emulated, all that enters it takes a thousand times as long as it does elsewhere.

use super::cells::{figure, head, ratio, row, spread};
use super::place::{Machine, Place};
use super::run::{Bench, Run};
use super::system::SYSTEMS;
use super::{Args, Selection, native, programs};
use crate::commands::bench::results::{Figure, Metrics, measured};
use anyhow::Result;
use lab::process;
use std::fs;

const EMULATED: &str = "
  ****************************************************************************
  *  ABSOLUTE TIMES MEAN LITTLE ON THIS MACHINE.                             *
  *  Its KVM emulates the guest's kernel mode, instruction by instruction:   *
  *  entering the kernel takes tens of microseconds, and each instruction    *
  *  there hundreds of cycles. `cargo xtask bench paper` without --here      *
  *  counts instructions in the lab; cycles need a machine with VMX or SVM.  *
  ****************************************************************************
";

/// Measures, and prints.
pub fn here(args: &Args) -> Result<()> {
    let place = Place::here()?;
    let Place::Here(machine) = &place else { return Ok(()) };
    println!("{}", introduction(machine));
    let before = stolen();
    let native = (args.native || args.is_whole()).then(|| native::measure(&place)).transpose()?;
    let runs = if args.native { vec![] } else { runs(args, &place)? };
    println!("{}", table(&runs, native.as_ref()));
    if let (Some(before), Some(after)) = (before, stolen()) {
        println!("The host has taken {:.2} s of its CPUs' time for others meanwhile.", after - before);
    }
    println!("Raw results: {}", place.results("*")?.display());
    Ok(())
}

/// Of all systems that can run here.
fn runs(args: &Args, place: &Place) -> Result<Vec<Run>> {
    let Place::Here(machine) = place else { return Ok(vec![]) };
    let selection = Selection { rounds: args.rounds(), groups: args.only.clone() };
    let bench = Bench::new(place.clone(), programs::initrd(&selection)?)?;
    let mut runs = Vec::new();
    for system in args.systems() {
        if system.is_linux() && machine.is_emulated {
            eprintln!(
                "==> {}: not here: a kernel that was not made for it does not stand emulation",
                system.title
            );
            continue;
        }
        // One that does not run is no reason not to measure the others.
        match process::step(&format!("this machine: {}", system.title), || {
            bench.run(system, &selection, system.key)
        }) {
            Ok(run) => runs.push(run),
            Err(error) => eprintln!("==> {}: {error:#}", system.title),
        }
    }
    Ok(runs)
}

fn introduction(machine: &Machine) -> String {
    let loud = if machine.is_emulated { EMULATED } else { "" };
    format!("{loud}\nThis machine's KVM: {}\nTime stamp counter: {}\n", machine.kind, machine.clock)
}

/// Seconds that the host has not given to CPUs of ours that wanted to run, since this machine's start.
fn stolen() -> Option<f64> {
    /// Of /proc/stat (USER_HZ).
    const TICKS: f64 = 100.0;
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let cpu = stat.lines().find_map(|line| line.strip_prefix("cpu "))?;
    Some(cpu.split_ascii_whitespace().nth(7)?.parse::<f64>().ok()? / TICKS)
}

/// Every figure.
fn table(runs: &[Run], native: Option<&Metrics>) -> String {
    let mut out =
        head(&["what", "system", "min", "median", "q1–q3", "max", "n", "subtracted", "to Linux"], 2);
    let linux = runs.iter().find(|run| run.system.key == SYSTEMS[0].key).map(|run| &run.metrics);
    let first: &[(String, Figure)] = runs.first().map_or(&[], |run| &run.metrics);
    for (name, _) in first {
        for Run { system, metrics } in runs {
            out += &line(name, system.title, metrics, linux);
        }
    }
    if let Some(metrics) = native {
        for (name, _) in metrics {
            out += &line(name, "L4, native", metrics, linux);
        }
    }
    out
}

fn line(name: &str, title: &str, metrics: &Metrics, linux: Option<&Metrics>) -> String {
    let found = metrics.iter().find(|(other, _)| other == name);
    match found {
        Some((_, Figure::Measured(found))) => {
            let (stats, unit) = (&found.stats, if found.unit == "ticks/byte" { ", a byte" } else { "" });
            let base = linux.and_then(|linux| measured(linux, name));
            row(&[
                format!("{name}{unit}"),
                title.to_owned(),
                figure(stats.min),
                figure(stats.median),
                spread(stats),
                figure(stats.max),
                format!("{}", stats.n),
                format!("{}", found.subtracted),
                base.map(|base| ratio(stats, &base.stats)).unwrap_or_default(),
            ])
        }
        Some((_, Figure::Unavailable(why))) => row(&[name, title, why, "", "", "", "", "", ""]),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::results;

    fn machine(is_emulated: bool) -> Machine {
        Machine { is_emulated, kind: "KIND".to_owned(), clock: "CLOCK".to_owned() }
    }

    #[test]
    fn emulation_is_the_first_thing_said() {
        let text = introduction(&machine(true));
        assert!(text.find("MEAN LITTLE") < text.find("KIND") && text.contains("CLOCK"), "{text}");
        assert!(!introduction(&machine(false)).contains("MEAN LITTLE"));
    }

    #[test]
    fn what_ran_is_shown() {
        let lines = "{\"name\":\"a\",\"unit\":\"ticks\",\"per\":1,\"subtracted\":3,\"stats\":[100,200,300,300,400,500,9,50]}\n{\"name\":\"b\",\"error\":\"no\"}\n";
        let metrics = || results::parse(lines).unwrap();
        let runs = [Run { system: &SYSTEMS[3], metrics: metrics() }];
        let text = table(&runs, Some(&metrics()));
        assert!(text.contains("| a | L4, forwarded | 100 | 300 | 200–400 | 500 | 50 | 3 |  |\n"), "{text}");
        assert!(
            text.contains("| a | L4, native | 100 |") && text.contains("| b | L4, native | no |"),
            "{text}"
        );
        let both = [
            Run { system: &SYSTEMS[0], metrics: metrics() },
            Run { system: &SYSTEMS[3], metrics: metrics() },
        ];
        assert!(
            table(&both, None)
                .contains("| a | L4, forwarded | 100 | 300 | 200–400 | 500 | 50 | 3 | 1.00 (1.00) |\n")
        );
    }
}
