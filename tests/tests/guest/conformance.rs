//! The µ-kernel by itself, under a server set of its own: `tests/conformance` runs its cases in the guest and reports
//! each on the machine's log. One boot runs all of them; each is a test here.

use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::{Boot, LAB_LIMIT};
use guest_tests::process::{End, Outcome};
use guest_tests::qemu::{Qemu, exit_status};
use libtest_mimic::Trial;
use std::sync::Arc;
use std::time::Duration;

/// The tables of cases, whose names are the names of the tests.
const TABLES: &str = include_str!("../../conformance/src/cases/mod.rs");
/// Begins the names of cases that need several CPUs.
const SMP: &str = "smp/";
/// With several CPUs, cases whose puppets run on the last one.
const OTHER_CPU: &str = "other-cpu/";
/// Begins every line of the report, behind what the log puts before it.
const MARK: &str = "TAP ";

type Report = Result<Outcome, String>;

/// A machine and the cases that run there, all in one boot.
#[derive(Clone, Copy)]
struct Suite {
    /// Begins the names of the tests, behind the place.
    name: &'static str,
    place: Place,
    cpus: u32,
    /// Beginnings of the names of cases; empty: all.
    selection: &'static [&'static str],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Kvm,
    Lab,
    Qemu,
}

/// What several CPUs make of the cases where the puppets are on the first is much the same everywhere, and is left to QEMU: it is the fastest.
const BEYOND_THE_FIRST_CPU: &[&str] = &[OTHER_CPU, SMP];

const SUITES: &[Suite] = &[
    Suite { name: "l4", place: Place::Kvm, cpus: 1, selection: &[] },
    Suite { name: "l4", place: Place::Lab, cpus: 1, selection: &[] },
    Suite { name: "l4", place: Place::Qemu, cpus: 1, selection: &[] },
    Suite { name: "l4-smp", place: Place::Kvm, cpus: 2, selection: BEYOND_THE_FIRST_CPU },
    Suite { name: "l4-smp", place: Place::Lab, cpus: 2, selection: BEYOND_THE_FIRST_CPU },
    Suite { name: "l4-smp", place: Place::Qemu, cpus: 2, selection: &[] },
];

impl Place {
    fn limit(self) -> Duration {
        match self {
            Self::Kvm => Duration::from_secs(150),
            Self::Lab => LAB_LIMIT,
            Self::Qemu => Duration::from_secs(120),
        }
    }

    fn trial(
        self,
        name: &str,
        context: &Arc<Context>,
        body: impl FnOnce(&Context) -> Result<(), String> + Send + 'static,
    ) -> Trial {
        match self {
            Self::Kvm => on_kvm(name, context, body),
            Self::Lab => plain(format!("lab::{name}"), context, body),
            Self::Qemu => plain(format!("qemu::{name}"), context, body),
        }
    }
}

impl Suite {
    /// The names of the cases.
    fn names(&self) -> Vec<String> {
        let table = TABLES
            .lines()
            .filter_map(|line| line.trim().strip_prefix("(\"")?.split_once('"').map(|(name, _)| name));
        let (smp, plain): (Vec<_>, Vec<_>) = table.partition(|name| name.starts_with(SMP));
        let mut names: Vec<_> = plain.iter().map(|&name| name.to_owned()).collect();
        if self.cpus > 1 {
            names.extend(plain.iter().map(|name| format!("{OTHER_CPU}{name}")));
            names.extend(smp.iter().map(|&name| name.to_owned()));
        }
        names.retain(|name| self.selection.is_empty() || self.selection.iter().any(|s| name.starts_with(s)));
        names
    }

    fn run(&self, context: &Context) -> Report {
        let limit = self.place.limit();
        match self.place {
            Place::Kvm => self.boot(context)?.run_kvm(b"", limit),
            Place::Lab => self.boot(context)?.run_lab(b"", limit),
            Place::Qemu => self.in_qemu(context),
        }
    }

    fn boot(&self, context: &Context) -> Result<Boot, String> {
        let (kernel, cpus) = (context.build.kernel()?, self.cpus.to_string());
        let words = ["--kernel", &kernel.to_string_lossy(), "--servers", "conformance", "--cpus", &cpus];
        Ok(Boot::words(&context.build, &words)?.timeout(self.place.limit()).program(self.selection))
    }

    /// The cases are those of the lab, on other devices.
    fn in_qemu(&self, context: &Context) -> Report {
        let options = if self.cpus == 1 { Qemu::REPEATABLE } else { &[] };
        let name = format!("conformance-{}", self.cpus);
        let (set, words) = ("conformance", self.selection);
        Qemu { machine: "q35", memory_mib: 256, cpus: self.cpus, set, words, options }.run(
            &context.build,
            &name,
            self.place.limit(),
        )
    }

    fn end(&self, status: u8) -> End {
        if self.place == Place::Qemu { exit_status(status) } else { End::Exited(status.into()) }
    }

    /// The machine's exit status agrees with the report, and the report is whole.
    fn whole(&self, outcome: &Outcome) -> Result<(), String> {
        let log = String::from_utf8_lossy(&outcome.stderr);
        let failed = log.contains(&format!("{MARK}not ok "));
        let planned = log.contains(&format!("{MARK}1..{}\n", self.names().len()));
        if planned && outcome.end == self.end(failed.into()) {
            Ok(())
        } else {
            Err(compare::describe(outcome))
        }
    }

    fn trials(self, context: &Arc<Context>, trials: &mut Vec<Trial>) {
        let report = Arc::new(Shared::<Report>::new());
        let once = move |context: &Context| report.get(&context.slots, || self.run(context)).clone();
        for name in self.names() {
            let (once, test) = (once.clone(), format!("{}::{name}", self.name));
            trials.push(self.place.trial(&test, context, move |c| verdict(&once(c)?, &name)));
        }
        let test = format!("{}::whole-report", self.name);
        trials.push(self.place.trial(&test, context, move |c| self.whole(&once(c)?)));
    }
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

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    SUITES.iter().for_each(|suite| suite.trials(context, &mut trials));
    trials
}
