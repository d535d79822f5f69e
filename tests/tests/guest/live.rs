//! Machines that are watched while they run: `ukvmm top`, as text and on a terminal, here and in the lab.

use crate::trials::{Context, on_kvm};
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{self, End, NAP, Outcome};
use guest_tests::programs;
use guest_tests::terminal::Session;
use libtest_mimic::Trial;
use profile::live::line::Line;
use profile::live::window::Window;
use rustix::process::Signal;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use vmm_abi::exit;

/// `tests/programs/rounds.c`: what it does in each round, for so many seconds, and its status.
const PROGRAM: &str = "/tests/rounds";
const GETPPID: u64 = 8;
const GETUID: u64 = 2;
const STATUS: &str = "machine ended with status 7";
/// What the program is called by those who watch.
const NAME: &str = "linux: rounds[1]";
/// Of a step.
const LIMIT: Duration = Duration::from_secs(60);

/// In the lab: the machine is watched until it ends by itself.
pub const IN_LAB: &str =
    "{boot} & while [ ! -S /tmp/live ]; do busybox usleep 10000; done; {ukvmm} top /tmp/live";

pub fn in_lab(context: &Context) -> Result<Boot, String> {
    let boot = Boot::linux(&context.build, &programs::image(&context.build)?)?;
    Ok(boot.with(&["--live=/tmp/live"]).program(&[PROGRAM, "2.5"]))
}

/// What was printed in the lab.
pub fn check_lab(outcome: &Outcome) -> Result<(), String> {
    let text = String::from_utf8_lossy(&outcome.stdout);
    let row = |name: &str| text.lines().find(|line| line.starts_with(name) && !line.contains(" → "));
    let rows = [NAME, "getppid", "getuid", "page fault"].map(row);
    let is_good = rows.iter().all(Option::is_some)
        && text.contains("times in instructions")
        && text.trim_end().ends_with(STATUS)
        && outcome.end == End::Exited(0);
    if is_good { Ok(()) } else { Err(compare::describe(outcome)) }
}

fn top(context: &Context, words: &[&str]) -> Result<Command, String> {
    let mut command = Command::new(context.build.ukvmm()?);
    command.arg("top").args(words).env("TERM", "xterm");
    Ok(command)
}

/// The first window all of which the program was there for.
fn whole_second(socket: &Path) -> Result<Window, String> {
    let error = |error: &dyn std::fmt::Display| format!("{}: {error}", socket.display());
    let deadline = Instant::now() + LIMIT;
    let stream = loop {
        match UnixStream::connect(socket) {
            Ok(stream) => break stream,
            Err(e) if Instant::now() >= deadline => return Err(error(&e)),
            Err(_) => sleep(NAP),
        }
    };
    stream.set_read_timeout(Some(LIMIT)).map_err(|e| error(&e))?;
    let calls = |window: &Window| window.system_calls.iter().any(|call| call.name == "getppid");
    let mut before = false;
    for line in BufReader::new(stream).lines() {
        let line = Line::parse(line.map_err(|e| error(&e))?.as_bytes()).map_err(|e| error(&e))?;
        let Line::Window(window) = line else { return Err(error(&format!("{line:?}"))) };
        if before && calls(&window) {
            return Ok(*window);
        }
        before = calls(&window);
    }
    Err(error(&"it says nothing more"))
}

