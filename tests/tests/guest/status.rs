//! What `ukvmm` makes of a program's end: its status, its streams, its limits.

use crate::control;
use crate::disk;
use crate::live;
use crate::slots::Shared;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::batch::Results;
use guest_tests::compare;
use guest_tests::guest::{self, Boot, LabBoot};
use guest_tests::process::{End, Outcome};
use guest_tests::programs;
use libtest_mimic::Trial;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vmm_abi::exit;

/// A run of `ukvmm` and what it has to come to.
#[derive(Clone, Copy)]
struct Run {
    name: &'static str,
    options: &'static [&'static str],
    program: &'static [&'static str],
    status: u8,
    stdout: &'static str,
    /// Text that standard error has to contain; empty: it has to be empty.
    stderr: &'static str,
}

/// Runs in the lab that are more than `ukvmm` alone: they share the others' lab because one of their own takes long to start.
const SCRIPTED: [Scripted; 3] = [
    Scripted { name: "watched", boot: live::in_lab, script: live::IN_LAB, check: live::check_lab },
    Scripted {
        name: "controlled",
        boot: control::in_lab,
        script: control::IN_LAB,
        check: control::check_lab,
    },
    Scripted { name: "disk", boot: disk::in_lab, script: disk::IN_LAB, check: disk::check_lab },
];

struct Scripted {
    name: &'static str,
    boot: fn(&Context) -> Result<Boot, String>,
    script: &'static str,
    check: fn(&Outcome) -> Result<(), String>,
}
const SH: &str = "/bin/sh";
const BUSYBOX: &str = "/bin/busybox";
const LIMIT: Duration = Duration::from_secs(20);
/// `--timeout` of the runs that have to reach it. Ends well before [`LIMIT`].
const SHORT: [&str; 2] = ["--timeout", "2"];

const RUNS: &[Run] = &[
    run("exit-0", &[SH, "-c", "exit 0"], 0),
    run("exit-7", &[SH, "-c", "exit 7"], 7),
    run("exit-119", &[SH, "-c", "exit 119"], exit::GUEST_MAX),
    // What is above belongs to ukvmm.
    run("exit-120", &[SH, "-c", "exit 120"], exit::GUEST_MAX),
    run("exit-255", &[SH, "-c", "exit 255"], exit::GUEST_MAX),
    run("child-killed", &[SH, "-c", "sh -c 'kill -KILL $$'; exit $(($? - 100))"], 37).stderr("Killed"),
    run("fault", &["/tests/crash"], exit::GUEST_MAX),
    run("not-found", &["/no/such/program"], exit::GUEST_MAX).stderr("/no/such/program"),
    run("not-a-program", &["/tests"], exit::GUEST_MAX).stderr("/tests"),
    run("by-path", &["echo", "found"], 0).stdout("found\n"),
    run("streams", &[SH, "-c", "echo out; echo err >&2"], 0).stdout("out\n").stderr("err\n"),
    run("no-terminal", &[SH, "-c", "test ! -t 0 && test ! -t 1 && test ! -t 2"], 0),
    run("environment", &[SH, "-c", "echo \"$A|$B\""], 0)
        .options(&["--env", "A=x y", "--env", "B="])
        .stdout("x y|\n"),
    run("first-process", &[SH, "-c", "echo $$"], 0).stdout("1\n"),
    run("orphans", &[SH, "-c", "(sleep 0.2; echo late) & exit 3"], 3),
    run("empty-input", &[BUSYBOX, "wc", "-c"], 0).stdout("0\n"),
    // Half of it is the Linux server's own, by the server set.
    run("little-memory", &[BUSYBOX, "echo", "small"], 0).options(&["--memory", "64M"]).stdout("small\n"),
    run("much-memory", &[BUSYBOX, "echo", "large"], 0).options(&["--memory", "512M"]).stdout("large\n"),
    run("sleeps-too-long", &[BUSYBOX, "sleep", "100"], exit::TIMEOUT).options(&SHORT).stderr("timeout"),
    run("spins", &[SH, "-c", "while :; do :; done"], exit::TIMEOUT).options(&SHORT).stderr("timeout"),
    run("reads-for-ever", &[SH, "-c", "sleep 1; while :; do cat; done"], exit::TIMEOUT)
        .options(&SHORT)
        .stderr("timeout"),
];

