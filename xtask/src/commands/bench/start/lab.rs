//! Starts and exits in the lab, where a tick of the time stamp counter is an instruction: of the VMM, of the kernel below it, and of the guest.

use super::{Guest, QEMU, Vmm};
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
/// How often the guest asks the VMM for something.
const EXITS: u32 = 1000;
const TIMEOUT: Duration = Duration::from_secs(300);
/// Memory of the lab: for QEMU with its libraries, and a guest.
const LAB_MIB: u32 = 2048;

/// Instructions, in the order of [`Vmm::ALL`].
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Counts {
    /// Until the guest's byte: the median of all rounds.
    pub start: [u64; 3],
    /// Of an exit and what the VMM does about it, until the guest goes on: the mean.
    pub exit: [f64; 3],
}

/// `starting` is the guest that is started, and killed after its first byte.
pub fn measure(starting: &Guest) -> Result<Counts> {
    let until =
        image::compile(image::folder("bench")?.join("until"), &[image::source("start/until.c")], &["-O1"])?;
    let exiting = Guest::make("exit", &[&format!("-DEXITS={EXITS}")])?;
    let mut files = qemu_files(Path::new(QEMU))?;
    files.push(until.clone());
    for guest in [starting, &exiting] {
        files.extend([guest.bare.clone(), guest.with_note.clone()]);
    }
    files.push(paths::absolute(&paths::build())?.join("ukvmm"));
    let script = starts(&until, starting)? + &exits(&exiting)?;
    let text = script_in_lab(&script, files, LAB_MIB, TIMEOUT)?;
    parse(&text).with_context(|| format!("the lab said:\n{text}"))
}

/// Starts one VMM after the other, again and again.
fn starts(until: &Path, guest: &Guest) -> Result<String> {
    let mut script = String::new();
    for vmm in Vmm::ALL.repeat(ROUNDS) {
        let command = process::show(&vmm.command(guest)?);
        script += &format!("{} {command} || exit 1\n", process::quote(&until.display().to_string()));
    }
    Ok(script)
}

/// Has each VMM's guest say what exits take. It ends its machine, which QEMU does not take for a success.
fn exits(guest: &Guest) -> Result<String> {
    let mut script = String::new();
    for vmm in Vmm::ALL {
        let mut command = vmm.command(guest)?;
        if vmm == Vmm::Qemu {
            command.args(["-device", "isa-debug-exit,iobase=0xf4,iosize=4"]);
        }
        script += &format!("echo \"exit $({} </dev/null)\"\n", process::show(&command));
    }
    Ok(script)
}

/// Reads a line `until TICKS` for each start, and `exit LETTERS` for each VMM.
fn parse(text: &str) -> Result<Counts> {
    let words = |mark| text.lines().filter_map(move |line| line.trim_end().strip_prefix(mark));
    let ticks =
        words("until ").map(|word| word.parse().with_context(|| format!("{word:?} is no number of ticks")));
    let ticks = ticks.collect::<Result<Vec<u64>>>()?;
    ensure!(ticks.len() == ROUNDS * Vmm::ALL.len(), "{} starts were counted", ticks.len());
    let median = |vmm| {
        let mut rounds: Vec<_> = ticks.iter().skip(vmm).step_by(Vmm::ALL.len()).copied().collect();
        rounds.sort_unstable();
        rounds[ROUNDS / 2]
    };
    let exits = words("exit ").map(|word| letters(word).with_context(|| format!("{word:?} are no letters")));
    let exits = exits.collect::<Result<Vec<u32>>>()?;
    let exits: [u32; 3] =
        exits.try_into().map_err(|exits: Vec<_>| anyhow::anyhow!("{} guests counted exits", exits.len()))?;
    let exit = exits.map(|ticks| f64::from(ticks) / f64::from(EXITS));
    Ok(Counts { start: [0, 1, 2].map(median), exit })
}

/// A number as the guest says it: eight letters from A to P, each four bits.
fn letters(word: &str) -> Option<u32> {
    let digit = |letter: u8| matches!(letter, b'A'..=b'P').then(|| u32::from(letter - b'A'));
    let number = word.bytes().try_fold(0, |number: u32, letter| Some(number << 4 | digit(letter)?));
    number.filter(|_| word.len() == 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(ticks: &[u64]) -> String {
        ticks.iter().map(|n| format!("until {n}\r\n")).collect()
    }

    #[test]
    fn each_vmm_has_its_median_and_its_exits() {
        let exits = "exit AAAAAPKA\nexit AAAAAHNA\r\nexit AAABIGKA\n";
        let counts = parse(&(lines(&[9, 8, 70, 3, 8, 60, 4, 7, 80]) + exits)).unwrap();
        assert_eq!(counts, Counts { start: [4, 8, 70], exit: [4.0, 2.0, 100.0] });
        assert!(parse(&(lines(&[9, 8, 70]) + exits)).is_err());
        assert!(parse(&lines(&[9, 8, 70, 3, 8, 60, 4, 7, 80])).is_err());
        assert!(parse(&("until x\n".to_owned() + exits)).is_err());
    }

    #[test]
    fn letters_are_numbers() {
        assert_eq!(letters("AAAAAPKA"), Some(4000));
        assert_eq!(letters("PPPPPPPP"), Some(u32::MAX));
        assert_eq!(["", "AAAAAPK", "AAAAAPKAA", "AAAAAQAA"].map(letters), [None; 4]);
    }
}
