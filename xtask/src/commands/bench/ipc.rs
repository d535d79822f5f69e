//! `cargo xtask bench ipc`: instructions and cache lines of the kernel's paths.
//!
//! Two ways that have to agree: stepping through a loop, which tells the kernel's instructions from the loop's own, and the time
//! stamp counter over many rounds, which sees what stepping might disturb.
//!
//! - [`rounds`]: the loops, stepped through; [`machine`], [`gdb`], [`trace`], [`visit`], [`symbols`]
//! - [`ticks`]: the loops by the time stamp counter
//! - [`paths`]: which parts of the loops are which paths
//! - [`part`]: the page

mod gdb;
mod machine;
mod part;
mod paths;
mod rounds;
mod symbols;
mod ticks;
mod trace;
mod visit;

use super::committed::{Promise, Table};
use super::document::{self, Part};
use crate::commands::build;
use crate::elf;
use anyhow::{Result, bail, ensure};
use lab::process;
use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;
use ticks::Ticks;
use visit::Round;

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: build::BuildArgs,
    /// Compare with the counts that are promised, and write nothing
    #[arg(long)]
    check: bool,
    /// Leave out the lab and the boot, and write nothing
    #[arg(long)]
    quick: bool,
    /// Print every instruction of a round of this loop; `boot`: the functions that the boot spends its instructions in
    #[arg(long, value_name = "LOOP")]
    trace: Vec<String>,
}

const PROMISE: Promise = Promise {
    file: "ipc-counts.toml",
    what: "What the kernel's paths take: instructions, and cache lines of code and of data, visit by visit.",
    command: "cargo xtask bench ipc",
};

/// What the kernel's paths take, as it is promised.
pub fn promised() -> Result<Table> {
    PROMISE.read()
}

/// Loops that do the same in the lab but do not take the same: KVM takes part in interrupts.
const NOT_IN_LAB: [&str; 1] = ["interrupt"];

pub fn ipc(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let what = "QEMU: instruction by instruction";
    let seen = process::step(what, || rounds::step(!args.quick && !args.check))?;
    for name in &args.trace {
        println!("{name}\n{}", listing(&seen, name)?);
    }
    agree("QEMU", &seen.rounds, &seen.ticks, &[])?;
    if !args.quick {
        let ticks = process::step("the lab: ticks", ticks::measure)?;
        agree("the lab", &seen.rounds, &ticks, &NOT_IN_LAB)?;
    }
    let counted = paths::count(&seen.rounds)?;
    let table = counted.iter().map(|c| (c.path.key.to_owned(), c.counts())).collect();
    if args.check {
        return Ok(ExitCode::from(u8::from(!PROMISE.check(&table)?)));
    }
    let text = elf::text_size(&fs::read(crate::paths::build().join("guest.elf"))?)?;
    let page = part::render(&part::Figures {
        paths: counted,
        boot: seen.boot.as_ref().map(|boot| boot.total()),
        text,
    });
    println!("{page}");
    if !args.quick {
        document::write(Part::Ipc, &page)?;
        PROMISE.write(&table)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a loop executed, or what the boot spent its instructions on.
fn listing(seen: &rounds::Stepped, name: &str) -> Result<String> {
    match (seen.rounds.get(name), &seen.boot) {
        (Some(round), _) => {
            let visits = (1..).zip(&round.visits);
            let functions = visits.map(|(n, visit)| format!("-- visit {n}\n{}", visit.functions));
            Ok(round.listing.clone() + &functions.collect::<String>())
        }
        (None, Some(boot)) if name == "boot" => Ok(boot.to_string()),
        _ => bail!("no loop {name}; there are {:?}", seen.rounds.keys()),
    }
}

/// Fails unless stepping and the time stamp counter agree.
fn agree(place: &str, stepped: &BTreeMap<String, Round>, ticks: &Ticks, but: &[&str]) -> Result<()> {
    let mut wrong = Vec::new();
    for (name, round) in stepped.iter().filter(|(name, _)| !but.contains(&name.as_str())) {
        let stepped = round.ticks();
        match ticks.get(name) {
            Some(Some(ticks)) if *ticks == stepped => {}
            Some(Some(ticks)) => wrong.push(format!("{name}: {stepped} instructions, {ticks} ticks")),
            Some(None) => wrong.push(format!("{name}: rounds do not all take the same ticks")),
            None => wrong.push(format!("{name}: no ticks")),
        }
    }
    ensure!(wrong.is_empty(), "figures do not agree with {place}:\n{}", wrong.join("\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_do_not_agree_are_an_error() {
        let round = |user| Round { user, ..Round::default() };
        let stepped = BTreeMap::from([("a".to_owned(), round(5)), ("b".to_owned(), round(7))]);
        let ticks = |a, b| Ticks::from([("a".to_owned(), Some(a)), ("b".to_owned(), Some(b))]);
        assert!(agree("x", &stepped, &ticks(5, 7), &[]).is_ok());
        assert!(agree("x", &stepped, &ticks(5, 8), &["b"]).is_ok());
        let uneven = Ticks::from([("a".to_owned(), Some(5)), ("b".to_owned(), None)]);
        assert!(agree("x", &stepped, &uneven, &[]).is_err());
        let error = agree("x", &stepped, &ticks(5, 8), &[]).unwrap_err().to_string();
        assert!(error.contains("b: 7") && error.contains("8 ticks") && !error.contains("a:"), "{error}");
        assert!(agree("x", &stepped, &Ticks::new(), &[]).is_err());
    }
}
