//! Runs GDB in batch mode.

use super::machine::Guest;
use super::session::{SOCKET, Session, Step};
use crate::process::{self, Running};
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long a session may take, the guest's run included.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How long GDB may go on alone: it has things to print.
const GRACE: Duration = Duration::from_secs(3);
/// Separates what commands print. ASCII has a character for it.
const SEPARATOR: char = '\u{1e}';

/// What is set before the first command: nothing of the person's whose machine this is, nothing that differs from machine to machine.
const SETTINGS: &[&str] = &[
    "set width 0",
    "set height 0",
    "set confirm off",
    "set style enabled off",
    "set debuginfod enabled off",
    "set filename-display basename",
    // The machine is slow in the lab, and this one may have other things to do.
    "set remotetimeout 10",
    "set print thread-events off",
    "set print inferior-events off",
];

/// What is typed, and at whom.
pub struct Visit<'a> {
    /// How GDB is started, and what it opens.
    pub gdb: Vec<String>,
    /// What the guest has to have said before.
    pub after: Option<&'a str>,
    pub steps: &'a [Step],
}

impl<'a> Visit<'a> {
    /// To the guest.
    pub fn of(session: &'a Session) -> Self {
        Self { gdb: vec!["gdb".to_owned()], after: session.after.as_deref(), steps: &session.steps }
    }

    /// To its core.
    pub fn after(session: &'a Session, gdb: &[&str]) -> Self {
        let gdb = gdb.iter().map(|&word| word.to_owned()).collect();
        Self { gdb, after: None, steps: &session.autopsy }
    }
}

/// Gives commands to GDB, and returns what it printed, a command each. `SOCKET` in a command is where the guest's is, `BUILD` the folder of
/// the build.
pub fn run(visit: &Visit<'_>, guest: &Guest, build: &Path) -> Result<Vec<String>, String> {
    if visit.steps.is_empty() {
        return Ok(Vec::new());
    }
    let deadline = Instant::now() + LIMIT;
    if let Some(text) = visit.after {
        guest.wait(0, text, deadline)?;
    }
    let input: String =
        visit.steps.iter().flat_map(|step| &step.input).map(|line| format!("{line}\n")).collect();
    let mut gdb = process::start(command(visit, guest, build), input.as_bytes())?;
    let interrupted = interrupt(visit, guest, &gdb, deadline);
    let left_alone = wait(&mut gdb, guest, deadline);
    let outcome = gdb.finish(if left_alone { GRACE } else { process::NAP })?;
    let text = String::from_utf8_lossy(&outcome.stdout);
    let outputs = text.split(SEPARATOR).skip(1).map(str::to_owned).collect();
    match (interrupted, outcome.end) {
        (Ok(()), process::End::Exited(_)) => Ok(outputs),
        (Ok(()), process::End::TimedOut) if left_alone => Ok(outputs),
        (Ok(()), end) => Err(format!("gdb: {end}; it printed:\n{text}")),
        (Err(error), _) => Err(format!("{error}; gdb printed:\n{text}")),
    }
}

/// Waits for GDB's end. Returns whether the guest has ended before it, and GDB does not see that.
fn wait(gdb: &mut Running, guest: &Guest, deadline: Instant) -> bool {
    let has_ended = |mark: &String| guest.wait(0, mark, Instant::now()).is_ok();
    while !gdb.has_ended() && Instant::now() < deadline {
        if guest.end_mark.as_ref().is_some_and(has_ended) {
            return true;
        }
        std::thread::sleep(process::NAP);
    }
    false
}

/// Presses Ctrl-C where the session says so.
fn interrupt(visit: &Visit<'_>, guest: &Guest, gdb: &Running, deadline: Instant) -> Result<(), String> {
    for (number, step) in visit.steps.iter().enumerate() {
        let Some(text) = &step.interrupt else { continue };
        let begun = |said: &[u8]| {
            (said.iter().filter(|&&byte| byte == SEPARATOR as u8).count() > number).then_some(())
        };
        gdb.stdout
            .wait(0, deadline, begun)
            .ok_or_else(|| format!("gdb did not come to `{}`", step.command))?;
        guest.wait(guest.output.length(), text, deadline)?;
        gdb.signal(Signal::INT);
    }
    Ok(())
}

/// What GDB says on standard error belongs between what it prints.
fn command(visit: &Visit<'_>, guest: &Guest, build: &Path) -> Command {
    let mut gdb = Command::new("sh");
    // When it fails itself, it would leave a core of its own here.
    gdb.args(["-c", r#"ulimit -c 0; exec "$@" 2>&1"#, "sh"]).args(&visit.gdb).args(["-nx", "-batch"]);
    gdb.env("LC_ALL", "C").env_remove("GDB");
    for setting in SETTINGS {
        gdb.args(["-iex", setting]);
    }
    if let Some(files) = &guest.files {
        gdb.arg("-iex").arg(format!("set sysroot {}", files.display()));
    }
    // Before what it opens, which is seen by it.
    gdb.arg("-ix").arg(build.join("ukvmm-gdb.py"));
    let mut sockets = guest.sockets.iter();
    for step in visit.steps {
        let mut command = step.command.replace("BUILD", &build.to_string_lossy());
        if command.contains(SOCKET) {
            let socket = sockets.next().map(|socket| socket.to_string_lossy());
            command = command.replace(SOCKET, &socket.unwrap_or_default());
        }
        // An argument a command: an error ends a file of commands, but not the next argument.
        gdb.args(["-ex", r"echo \036", "-ex", &command]);
    }
    gdb
}
