//! Runs a command with a deadline and collects what it says.
//!
//! The command gets a process group of its own, so that the deadline ends its children too (the lab's QEMU is one).

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Output beyond this many bytes is not kept: a guest gone mad must not fill the machine's memory.
const OUTPUT_LIMIT: u64 = 64 << 20;

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

/// The command as somebody would type it.
pub fn command_line(command: &Command) -> String {
    let quote = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word.into_owned()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).map(quote).collect();
    words.join(" ")
}

/// Runs `command` with `stdin` as its input, for `timeout` at most.
pub fn run(mut command: Command, stdin: &[u8], timeout: Duration) -> Result<Outcome, String> {
    let text = command_line(&command);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|e| format!("cannot run {text}: {e}"))?;
    let mut to_child = child.stdin.take().expect("stdin is a pipe");
    let input = stdin.to_vec();
    // A program that does not read its input closes the pipe: that is no error.
    thread::spawn(move || drop(to_child.write_all(&input)));
    let stdout = collect(child.stdout.take().expect("stdout is a pipe"));
    let stderr = collect(child.stderr.take().expect("stderr is a pipe"));
    let end = wait(&mut child, timeout).map_err(|e| format!("cannot wait for {text}: {e}"))?;
    let join = |reader: thread::JoinHandle<Vec<u8>>| reader.join().expect("a reader does not panic");
    Ok(Outcome { end, stdout: join(stdout), stderr: join(stderr) })
}

fn collect(stream: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut stream = stream.take(OUTPUT_LIMIT);
        // An error ends the output as the end of file does; the status tells the rest.
        drop(stream.read_to_end(&mut bytes));
        drop(std::io::copy(&mut stream.into_inner(), &mut std::io::sink()));
        bytes
    })
}

/// Waits until the child has ended or the deadline has passed; then nothing of its process group is left.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<End> {
    let deadline = Instant::now() + timeout;
    let end = loop {
        if let Some(status) = child.try_wait()? {
            break status.into();
        }
        if Instant::now() >= deadline {
            break End::TimedOut;
        }
        thread::sleep(Duration::from_millis(5));
    };
    if let Some(group) = rustix::process::Pid::from_raw(child.id() as i32) {
        // Fails if nobody is left in the group, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    if end == End::TimedOut {
        child.wait()?;
    }
    Ok(end)
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
    fn says_what_could_not_be_run() {
        let error = run(Command::new("/nonexistent/program"), b"", Duration::from_secs(1)).unwrap_err();
        assert!(error.contains("/nonexistent/program"), "{error}");
    }

    #[test]
    fn command_lines_are_quoted() {
        let mut command = sh("it's");
        command.arg("");
        assert_eq!(command_line(&command), r"sh -c 'it'\''s' ''");
    }
}
