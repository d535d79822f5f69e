//! `ukvmm --accel lab`: the same command line in the lab, with the world of this machine around it.

use crate::trials::{Context, plain};
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{self, End};
use guest_tests::terminal::Session;
use libtest_mimic::Trial;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use vmm_abi::exit;

/// A lab takes some 10 s to start, and longer beside others.
const LIMIT: Duration = Duration::from_secs(300);
const ROWS: u16 = 33;
const COLS: u16 = 77;
const PROMPT: &str = "guest> ";
/// Behind which the address for debuggers is said.
const COME: &str = "target remote ";

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("lab::accel::streams".to_owned(), context, streams),
        plain("lab::accel::terminal".to_owned(), context, terminal),
        plain("lab::accel::evidence".to_owned(), context, evidence),
    ]
}

fn boot(context: &Context) -> Result<Boot, String> {
    Ok(Boot::linux(&context.build, &context.build.initrd()?)?.with(&["--accel", "lab", "--timeout", "60"]))
}

/// Input and both outputs are what they are on KVM, byte for byte; so is the status; and a file that `ukvmm` writes comes back. A debugger comes by TCP, for
/// whom the guest waits.
fn streams(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let profile = folder.path().join("profile.txt");
    let option = profile.display().to_string();
    let input: Vec<u8> = (0..100_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    let boot = boot(context)?.with(&["--profile", &option, "--gdb", "tcp:0,wait=on"]);
    let boot = boot.program(&["/bin/sh", "-c", "test -t 0 || cat; date +%s >&2; exit 7"]);
    let running = process::start(boot.command(), &input)?;
    let address = running.stderr.wait(0, Instant::now() + LIMIT, announced).ok_or("no debugger may come")?;
    let (debugged, outcome) = (debug(&address, "vCPU 0"), running.finish(LIMIT)?);
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    let clock = stderr.split_once('\n').and_then(|(_, told)| told.strip_suffix('\n')?.parse().ok());
    if outcome.end != End::Exited(7) || !clock.is_some_and(is_about_now) {
        return Err(format!("{}; standard error: {stderr}\n{debugged:?}", outcome.end));
    }
    debugged?;
    if outcome.stdout != input {
        return Err(format!("{} bytes came back of {}, or others", outcome.stdout.len(), input.len()));
    }
    let profile = std::fs::read_to_string(&profile).map_err(|error| format!("the profile: {error}"))?;
    if profile.contains("write") { Ok(()) } else { Err(format!("no profile: {profile}")) }
}

/// What a guest that dies leaves behind comes back: it has too little memory for its Linux server.
fn evidence(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let path = |name: &str| folder.path().join(name);
    let [core, crashes, junit] =
        ["core", "crashes", "junit.xml"].map(|name| path(name).display().to_string());
    let words = ["--memory", "40M", "--core", &core, "--crash-dir", &crashes, "--junit", &junit];
    let outcome = process::run(boot(context)?.with(&words).program(&["/bin/true"]).command(), b"", LIMIT)?;
    if outcome.end != End::Exited(exit::KERNEL_PANIC.into()) {
        return Err(compare::describe(&outcome));
    }
    let read = |path: &Path| fs::read(path).map_err(|error| format!("{}: {error}", path.display()));
    let crash = fs::read_dir(&crashes).ok().and_then(|mut all| Some(all.next()?.ok()?.path()));
    let crash = crash.ok_or("there is no folder of the crash")?;
    let expected: [(PathBuf, &[u8]); 4] = [
        (path("core"), b"\x7fELF"),
        (path("junit.xml"), b"<?xml"),
        (crash.join("core.elf"), b"\x7fELF"),
        (crash.join("manifest.json"), b"{"),
    ];
    for (path, begin) in expected {
        if !read(&path)?.starts_with(begin) {
            return Err(format!("{} is not what it should be", path.display()));
        }
    }
    // With the guest's memory, though nearly all of it is zeros that were not sent.
    let same = read(&path("core"))?.len() == read(&crash.join("core.elf"))?.len();
    let large = fs::metadata(path("core")).is_ok_and(|core| core.len() > 40 << 20);
    if same && large { Ok(()) } else { Err("a core lacks memory".to_owned()) }
}

/// Whether the guest's clock goes right, or nearly: it takes its time from the lab, which is slow where much else is done.
fn is_about_now(seconds: u64) -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs().abs_diff(seconds) < LIMIT.as_secs()
}

