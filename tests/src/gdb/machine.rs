//! A guest with a debugger's socket.

use super::client;
use super::session::{Seen, Session};
use crate::build::Build;
use crate::process::{self, End, Outcome};
use crate::programs;
use crate::stream::Stream;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// What a session has to know of the guest.
pub struct Guest {
    /// Where GDB connects to.
    pub socket: PathBuf,
    /// What the guest prints, with what others printed before it.
    pub output: Stream,
    /// Where in it the guest's own begins.
    pub begin: usize,
    /// A folder in which GDB finds the files of the guest, if it is not to get them from there.
    pub files: Option<PathBuf>,
    /// What is printed when the guest has ended, where that does not end GDB's connection.
    pub end_mark: Option<String>,
}

impl Guest {
    /// Waits until the guest has said `text`, from `start` on.
    pub fn wait(&self, start: usize, text: &str, deadline: Instant) -> Result<(), String> {
        let find =
            |said: &[u8]| said.windows(text.len()).any(|window| window == text.as_bytes()).then_some(());
        let found = self.output.wait(start.max(self.begin), deadline, find);
        found.ok_or_else(|| format!("the guest did not say {text:?}"))
    }
}

/// The arguments of `ukvmm`, with the files of this build and the debugger at `socket`.
pub fn words(session: &Session, build: &Build, socket: &str) -> Result<Vec<String>, String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut words = vec!["--kernel".to_owned(), text(build.kernel()?)];
    words.extend(["--initrd".to_owned(), text(programs::debug_image(build)?)]);
    words.extend(session.guest.iter().map(|word| word.replace("SOCKET", socket)));
    Ok(words)
}

/// What the guest has printed, and its exit status in the last line. Not that it can be debugged, which `ukvmm` says at the beginning.
pub fn end(outcome: &Outcome) -> String {
    const NOISE: &str = "ukvmm: warning: a debugger can come to ";
    let mut text = String::from_utf8_lossy(&outcome.stdout).into_owned();
    let errors = String::from_utf8_lossy(&outcome.stderr);
    text.extend(errors.split_inclusive('\n').filter(|line| !line.starts_with(NOISE)));
    let _ = match outcome.end {
        End::Exited(status) => writeln!(text, "{status}"),
        other => writeln!(text, "{other}"),
    };
    text
}

/// Runs a session on this machine's KVM.
pub fn run_here(session: &Session, build: &Build) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let socket = folder.path().join("gdb");
    let mut command = Command::new(build.ukvmm()?);
    command.args(words(session, build, &socket.to_string_lossy())?);
    let mut ukvmm = process::start(command, b"")?;
    let has_socket = |ukvmm: &mut process::Running| {
        let deadline = Instant::now() + client::LIMIT;
        while !socket.exists() && !ukvmm.has_ended() && Instant::now() < deadline {
            std::thread::sleep(process::NAP);
        }
    };
    has_socket(&mut ukvmm);
    let guest =
        Guest { socket: socket.clone(), output: ukvmm.stdout.clone(), begin: 0, files: None, end_mark: None };
    let outputs = client::run(session, &guest, &build.path(""));
    let outcome = ukvmm.finish(if outputs.is_ok() { client::LIMIT } else { process::NAP })?;
    let end = end(&outcome);
    let outputs = outputs.map_err(|e| format!("{e}\nthe guest:\n{end}"))?;
    session.check(&Seen { outputs, end })
}