const fn run(name: &'static str, program: &'static [&'static str], status: u8) -> Run {
    Run { name, options: &[], program, status, stdout: "", stderr: "" }
}

impl Run {
    const fn options(self, options: &'static [&'static str]) -> Self {
        Self { options, ..self }
    }
    const fn stdout(self, stdout: &'static str) -> Self {
        Self { stdout, ..self }
    }
    const fn stderr(self, stderr: &'static str) -> Self {
        Self { stderr, ..self }
    }

    fn boot(&self, context: &Context) -> Result<Boot, String> {
        // The test programs take up more memory than a small machine has.
        let image = if self.program[0].starts_with(programs::GUEST_DIR) {
            programs::image(&context.build)?
        } else {
            context.build.initrd()?
        };
        Ok(Boot::linux(&context.build, &image)?.with(self.options).program(self.program))
    }

    fn check(&self, outcome: &Outcome) -> Result<(), String> {
        let stderr = String::from_utf8_lossy(&outcome.stderr);
        let good = outcome.end == End::Exited(self.status.into())
            && outcome.stdout == self.stdout.as_bytes()
            && if self.stderr.is_empty() { stderr.is_empty() } else { stderr.contains(self.stderr) };
        if good {
            return Ok(());
        }
        let Self { program, status, stdout, stderr, .. } = self;
        let found = compare::describe(outcome);
        Err(format!(
            "{program:?}: expected exit status {status}, stdout {stdout:?}, stderr with {stderr:?}; found {found}"
        ))
    }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let lab = Arc::new(Shared::<Results>::new());
    let mut trials = Vec::new();
    for run in RUNS {
        trials.push(on_kvm(&format!("status::{}", run.name), context, move |context| {
            let start = Instant::now();
            let outcome = run.boot(context)?.run_kvm(b"", LIMIT)?;
            run.check(&outcome)?;
            let elapsed = start.elapsed();
            if elapsed < LIMIT { Ok(()) } else { Err(format!("it took {elapsed:?}")) }
        }));
        let lab = lab.clone();
        trials.push(plain(format!("lab::status::{}", run.name), context, move |context| {
            let results = lab.get(&context.slots, || run_in_lab(context));
            let outcome = results.get(run.name).ok_or("it was not run")?;
            run.check(outcome.as_ref().map_err(Clone::clone)?)
        }));
    }
    for scripted in &SCRIPTED {
        let lab = lab.clone();
        trials.push(plain(format!("lab::status::{}", scripted.name), context, move |context| {
            let results = lab.get(&context.slots, || run_in_lab(context));
            let outcome = results.get(scripted.name).ok_or("it was not run")?;
            (scripted.check)(outcome.as_ref().map_err(Clone::clone)?)
        }));
    }
    trials
}

/// All that were asked for, in one lab.
fn run_in_lab(context: &Context) -> Results {
    let is_selected = |name: &str| context.is_selected(&format!("lab::status::{name}"));
    let selected = RUNS.iter().filter(|run| is_selected(run.name));
    let boot = |run: &Run| Ok(LabBoot { name: run.name.to_owned(), boot: run.boot(context)?, script: None });
    let scripted = SCRIPTED.iter().filter(|scripted| is_selected(scripted.name));
    let with_script = |scripted: &Scripted| {
        let boot = (scripted.boot)(context)?;
        Ok(LabBoot { name: scripted.name.to_owned(), boot, script: Some(scripted.script) })
    };
    let boots: Result<Vec<_>, String> =
        selected.clone().map(boot).chain(scripted.clone().map(with_script)).collect();
    match boots {
        Ok(boots) => guest::run_boots_in_lab(&context.build, "status", &boots),
        Err(error) => {
            let names = selected.map(|run| run.name).chain(scripted.map(|scripted| scripted.name));
            names.map(|name| (name.to_owned(), Err(error.clone()))).collect()
        }
    }
}
