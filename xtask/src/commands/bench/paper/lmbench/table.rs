//! The page's part: lmbench's own figures.

use super::Run;
use super::programs::Programs;
use super::report::plain;
use super::rows::{ROWS, Row, Unit};
use crate::commands::bench::paper::cells::{head, row};
use crate::commands::bench::paper::system::SYSTEMS;

const TEXT: &str = "## lmbench's own figures

Unmodified programs of [lmbench](https://github.com/intel/lmbench), which are not part of ukvmm, and what they print themselves: medians of as many measurements as `-N` says, each of at least 5 ms (`ENOUGH=5000`; some take a second or two by themselves, and once is enough) with nothing taken off for
their loops and their clock (`LOOP_O=0 TIMING_O=0`), as microseconds (µs) or millions of bytes a second (MB/s). They measure with the guest's clock, and in the lab that goes a nanosecond further with each instruction: **0.327 µs are 327 instructions, and 1 000 MB/s an instruction for each byte.** So these are no times
of any machine.

`to Linux` is how many times as many instructions it takes: below 1 we need fewer, of a rate as of a time. `elsewhere` is what lmbench has printed on the same kernel in an emulated machine of its own, without `ukvmm` and KVM, before any of this was written. Where there is no figure, there is the reason.

`getppid` is what lmbench calls a null system call. While its programs measure, a process waits with a timeout for each.

`fstat` is `newfstatat` since glibc 2.33; the switches are less the time of a pipe, and the signal handler's call is less that of `kill`. Its programs for networks are not run.

";

/// The part, in Markdown.
pub fn render(programs: &Programs, runs: &[Run]) -> String {
    let base = runs.first().filter(|run| run.system.key == SYSTEMS[0].key);
    let mut titles = vec!["what".to_owned(), "program".to_owned(), String::new(), "elsewhere".to_owned()];
    for (at, run) in runs.iter().enumerate() {
        titles.push(run.system.title.to_owned());
        titles.extend((at > 0 && base.is_some()).then(|| "to Linux".to_owned()));
    }
    let mut out = TEXT.to_owned() + &head(&titles, 3);
    for (number, line) in ROWS.iter().enumerate() {
        let unit = if line.unit() == Unit::Rate { "MB/s" } else { "µs" };
        let command = format!("`{} {}`", line.program, line.arguments);
        let mut cells = vec![line.title.to_owned(), command, unit.to_owned()];
        cells.push(line.elsewhere.map(digits).unwrap_or_default());
        for (at, run) in runs.iter().enumerate() {
            cells.push(
                run.figures[number]
                    .as_ref()
                    .map_or_else(|why| format!("none: {why}"), |figure| digits(*figure)),
            );
            if let (Some(base), 1..) = (base, at) {
                cells.push(times(line, &run.figures[number], &base.figures[number]));
            }
        }
        out += &row(&cells);
    }
    out + &versions(programs)
}

/// A figure with the digits that lmbench prints.
fn digits(figure: f64) -> String {
    match figure {
        ..10.0 => format!("{figure:.3}"),
        ..1000.0 => format!("{figure:.1}"),
        _ => format!("{figure:.0}"),
    }
}

/// How many times as many instructions.
fn times(line: &Row, figure: &Result<f64, String>, base: &Result<f64, String>) -> String {
    let (Ok(figure), Ok(base)) = (figure, base) else { return String::new() };
    let times = if line.unit() == Unit::Rate { base / figure } else { figure / base };
    format!("{times:.2}")
}

/// lmbench's licence wants its version to be told with results.
fn versions(programs: &Programs) -> String {
    let usable = programs.found.iter().filter_map(|(name, found)| Some((name, found.as_ref().ok()?)));
    let (silent, known): (Vec<_>, Vec<_>) = usable.partition(|(_, version)| version.is_empty());
    let known = known.iter().map(|(name, version)| format!("`{name}` {}", plain(version)));
    let silent = silent.iter().map(|(name, _)| format!("`{name}`"));
    let list = |names: &mut dyn Iterator<Item = String>| match names.collect::<Vec<_>>().join(", ") {
        names if names.is_empty() => "none".to_owned(),
        names => names,
    };
    format!(
        "\nVersions that the programs tell: {}. They do not tell theirs: {}.\n",
        list(&mut { known }),
        list(&mut { silent })
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn run(system: usize, change: impl Fn(usize) -> Result<f64, String>) -> Run {
        Run { system: &SYSTEMS[system], figures: (0..ROWS.len()).map(change).collect() }
    }

    #[test]
    fn times_and_rates_are_compared_the_same_way() {
        let version = Ok("1.11 97/06/15 | x".to_owned());
        let programs = Programs {
            found: BTreeMap::from([("lat_syscall", version), ("bw_mem", Ok(String::new()))]),
            files: BTreeMap::new(),
        };
        let (linux, ours) =
            (run(0, |_| Ok(2.0)), run(3, |n| if n == 1 { Err("no | more".into()) } else { Ok(4.0) }));
        let text = render(&programs, &[linux, ours]);
        let line = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap().to_owned();
        assert_eq!(
            line("| getppid"),
            "| getppid | `lat_syscall -N 3 null` | µs | 0.327 | 2.000 | 4.000 | 2.00 |"
        );
        assert!(line("| pipe | ").ends_with("| MB/s | 1321 | 2.000 | 4.000 | 0.50 |"), "{text}");
        assert!(line("| write a byte").ends_with("| 2.000 | none: no | more |  |"), "{text}");
        let versions = "Versions that the programs tell: `lat_syscall` 1.11 97/06/15 x. They do not tell theirs: `bw_mem`.\n";
        assert!(text.ends_with(versions), "{text}");
    }

    #[test]
    fn without_linux_nothing_is_compared() {
        let programs = Programs { found: BTreeMap::new(), files: BTreeMap::new() };
        let text = render(&programs, &[run(3, |_| Ok(1.0))]);
        assert!(!text.contains("| to Linux |") && text.contains("| L4, forwarded |"), "{text}");
    }
}
