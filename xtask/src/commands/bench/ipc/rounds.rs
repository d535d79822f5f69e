//! The loops of the server `bench`, each gone through once under a debugger's eyes.

use super::gdb::Gdb;
use super::machine::{KERNEL_BASE, Machine};
use super::symbols::Program;
use super::ticks::{self, Ticks};
use super::trace::{Tables, Tracer};
use super::visit::{Functions, Round};
use crate::paths;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

/// Prefix of the symbols where rounds begin.
const LOOP: &str = "loop_";
/// Rounds after which everything is as it will be.
const WARM: u32 = 5;
/// More steps than a boot has.
const MAX_BOOT: u32 = 3_000_000;
/// Bytes by which a loop is recognised.
const HEAD: usize = 16;

/// What was seen.
pub struct Stepped {
    /// By the names of the loops.
    pub rounds: BTreeMap<String, Round>,
    /// Ticks of a round of the same loops, by the server's own report.
    pub ticks: Ticks,
    /// The kernel's instructions until σ0's first.
    pub boot: Option<Functions>,
}

/// Boots the server set `bench` and goes through its loops; steps through the boot, too, if that is wanted.
pub fn step(with_boot: bool) -> Result<Stepped> {
    let build = paths::build();
    let kernel = Program::read(&build.join("guest.elf"))?;
    let server = Program::read(&build.join("servers/bench.debug"))?;
    let sigma0 = Program::read(&build.join("servers/sigma0.debug"))?;
    let mut machine = Machine::start(&kernel)?;
    let boot = with_boot.then(|| boot(&mut machine.gdb, &kernel, sigma0.entry)).transpose()?;
    let rounds = rounds(&mut machine, &kernel, &server)?;
    let ticks = ticks::parse(&machine.finish()?)?;
    Ok(Stepped { rounds, ticks, boot })
}

/// Steps to `end`, σ0's first instruction. A repeated string instruction is one.
fn boot(gdb: &mut Gdb, kernel: &Program, end: u64) -> Result<Functions> {
    let mut boot = Functions::default();
    let mut rip = gdb.rip()?;
    for _ in 0..MAX_BOOT {
        gdb.step()?;
        let next = gdb.rip()?;
        if next != rip {
            boot.count(kernel.function(if rip < KERNEL_BASE { rip + KERNEL_BASE } else { rip }));
        }
        if next == end {
            return Ok(boot);
        }
        rip = next;
    }
    bail!("no end of the boot after {MAX_BOOT} steps, at {}", kernel.describe(rip))
}

fn rounds(machine: &mut Machine, kernel: &Program, server: &Program) -> Result<BTreeMap<String, Round>> {
    let loops: BTreeMap<u64, &str> = server.with_prefix(LOOP).map(|(name, at)| (at, name)).collect();
    ensure!(!loops.is_empty(), "the server has no loops");
    for &address in loops.keys() {
        machine.gdb.set_breakpoint(address)?;
    }
    let (mut passed, mut rounds) = (BTreeMap::<u64, u32>::new(), BTreeMap::new());
    while rounds.len() < loops.len() {
        let at = machine.gdb.go().context("the server came to an end before all its loops")?.rip;
        let name = loops.get(&at).with_context(|| format!("the guest stopped at {at:#x}"))?;
        if server.has(at, &machine.gdb.read(at, HEAD)?) {
            *passed.entry(at).or_default() += 1;
        }
        if passed.get(&at).is_none_or(|&passed| passed < WARM) {
            // Off the breakpoint.
            machine.gdb.step()?;
            continue;
        }
        let round = Tracer::new(kernel, Tables::read(&mut machine.gdb)?)
            .round(&mut machine.gdb)
            .with_context(|| format!("in loop {name}"))?;
        let Some(round) = round else { continue };
        rounds.insert((*name).to_owned(), round);
        machine.gdb.remove_breakpoint(at)?;
    }
    Ok(rounds)
}
