//! What programs of L4 take: the server `paper` on the µ-kernel alone, in the lab.
//!
//! The server reports on the machine's log, by halves of lines.

use super::place::Place;
use super::system::server_set;
use crate::commands::bench::checksums;
use crate::commands::bench::committed::{Counts, Promise};
use crate::commands::bench::results::{self, Figure, Header, Metrics};
use crate::paths;
use anyhow::{Result, ensure};
use lab::process;
use std::ffi::OsString;
use std::time::Duration;

/// Begins what the server reports, behind what the log puts before it.
const MARK: &str = "PAPER ";
/// The server set, and the name of the results' file.
const SET: &str = "paper";
const KEY: &str = "l4-native";
/// Limit of real time.
const TIMEOUT: Duration = Duration::from_secs(600);

/// What the test `lab::paper::native` holds it to.
const PROMISE: Promise = Promise {
    file: "paper-counts.toml",
    what: "What a round of each of the paper's measurements takes that programs of L4 make, without Linux: ticks of the lab, the median.",
    command: "cargo xtask bench paper --native",
};

/// Promises what was measured. What could not be is left out.
pub fn promise(metrics: &Metrics) -> Result<()> {
    let measured = metrics.iter().filter_map(|(name, figure)| match figure {
        Figure::Measured(found) => Some((name, found.stats.median * found.per)),
        Figure::Unavailable(_) => None,
    });
    let counts = measured.map(|(name, ticks)| (name.clone(), Counts::instructions(ticks.round() as u64)));
    PROMISE.write(&counts.collect())
}

/// Runs the server and writes its file of results.
pub fn measure(place: &Place) -> Result<Metrics> {
    process::step(&format!("{}: L4, native", place.name()), || run(place))
}

/// What was measured last, if anything was.
pub fn read() -> Result<Option<Metrics>> {
    Ok(Place::Lab.read(KEY)?.map(|(_, metrics)| metrics))
}

fn run(place: &Place) -> Result<Metrics> {
    let words = ["--servers", SET, "--memory", "64M", "--timeout", "600"];
    let kernel = ["--kernel".into(), paths::absolute(&paths::build())?.join("guest.elf").into()];
    let args: Vec<OsString> = kernel.into_iter().chain(words.map(Into::into)).collect();
    let said = place.ukvmm(&args, &[], TIMEOUT)?;
    ensure!(said.status == 0, "ukvmm ended with status {}\n{}", said.status, said.stderr);
    let lines = report(&said.stderr)?;
    let header = Header {
        system: "L4, native".to_owned(),
        ukvmm: env!("CARGO_PKG_VERSION").to_owned(),
        kernel: format!("ukernel {}", env!("CARGO_PKG_VERSION")),
        command: format!("ukvmm {}", words.join(" ")),
        clock: place.clock().to_owned(),
        build: checksums::of(&server_set(SET)?)?,
    };
    let metrics = results::parse(&lines)?;
    results::write(&place.results(KEY)?, &header, &lines)?;
    Ok(metrics)
}

/// The server's lines, put together again.
fn report(log: &str) -> Result<String> {
    let mut lines = String::new();
    for part in log.lines().filter_map(|line| Some(line.split_once(MARK)?.1.trim_end())) {
        lines += part;
        if part.ends_with('}') {
            lines.push('\n');
        }
    }
    ensure!(lines.ends_with('\n'), "the server's report has no end:\n{log}");
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_put_together_again() {
        let log = "ukvmm: x\npaper: PAPER {\"name\":\"a\",\npaper: PAPER \"stats\":[1]}\r\npaper: PAPER {\"name\":\"b\",\"error\":\"Denied\"}\n";
        assert_eq!(
            report(log).unwrap(),
            "{\"name\":\"a\",\"stats\":[1]}\n{\"name\":\"b\",\"error\":\"Denied\"}\n"
        );
    }

    #[test]
    fn half_a_report_is_an_error() {
        assert!(report("paper: PAPER {\"name\":\"a\",\n").is_err());
        assert!(report("paper: failed: NoMemory\n").is_err());
    }
}
