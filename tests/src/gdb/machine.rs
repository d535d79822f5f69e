//! A guest with a debugger's socket.

use super::client::{self, Visit};
use super::session::{Opener, SOCKET, Seen, Session};
use crate::build::Build;
use crate::process::{self, End, Outcome};
use crate::programs;
use crate::stream::Stream;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// Stands for the guest's core on a command line.
const CORE: &str = "CORE";

/// What a session has to know of the guest.
pub struct Guest {
    /// Where GDB connects to, each time that it does.
    pub sockets: Vec<PathBuf>,
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

/// The arguments of `ukvmm`, with the files of this build, the debugger at `socket`, and the guest's core beside that.
pub fn words(session: &Session, build: &Build, socket: &str) -> Result<Vec<String>, String> {
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let mut words = vec!["--kernel".to_owned(), text(build.kernel()?)];
    words.extend(["--initrd".to_owned(), text(programs::debug_image(build)?)]);
    let named = |word: &String| if word == CORE { core(socket) } else { word.replace(SOCKET, socket) };
    words.extend(session.guest.iter().map(named));
    Ok(words)
}

/// Where the core goes of a guest with the debugger at `socket`.
pub fn core(socket: &str) -> String {
    format!("{socket}.core")
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
    let name = socket.to_string_lossy();
    let ukvmm = build.ukvmm()?;
    let mut command = Command::new(&ukvmm);
    command.args(words(session, build, &name)?);
    let mut running = process::start(command, b"")?;
    let deadline = Instant::now() + client::LIMIT;
    while !socket.exists() && !running.has_ended() && Instant::now() < deadline {
        std::thread::sleep(process::NAP);
    }
    let output = running.stdout.clone();
    let sockets = vec![socket.clone(); session.connections()];
    let guest = Guest { sockets, output, begin: 0, files: None, end_mark: None };
    let outputs = client::run(&Visit::of(session), &guest, &build.path(""));
    let outcome = running.finish(if outputs.is_ok() { client::LIMIT } else { process::NAP })?;
    let end = end(&outcome);
    let outputs = outputs.map_err(|e| format!("{e}\nthe guest:\n{end}"))?;
    let (core, kernel) = (core(&name), build.kernel()?);
    let opener: [&str; 3] = match session.opener {
        Opener::Ukvmm => [&ukvmm.to_string_lossy(), "gdb-core", &core],
        Opener::Gdb => ["gdb", &kernel.to_string_lossy(), &core],
    };
    let autopsy = client::run(&Visit::after(session, &opener), &guest, &build.path(""))?;
    session.check(&Seen { outputs, end, autopsy })
}
