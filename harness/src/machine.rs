//! A machine that runs, and its limits.
//!
//! The guest's own limit is `ukvmm --timeout`, which leaves evidence behind. Should `ukvmm` itself not come to an end, it is ended from
//! here, with all that it has started.

use crate::bundle::Bundle;
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::{self, OpenOptions};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How much longer than the guest `ukvmm` may take: in the lab (`UKVMM_ACCEL`) the machine around it has to start first.
const GRACE: Duration = Duration::from_secs(180);
/// Between SIGTERM, by which everything is put in order, and SIGKILL.
const LAST_GRACE: Duration = Duration::from_secs(5);
/// How often it is looked whether it has ended.
const NAP: Duration = Duration::from_millis(10);

/// How `ukvmm` has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    Exited(u8),
    Signal(i32),
    /// It was ended from here.
    Killed,
}

/// What a machine has come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    pub end: End,
    /// What guest and `ukvmm` have printed, in the order in which they did.
    pub output: String,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "an end by signal {signal}"),
            Self::Killed => write!(f, "no end at all: ukvmm itself was killed"),
        }
    }
}

/// Runs a command line of `ukvmm` whose guest may take `limit`. What it prints goes into `bundle`.
pub fn run(mut command: Command, limit: Duration, bundle: &Bundle) -> Result<Outcome, String> {
    let path = bundle.console();
    let cannot = |error| format!("cannot write {}: {error}", path.display());
    // Both streams append to one file, so that they stand in it in order.
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(cannot)?;
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(cannot)?).stderr(log).process_group(0);
    let mut child = command.spawn().map_err(|error| format!("cannot start ukvmm: {error}"))?;
    let end = match wait(&mut child, limit + GRACE)? {
        Some(end) => end,
        None => {
            signal(&child, Signal::TERM);
            wait(&mut child, LAST_GRACE)?;
            signal(&child, Signal::KILL);
            child.wait().map_err(|error| error.to_string())?;
            End::Killed
        }
    };
    let output = fs::read(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    Ok(Outcome { end, output: String::from_utf8_lossy(&output).into_owned() })
}

/// Waits for the end, but not for longer than this.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<End>, String> {
    let deadline = Instant::now() + limit;
    loop {
        match child.try_wait().map_err(|error| format!("cannot wait for ukvmm: {error}"))? {
            Some(status) => {
                let code = status.code().map(|code| End::Exited(code as u8));
                return Ok(Some(code.unwrap_or_else(|| End::Signal(status.signal().unwrap_or(0)))));
            }
            None if Instant::now() >= deadline => return Ok(None),
            None => std::thread::sleep(NAP),
        }
    }
}

/// To `ukvmm` and all that it has started.
fn signal(child: &Child, signal: Signal) {
    if let Some(group) = Pid::from_raw(child.id() as i32) {
        // Nobody may be left in the group.
        let _ = kill_process_group(group, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_come_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let bundle = Bundle::new(folder.path(), "t").unwrap();
        let outcome = run(sh("echo a; echo b >&2; echo c; exit 7"), Duration::ZERO, &bundle).unwrap();
        assert_eq!(outcome, Outcome { end: End::Exited(7), output: "a\nb\nc\n".into() });
        let outcome = run(sh("kill -9 $$"), Duration::ZERO, &bundle).unwrap();
        assert_eq!(outcome.end, End::Signal(9));
    }

    #[test]
    fn a_wait_ends() {
        let mut child = sh("sleep 100").process_group(0).spawn().unwrap();
        assert_eq!(wait(&mut child, Duration::ZERO), Ok(None));
        signal(&child, Signal::KILL);
        assert_eq!(wait(&mut child, GRACE), Ok(Some(End::Signal(9))));
    }
}
