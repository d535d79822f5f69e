//! Runs a command with a deadline and collects what it says.
//!
//! The command gets a process group of its own, so that the deadline ends its children too (the lab's QEMU is one).

use crate::stream::Stream;
use lab::process::show;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether a command has ended.
pub const NAP: Duration = Duration::from_millis(5);

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(i32),
    Signal(i32),
    /// The deadline passed and it was killed.
    TimedOut,
}

/// What a command said and how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    pub end: End,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
            Self::TimedOut => write!(f, "killed at the deadline"),
        }
    }
}

impl From<ExitStatus> for End {
    fn from(status: ExitStatus) -> Self {
        match status.code() {
            Some(code) => Self::Exited(code),
            None => Self::Signal(status.signal().unwrap_or(0)),
        }
    }
}

/// Runs `command` with `stdin` as its input, for `timeout` at most.
pub fn run(command: Command, stdin: &[u8], timeout: Duration) -> Result<Outcome, String> {
    start(command, stdin)?.finish(timeout)
}

/// Starts `command` with `stdin` as its input.
pub fn start(mut command: Command, stdin: &[u8]) -> Result<Running, String> {
    let text = show(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|e| format!("cannot run {text}: {e}"))?;
    let mut to_child = child.stdin.take().expect("stdin is a pipe");
    let input = stdin.to_vec();
    // A program that does not read its input closes the pipe: that is no error.
    thread::spawn(move || drop(to_child.write_all(&input)));
    let stdout = Stream::collect(child.stdout.take().expect("stdout is a pipe"));
    let stderr = Stream::collect(child.stderr.take().expect("stderr is a pipe"));
    Ok(Running { child, text, is_gone: false, stdout, stderr })
}

/// A command that runs. It is ended, with all of its process group, when this is dropped.
pub struct Running {
    child: Child,
    text: String,
    /// Nobody has its number any more, or somebody else.
    is_gone: bool,
    pub stdout: Stream,
    pub stderr: Stream,
}

impl Running {
    pub fn signal(&self, signal: Signal) {
        if let Some(pid) = Pid::from_raw(self.child.id() as i32) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, signal);
        }
    }

    pub fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until it has ended, or ends it when the time is over; then nothing of its process group is left.
    pub fn finish(mut self, timeout: Duration) -> Result<Outcome, String> {
        let deadline = Instant::now() + timeout;
        let end = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status.into(),
                Ok(None) if Instant::now() >= deadline => break End::TimedOut,
                Ok(None) => thread::sleep(NAP),
                Err(e) => return Err(format!("cannot wait for {}: {e}", self.text)),
            }
        };
        self.kill_group();
        Ok(Outcome { end, stdout: self.stdout.whole(), stderr: self.stderr.whole() })
    }

    fn kill_group(&mut self) {
        if std::mem::replace(&mut self.is_gone, true) {
            return;
        }
        if let Some(group) = Pid::from_raw(self.child.id() as i32) {
            // Fails if nobody is left in the group, which is what is wanted.
            let _ = kill_process_group(group, Signal::KILL);
        }
        drop(self.child.wait());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_group();
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
    fn collects_both_streams_and_the_status() {
        let outcome = run(sh("cat; echo err >&2; exit 7"), b"in", Duration::from_secs(10)).unwrap();
        assert_eq!(
            outcome,
            Outcome { end: End::Exited(7), stdout: b"in".to_vec(), stderr: b"err\n".to_vec() }
        );
    }

    #[test]
    fn the_deadline_ends_children_that_hold_the_output_open() {
        let start = Instant::now();
        let outcome = run(sh("echo begin; sleep 100 & wait"), b"", Duration::from_millis(200)).unwrap();
        assert_eq!(outcome.end, End::TimedOut);
        assert_eq!(outcome.stdout, b"begin\n");
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn what_is_said_can_be_waited_for() {
        let running = start(sh("echo one; read -r line; echo two; sleep 100"), b"\n").unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let two = |bytes: &[u8]| bytes.windows(3).position(|window| window == b"two");
        assert_eq!(running.stdout.wait(0, deadline, two), Some(4));
        assert_eq!(running.stdout.wait(3, deadline, two), Some(1));
        assert_eq!(running.stdout.wait(5, Instant::now(), two), None);
        running.signal(Signal::TERM);
        assert_eq!(running.finish(Duration::from_secs(10)).unwrap().end, End::Signal(15));
    }

    #[test]
    fn says_what_could_not_be_run() {
        let error = run(Command::new("/nonexistent/program"), b"", Duration::from_secs(1)).unwrap_err();
        assert!(error.contains("/nonexistent/program"), "{error}");
    }
}
