//! The loops by the time stamp counter.

use crate::commands::bench::ticks::run_in_lab;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;

/// Begins a line of the server's report, behind what the log puts before it.
const MARK: &str = "BENCH ";

/// Ticks of a round, by the names of the loops; `None` if they are not the same in every round.
pub type Ticks = BTreeMap<String, Option<u64>>;

/// As the lab has them.
pub fn measure() -> Result<Ticks> {
    let args = ["--servers", "bench", "--uart", "--timeout", "100"].map(Into::into);
    let (_, stderr) = run_in_lab(&args, &[])?;
    parse(&stderr)
}

/// Reads lines such as `bench: BENCH ipc_inter 32 24740 64 49476`: rounds and their ticks, twice. The difference is free of what
/// a run costs beside its rounds.
pub fn parse(log: &str) -> Result<Ticks> {
    let mut found = BTreeMap::new();
    for line in log.lines().filter_map(|line| line.split_once(MARK)).map(|(_, line)| line) {
        let (name, ticks) = round(line).with_context(|| format!("the server reports `{line}`"))?;
        found.insert(name.to_owned(), ticks);
    }
    ensure!(!found.is_empty(), "the server reports nothing:\n{log}");
    Ok(found)
}

fn round(line: &str) -> Result<(&str, Option<u64>)> {
    let (name, numbers) = line.split_once(' ').context("no numbers")?;
    let numbers = numbers.split(' ').map(str::parse).collect::<Result<Vec<u64>, _>>()?;
    let [short, short_ticks, long, long_ticks] = numbers[..] else { anyhow::bail!("not four numbers") };
    let rounds = long.checked_sub(short).filter(|&rounds| rounds > 0).context("no difference")?;
    let ticks = long_ticks.checked_sub(short_ticks).context("more rounds take less")?;
    Ok((name, ticks.is_multiple_of(rounds).then_some(ticks / rounds)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_read() {
        let log = "ukvmm: x\nbench: BENCH a 32 1010 64 2002\nbench: BENCH b_c 1 5 2 6\nBENCH c 1 9 3 10\n";
        let found = parse(log).unwrap();
        assert_eq!((found["a"], found["b_c"], found["c"]), (Some(31), Some(1), None));
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for line in ["", "BENCH a failed: Denied", "BENCH a 1 2 3", "BENCH a 2 9 2 9", "BENCH a 1 9 2 8"] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
