//! Samples: that they say where the time was. `tests/programs/samples.c` spends its own in a function `inner` that `outer` calls, and the rest is the system's.

use crate::trials::{Context, on_kvm};
use guest_tests::guest::Boot;
use guest_tests::process::{End, Outcome};
use guest_tests::{compare, programs};
use libtest_mimic::Trial;
use profile::stacks::{KERNEL_MARK, MACHINE};
use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// One has frame pointers, the other has tables.
const PROGRAMS: [&str; 2] = ["samples", "samples-tables"];
/// What the program spends its time in.
const HEAVIEST: [&str; 3] = ["main", "outer", "inner"];

/// Stacks, the outermost frame first, and how often each was found.
pub type Folded = BTreeMap<Vec<String>, u64>;

/// A shell's line that runs the programs, each for so many rounds and so many files.
pub fn line(rounds: u32, files: u32) -> String {
    PROGRAMS.map(|program| format!("/tests/{program} {rounds} {files}")).join(" && ")
}

/// What is true of every profile in which [`line`] has run.
pub fn check(folded: &Folded) -> Result<(), String> {
    let shown =
        || folded.iter().map(|(path, count)| format!("{} {count}\n", path.join(";"))).collect::<String>();
    for program in PROGRAMS {
        let task = format!("linux: {program}");
        let own = folded.iter().filter(|(path, _)| path.get(1) == Some(&task));
        let (heaviest, _) =
            own.max_by_key(|(_, count)| **count).ok_or_else(|| format!("no {task}:\n{}", shown()))?;
        if !heaviest.ends_with(&HEAVIEST.map(String::from)) {
            return Err(format!("the heaviest stack of {task} is {heaviest:?}:\n{}", shown()));
        }
    }
    let has = |what: &dyn Fn(&[String]) -> bool| folded.keys().any(|path| what(path));
    let is_rust = |name: &String| name.contains("::");
    let of_server =
        |path: &[String]| path[1] == "linux" && path.iter().any(|name| name.starts_with("linux::"));
    let of_kernel = |path: &[String]| path.iter().any(|name| is_rust(name) && name.ends_with(KERNEL_MARK));
    for (what, is_there) in [("server", has(&of_server)), ("kernel", has(&of_kernel))] {
        if !is_there {
            return Err(format!("no function of the {what} by its name in Rust:\n{}", shown()));
        }
    }
    Ok(())
}

/// What flame graphs are made of: `FRAME;FRAME COUNT`.
fn parse(text: &str) -> Result<Folded, String> {
    let line = |line: &str| {
        let (path, count) = line.rsplit_once(' ')?;
        let path: Vec<_> = path.split(';').map(String::from).collect();
        let is_good = path[0] == MACHINE && path.len() > 1 && path.iter().all(|name| !name.is_empty());
        Some((path, count.parse().ok()?)).filter(|_| is_good)
    };
    text.lines().map(|text| line(text).ok_or_else(|| format!("no stack and its count: {text:?}"))).collect()
}

fn on_this_kvm(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let path = folder.path().join("p.folded");
    let boot = Boot::linux(&context.build, &programs::image(&context.build)?)?;
    let boot = boot.with(&["--profile", &path.to_string_lossy()]).timeout(LIMIT);
    let outcome: Outcome =
        boot.program(&["/bin/busybox", "sh", "-c", &line(3000, 20)]).run_kvm(b"", LIMIT)?;
    if outcome.end != End::Exited(0) {
        return Err(compare::describe(&outcome));
    }
    check(&parse(&fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?)?)
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![on_kvm("samples", context, on_this_kvm)]
}