/// Where a debugger may come.
fn announced(said: &[u8]) -> Option<String> {
    let (line, _) = str::from_utf8(said).ok()?.split_once('\n')?;
    let (_, address) = line.split_once(COME)?;
    Some(address.split(';').next().unwrap_or(address).to_owned())
}

/// GDB comes, sees this among the guest's threads, and leaves.
fn debug(address: &str, thread: &str) -> Result<(), String> {
    let mut gdb = Command::new("gdb");
    gdb.args(["-nx", "-batch", "-iex", "set remotetimeout 60", "-iex", "set debuginfod enabled off"]);
    // To read files with symbols out of the lab takes long.
    gdb.args(["-iex", "set sysroot /nonexistent", "-ex", &format!("{COME}{address}")]);
    gdb.args(["-ex", "info threads", "-ex", "detach"]).env("LC_ALL", "C").env_remove("GDB");
    let outcome = process::run(gdb, b"", LIMIT)?;
    let seen = String::from_utf8_lossy(&outcome.stdout).contains(thread);
    if seen && outcome.end == End::Exited(0) { Ok(()) } else { Err(compare::describe(&outcome)) }
}

/// What `ukvmm ctl` says about a machine.
fn ctl(context: &Context, socket: &str, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(context.build.ukvmm()?);
    command.args(["ctl", socket]).args(words);
    let outcome = process::run(command, b"", LIMIT)?;
    match outcome.end {
        End::Exited(0) => Ok(String::from_utf8_lossy(&outcome.stdout).into_owned()),
        _ => Err(compare::describe(&outcome)),
    }
}

/// Debuggers, one after the other, and `ukvmm ctl` and `ukvmm top` come in by sockets.
fn visitors(context: &Context, folder: &Path) -> Result<(), String> {
    let socket = |name: &str| folder.join(name).display().to_string();
    debug(&socket("gdb"), "sigma0")?;
    for (word, state) in [("pause", "paused"), ("resume", "running")] {
        ctl(context, &socket("control"), &[word])?;
        let status = ctl(context, &socket("control"), &["status"])?;
        if !status.starts_with(state) {
            return Err(format!("after {word}: {status}"));
        }
    }
    debug(&socket("gdb"), "sigma0")?;
    let mut top = Command::new(context.build.ukvmm()?);
    top.args(["top", "--once", &socket("live")]);
    let outcome = process::run(top, b"", LIMIT)?;
    let seen = String::from_utf8_lossy(&outcome.stdout).contains("linux");
    if seen { Ok(()) } else { Err(compare::describe(&outcome)) }
}

/// A shell on a terminal: size, Ctrl-C, and the keys by which one leaves. Meanwhile there are visitors.
fn terminal(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let [gdb, control, live] = [("--gdb=unix:", "gdb"), ("--control=", "control"), ("--live=", "live")]
        .map(|(option, name)| format!("{option}{}", folder.path().join(name).display()));
    let boot = boot(context)?.with(&["--env", "PS1=guest> ", &gdb, &control, &live]);
    let mut command = boot.command();
    command.env("TERM", "xterm");
    let mut shell = Session::start(command, ROWS, COLS, LIMIT)?;
    shell.expect(PROMPT)?;
    visitors(context, folder.path())?;
    shell.send("test -t 0 && test -t 1 && test -t 2 && stty size\r")?;
    shell.expect(&format!("\n{ROWS} {COLS}\r\n"))?;
    shell.expect(PROMPT)?;
    shell.send("echo begun; sleep 100\r")?;
    shell.expect("\nbegun\r\n")?;
    shell.send("\x03")?;
    shell.expect("^C")?;
    shell.expect(PROMPT)?;
    shell.resize(ROWS + 1, COLS + 2)?;
    // It takes its way to the guest meanwhile.
    shell.send("until test \"$(stty size)\" != '33 77'; do :; done; stty size\r")?;
    shell.expect(&format!("\n{} {}\r\n", ROWS + 1, COLS + 2))?;
    shell.expect(PROMPT)?;
    shell.send("\x01x")?;
    shell.ends_with(0)
}
