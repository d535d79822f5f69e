//! What the machine's monitor says, in docs/debugging.md: a guest is started, gdb comes, and each command is given once.

use super::figures::SOCKET;
use crate::commands::bench::inset;
use crate::{paths, setup};
use anyhow::{Context, Result, bail, ensure};
use lab::process;
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Separates what commands print.
const SEPARATOR: char = '\u{1e}';
const SEPARATE: &str = r"echo \036";
const LIMIT: &str = "60";
/// What the guest runs: two processes, a pipe between them, and a word when both are there.
const PROGRAM: &str = "{ echo ready >&2; sleep 1000; } | cat";

/// The commands, but for `help`, which begins.
const COMMANDS: [&str; 14] = [
    "tasks",
    "threads",
    "ipc",
    "space console",
    "mappings 5 0x400000",
    "irqs",
    "caps",
    "trace",
    "exits",
    "tsc",
    "linux ps",
    "linux fds 1",
    "linux maps 1",
    "kill-server console",
];

/// The part, in Markdown: what commands there are, and what each says. `None` where there is no KVM.
pub fn transcripts(folder: &Path, initrd: &Path) -> Result<Option<String>> {
    if fs::File::options().read(true).write(true).open("/dev/kvm").is_err() {
        eprintln!("==> the monitor says nothing without /dev/kvm");
        return Ok(None);
    }
    setup::for_debugging()?;
    process::step("this machine: what the monitor says", || render(&said(folder, initrd)?)).map(Some)
}

/// What gdb has printed for `help` and each of [`COMMANDS`].
fn said(folder: &Path, initrd: &Path) -> Result<Vec<String>> {
    let mut guest = guest(folder, initrd)?;
    let text = until_ready(&mut guest).and_then(|()| process::text(&mut gdb(folder)));
    guest.kill()?;
    guest.wait()?;
    let mut parts: Vec<_> = text?.split(SEPARATOR).skip(1).map(|part| part.trim_end().to_owned()).collect();
    // What gdb says when it leaves.
    parts.pop();
    ensure!(parts.len() == COMMANDS.len() + 1, "gdb did not come to its end: {parts:?}");
    ensure!(
        parts.iter().all(|part| !part.is_empty()),
        "the monitor says nothing to some commands: {parts:?}"
    );
    Ok(parts)
}

fn guest(folder: &Path, initrd: &Path) -> Result<Child> {
    let build = paths::absolute(&paths::build())?;
    let mut ukvmm = Command::new(build.join("ukvmm"));
    ukvmm.arg("--kernel").arg(build.join("guest.elf")).args(["--servers", "linux", "--initrd"]).arg(initrd);
    ukvmm.args(["--timeout", LIMIT, "--gdb", &format!("unix:{SOCKET}")]);
    ukvmm.args(["--", "/bin/sh", "-c", PROGRAM]).current_dir(folder);
    ukvmm
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start ukvmm")
}

fn until_ready(guest: &mut Child) -> Result<()> {
    let errors = guest.stderr.as_mut().context("stderr is a pipe")?;
    let mut said = Vec::new();
    while !said.ends_with(b"ready\n") {
        let mut byte = [0];
        if errors.read(&mut byte)? == 0 {
            bail!("the guest ended too soon:\n{}", String::from_utf8_lossy(&said));
        }
        said.push(byte[0]);
    }
    Ok(())
}

/// The monitor's answers come out of gdb's standard error.
fn gdb(folder: &Path) -> Command {
    let mut gdb = Command::new("timeout");
    gdb.args([LIMIT, "sh", "-c", r#"exec gdb "$@" 2>&1"#, "sh", "-nx", "-batch"]).current_dir(folder);
    gdb.args(["-iex", "set width 0", "-iex", "set debuginfod enabled off"]);
    gdb.arg("-ex").arg(format!("target extended-remote {SOCKET}"));
    for command in ["help"].iter().chain(&COMMANDS) {
        gdb.args(["-ex", SEPARATE, "-ex", &format!("monitor {command}")]);
    }
    gdb.args(["-ex", SEPARATE]);
    gdb
}

fn render(said: &[String]) -> Result<String> {
    let (help, said) = said.split_first().context("nothing was said")?;
    let mut out = String::from("\n| command | |\n|---|---|\n");
    for line in help.lines() {
        let (command, about) =
            line.split_once("  ").with_context(|| format!("no command and its use: {line:?}"))?;
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{command}` | {} |", about.trim_start());
    }
    out += "\n```text\n";
    for (command, said) in COMMANDS.iter().zip(said) {
        let _ = writeln!(out, "(gdb) monitor {command}\n{said}\n");
    }
    out.truncate(out.trim_end().len());
    Ok(out + "\n```\n\n")
}

/// Puts the part into the page.
pub fn write(text: &str) -> Result<()> {
    inset::write("docs/debugging.md", "debugger", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_what_they_say_are_shown() {
        let mut said = vec!["monitor tasks              tasks: who made them\n".to_owned()];
        said.extend(COMMANDS.map(|command| format!("about {command}")));
        let text = render(&said).unwrap();
        assert!(text.contains("| `monitor tasks` | tasks: who made them |\n"), "{text}");
        assert!(text.contains("(gdb) monitor tsc\nabout tsc\n\n(gdb) "), "{text}");
        assert!(text.ends_with("about kill-server console\n```\n\n"), "{text}");
    }
}