/// What has to be so of each whole second of the program's.
fn check(window: &Window) -> Result<(), String> {
    let count = |name| {
        let call = window.system_calls.iter().find(|call| call.name == name);
        call.map(|call| call.count).ok_or_else(|| format!("no {name}: {window:?}"))
    };
    let (getppid, getuid, sleeps) = (count("getppid")?, count("getuid")?, count("clock_nanosleep")?);
    // The second may begin and end within a round.
    let in_proportion = getppid.abs_diff(getuid * GETPPID / GETUID) <= GETPPID
        && sleeps.abs_diff(getuid / GETUID) <= 1
        && sleeps > 0;
    let program = window.threads.iter().find(|thread| thread.name == NAME);
    let program = program.ok_or_else(|| format!("no {NAME}: {window:?}"))?;
    let calls = window.ipc.iter().find(|pair| pair.client == NAME && pair.server == "linux");
    let is_counted = program.system_call_count >= getppid + getuid
        && calls.is_some_and(|calls| calls.count >= getppid + getuid);
    let ticks = window.cpus.first().map_or(0, |cpu| cpu.user_ticks + cpu.kernel_ticks + cpu.idle_ticks);
    let is_whole =
        ticks.abs_diff(window.length_ticks) <= window.length_ticks / 50 && window.dropped_records == 0;
    if in_proportion && is_counted && is_whole { Ok(()) } else { Err(format!("{window:?}")) }
}

/// As text: what is said, and what is said when there is nothing to be said.
fn as_text(context: &Context, socket: &Path) -> Result<(), String> {
    let path = socket.to_string_lossy();
    let outcome = process::run(top(context, &["--once", &path])?, b"", LIMIT)?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    let names = |name: &str| text.lines().any(|line| line.starts_with(name));
    if outcome.end != End::Exited(0) || ![NAME, "getppid", "vCPU 0"].into_iter().all(names) {
        return Err(compare::describe(&outcome));
    }
    let nobody = process::run(top(context, &["/nonexistent"])?, b"", LIMIT)?;
    let is_said = String::from_utf8_lossy(&nobody.stderr).contains("no socket /nonexistent");
    let is_right = is_said && nobody.end == End::Exited(exit::NOT_FOUND.into());
    if is_right { Ok(()) } else { Err(compare::describe(&nobody)) }
}

/// On a terminal, which is as it was afterwards.
fn on_a_terminal(context: &Context, socket: &Path) -> Result<(), String> {
    let mut outer = Command::new("busybox");
    outer.args(["sh", "-c", "\"$@\"; echo status $?; stty -a; exit 6", "sh"]);
    let inner = top(context, &[&socket.to_string_lossy()])?;
    outer.arg(inner.get_program()).args(inner.get_args()).env("TERM", "xterm");
    let mut terminal = Session::start(outer, 24, 80, LIMIT)?;
    terminal.expect("\x1b[?1049h")?;
    terminal.expect("SYSTEM CALL")?;
    terminal.expect("getppid")?;
    terminal.send("h")?;
    terminal.expect("quit")?;
    terminal.resize(20, 40)?;
    terminal.send("x")?;
    terminal.expect("THREAD")?;
    terminal.send("q")?;
    terminal.expect("\x1b[?1049l")?;
    terminal.expect("status 0\r\n")?;
    for setting in ["brkint", "icrnl", "opost", "isig", "icanon", " echo "] {
        terminal.expect(setting)?;
    }
    terminal.ends_with(6)
}

fn watched(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let socket = folder.path().join("live");
    let boot = Boot::linux(&context.build, &programs::image(&context.build)?)?.timeout(2 * LIMIT);
    let boot = boot.with(&[&format!("--live={}", socket.display())]).program(&[PROGRAM, "1000"]);
    let machine = process::start(boot.command(), b"")?;
    check(&whole_second(&socket)?)?;
    as_text(context, &socket)?;
    on_a_terminal(context, &socket)?;
    // The machine's end is ours.
    let mut terminal = Session::start(top(context, &[&socket.to_string_lossy()])?, 24, 80, LIMIT)?;
    terminal.expect("THREAD")?;
    machine.signal(Signal::TERM);
    terminal.expect("\x1b[?1049l")?;
    terminal.expect("machine was ended by signal 15")?;
    terminal.ends_with(0)?;
    let outcome = machine.finish(LIMIT)?;
    let is_gone = !socket.exists() && outcome.end == End::Signal(15) && outcome.stderr.is_empty();
    if is_gone { Ok(()) } else { Err(compare::describe(&outcome)) }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![on_kvm("live::watched", context, watched)]
}
