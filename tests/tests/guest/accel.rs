//! `ukvmm --accel lab`: the same command line in the lab, with the world of this machine around it.

use crate::trials::{Context, plain};
use guest_tests::guest::Boot;
use guest_tests::process::{self, End};
use guest_tests::terminal::Session;
use libtest_mimic::Trial;
use std::sync::Arc;
use std::time::Duration;

/// A lab takes some 10 s to start, and longer beside others.
const LIMIT: Duration = Duration::from_secs(300);
const ROWS: u16 = 33;
const COLS: u16 = 77;
const PROMPT: &str = "guest> ";

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("lab::accel::streams".to_owned(), context, streams),
        plain("lab::accel::terminal".to_owned(), context, terminal),
    ]
}

fn boot(context: &Context) -> Result<Boot, String> {
    Ok(Boot::linux(&context.build, &context.build.initrd()?)?.with(&["--accel", "lab", "--timeout", "60"]))
}

/// Input and both outputs are what they are on KVM, byte for byte; so is the status; and a file that `ukvmm` writes comes back.
fn streams(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let profile = folder.path().join("profile.txt");
    let option = profile.display().to_string();
    let input: Vec<u8> = (0..100_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    let boot = boot(context)?.with(&["--profile", &option]);
    let boot = boot.program(&["/bin/sh", "-c", "test -t 0 || cat; echo told >&2; exit 7"]);
    let outcome = process::run(boot.command(), &input, LIMIT)?;
    let stderr = String::from_utf8_lossy(&outcome.stderr);
    if outcome.end != End::Exited(7) || stderr != "told\n" {
        return Err(format!("{}; standard error: {stderr}", outcome.end));
    }
    if outcome.stdout != input {
        return Err(format!("{} bytes came back of {}, or others", outcome.stdout.len(), input.len()));
    }
    let profile = std::fs::read_to_string(&profile).map_err(|error| format!("the profile: {error}"))?;
    if profile.contains("write") { Ok(()) } else { Err(format!("no profile: {profile}")) }
}

/// A shell on a terminal: size, Ctrl-C, and the keys by which one leaves.
fn terminal(context: &Context) -> Result<(), String> {
    let boot = boot(context)?.with(&["--env", "PS1=guest> "]);
    let mut command = boot.command();
    command.env("TERM", "xterm");
    let mut shell = Session::start(command, ROWS, COLS, LIMIT)?;
    shell.expect(PROMPT)?;
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
