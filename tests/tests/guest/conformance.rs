//! The µ-kernel by itself, under a server set of its own: `tests/conformance` runs its cases in the guest and reports
//! each on the machine's log. One boot runs all of them; each is a test here.

use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::qemu::{Qemu, exit_status};
use libtest_mimic::Trial;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The table of cases, whose names are the names of the tests.
const TABLE: &str = include_str!("../../conformance/src/cases/mod.rs");
const LIMIT: Duration = Duration::from_secs(60);
const QEMU_LIMIT: Duration = Duration::from_secs(120);
/// Begins every line of the report, behind what the log puts before it.
const MARK: &str = "TAP ";

type Report = Result<Outcome, String>;

fn names() -> impl Iterator<Item = &'static str> {
    TABLE.lines().filter_map(|line| line.trim().strip_prefix("(\"")?.split_once('"').map(|(name, _)| name))
}

fn boot(context: &Context) -> Result<Boot, String> {
    let kernel = context.build.kernel()?;
    let words = ["--kernel", &kernel.to_string_lossy(), "--servers", "conformance"];
    Boot::words(&context.build, &words)
}

/// What the report says about one case.
fn verdict(outcome: &Outcome, name: &str) -> Result<(), String> {
    let log = String::from_utf8_lossy(&outcome.stderr);
    let lines: Vec<_> = log.lines().filter_map(|line| line.split_once(MARK)).map(|(_, line)| line).collect();
    for line in &lines {
        let (good, rest) = match (line.strip_prefix("ok "), line.strip_prefix("not ok ")) {
            (Some(rest), _) => (true, rest),
            (_, Some(rest)) => (false, rest),
            _ => continue,
        };
        let Some((_, text)) = rest.split_once(' ') else { continue };
        let (found, detail) = text.split_once(" # ").unwrap_or((text, ""));
        if found == name {
            return if good { Ok(()) } else { Err(detail.to_owned()) };
        }
    }
    let last = lines.last().unwrap_or(&"nothing");
    Err(format!("it was not reported; the last report is `{last}`; {}", compare::describe(outcome)))
}

/// The machine's exit status agrees with the report, and the report is whole.
fn whole(outcome: &Outcome, end: fn(u8) -> End) -> Result<(), String> {
    let log = String::from_utf8_lossy(&outcome.stderr);
    let failed = log.contains(&format!("{MARK}not ok "));
    let planned = log.contains(&format!("{MARK}1..{}", names().count()));
    if planned && outcome.end == end(failed.into()) { Ok(()) } else { Err(compare::describe(outcome)) }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let (kvm, lab) = (Arc::new(OnceLock::<Report>::new()), Arc::new(OnceLock::<Report>::new()));
    let on_this_machine = move |context: &Context| {
        kvm.get_or_init(|| boot(context)?.timeout(LIMIT).run_kvm(b"", LIMIT)).clone()
    };
    let in_lab = move |context: &Context| lab.get_or_init(|| boot(context)?.run_lab(b"", LAB_LIMIT)).clone();
    let mut trials = Vec::new();
    for name in names() {
        let (here, there) = (on_this_machine.clone(), in_lab.clone());
        trials.push(on_kvm(&format!("l4::{name}"), context, move |c| verdict(&here(c)?, name)));
        trials.push(plain(format!("lab::l4::{name}"), context, move |c| verdict(&there(c)?, name)));
    }
    trials.push(on_kvm("l4::whole-report", context, move |c| {
        whole(&on_this_machine(c)?, |status| End::Exited(status.into()))
    }));
    trials.push(plain("lab::l4::whole-report".to_owned(), context, move |c| {
        whole(&in_lab(c)?, |status| End::Exited(status.into()))
    }));
    trials.push(plain("qemu::l4::whole-report".to_owned(), context, move |c| {
        let outcome = in_qemu(c)?;
        names().try_for_each(|name| verdict(&outcome, name).map_err(|e| format!("{name}: {e}")))?;
        whole(&outcome, exit_status)
    }));
    trials
}

/// In QEMU by itself it is one test: the cases are those of the lab, on other devices.
fn in_qemu(context: &Context) -> Report {
    let options = Qemu::REPEATABLE;
    Qemu { machine: "q35", memory_mib: 256, cpus: 1, set: "conformance", words: &[], options }.run(
        &context.build,
        "conformance",
        QEMU_LIMIT,
    )
}
