//! Booting: from a machine's first instruction to that of its first program.

use super::cells::{head, row};
use super::programs;
use super::run::Bench;
use super::system::{SYSTEMS, System};
use crate::commands::bench::page::grouped;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// Debian's kernel with mitigations off, measured as the other anchors are.
const ANCHOR: u64 = 1_500_000_000;
const MEASURED: [&str; 2] = ["linux-off", "l4-forwarded"];

/// A system and its ticks.
pub type Boots = Vec<(&'static System, u64)>;

pub fn measure(bench: &Bench) -> Result<Boots> {
    let systems = SYSTEMS.iter().filter(|system| MEASURED.contains(&system.key));
    let boots: Boots =
        systems.map(|system| Ok((system, bench.first_instruction(system)?))).collect::<Result<_>>()?;
    let kept: BTreeMap<_, _> = boots.iter().map(|(system, ticks)| (system.key, ticks)).collect();
    fs::write(path()?, serde_json::to_string(&kept)?)?;
    Ok(boots)
}

/// What was measured last; nothing if nothing was.
pub fn read() -> Result<Boots> {
    let path = path()?;
    if !path.exists() {
        return Ok(Boots::new());
    }
    let kept: BTreeMap<String, u64> = serde_json::from_str(&fs::read_to_string(path)?)?;
    Ok(SYSTEMS.iter().filter_map(|system| Some((system, *kept.get(system.key)?))).collect())
}

fn path() -> Result<PathBuf> {
    Ok(programs::folder()?.join("boots.json"))
}

/// The section.
pub fn render(boots: &Boots) -> String {
    let Some((_, linux)) = boots.iter().find(|(system, _)| system.is_linux()) else { return String::new() };
    let mut out = format!(
        "## Booting\n\nFrom the first `KVM_RUN` to the first instruction of the first Linux program: instructions of the guest, KVM and `ukvmm`. (Linux measured elsewhere, \
         as the anchors below: {}.)\n\n",
        grouped(ANCHOR)
    );
    out += &head(&["system", "instructions", "to Linux"], 1);
    for (system, ticks) in boots {
        let times = *ticks as f64 / *linux as f64;
        out += &row(&[system.title.to_owned(), grouped(*ticks), format!("{times:.4}")]);
    }
    out
}
