//! Starts in the lab, where a tick of the time stamp counter is an instruction: of the VMM, of the kernel below it, and of the guest.

use super::{Guests, QEMU, Vmm};
use crate::commands::bench::devices::qemu_files;
use crate::commands::bench::image;
use crate::commands::bench::ticks::script_in_lab;
use crate::paths;
use ::lab::process;
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::time::Duration;

/// What the kernel has left of earlier starts (free pages, caches) makes the first ones differ.
const ROUNDS: usize = 3;
const TIMEOUT: Duration = Duration::from_secs(300);
/// Memory of the lab: for QEMU with its libraries, and a guest.
const LAB_MIB: u32 = 2048;

/// Instructions until the guest's byte, the median of all rounds, in the order of [`Vmm::ALL`].
pub fn measure(guests: &Guests) -> Result<[u64; 3]> {
    let start =
        image::compile(image::folder("bench")?.join("until"), &[image::source("start/until.c")], &["-O1"])?;
    let mut files = qemu_files(Path::new(QEMU))?;
    files.extend([start.clone(), guests.bare.clone(), guests.with_note.clone()]);
    files.push(paths::absolute(&paths::build())?.join("ukvmm"));
    let text = script_in_lab(&script(&start, guests)?, files, LAB_MIB, TIMEOUT)?;
    parse(&text).with_context(|| format!("the lab said:\n{text}"))
}

/// Starts one VMM after the other, again and again.
fn script(start: &Path, guests: &Guests) -> Result<String> {
    let mut script = String::new();
    for vmm in Vmm::ALL.repeat(ROUNDS) {
        let command = process::show(&vmm.command(guests)?);
        script += &format!("{} {command} || exit 1\n", process::quote(&start.display().to_string()));
    }
    Ok(script)
}

/// Reads a line `until TICKS` for each start.
fn parse(text: &str) -> Result<[u64; 3]> {
    let words = text.lines().filter_map(|line| line.trim_end().strip_prefix("until "));
    let ticks = words.map(|word| word.parse().with_context(|| format!("{word:?} is no number of ticks")));
    let ticks = ticks.collect::<Result<Vec<u64>>>()?;
    ensure!(ticks.len() == ROUNDS * Vmm::ALL.len(), "{} starts were counted", ticks.len());
    let median = |vmm| {
        let mut rounds: Vec<_> = ticks.iter().skip(vmm).step_by(Vmm::ALL.len()).copied().collect();
        rounds.sort_unstable();
        rounds[ROUNDS / 2]
    };
    Ok([0, 1, 2].map(median))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_vmm_has_its_median() {
        let lines = |ticks: &[u64]| ticks.iter().map(|n| format!("until {n}\r\n")).collect::<String>();
        assert_eq!(parse(&lines(&[9, 8, 70, 3, 8, 60, 4, 7, 80])).unwrap(), [4, 8, 70]);
        assert!(parse(&lines(&[9, 8, 70])).is_err());
        assert!(parse("until x\n").is_err());
    }
}
