//! The interactive shell, on a pseudo-terminal. Each conversation is also held with the same shell on this machine's
//! Linux, so that what is expected of the guest is what Linux does. The lab has no terminal.

use crate::trials::{Context, on_kvm, plain};
use guest_tests::guest::Boot;
use guest_tests::programs;
use guest_tests::terminal::Session;
use libtest_mimic::Trial;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

const PROMPT: &str = "guest> ";
const ROWS: u16 = 33;
const COLS: u16 = 77;
const PATIENCE: Duration = Duration::from_secs(10);
/// Time for a program to start and be interrupted in the middle.
const MIDDLE: Duration = Duration::from_millis(400);

type Conversation = fn(&mut Session) -> Result<(), String>;

const CONVERSATIONS: &[(&str, Conversation)] = &[
    ("prompt", prompt),
    ("editing", editing),
    ("interrupt-sleep", interrupt_sleep),
    ("interrupt-loop", interrupt_loop),
    ("quit-and-stop", quit_and_stop),
    ("end-of-file", end_of_file),
    ("line-discipline", line_discipline),
    ("size", size),
    ("raw-mode", raw_mode),
];

fn prompt(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    shell.send("echo one two\r")?;
    shell.expect("echo one two\r\none two\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("test -t 0 && test -t 1 && test -t 2 && echo a''ll\r")?;
    shell.expect("all\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("exit 5\r")?;
    shell.ends_with(5)
}

fn editing(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    // Backspace; then the cursor to the left; then to the start of the line; then the line before.
    shell.send("echo abX\x7fc\r")?;
    shell.expect("\nabc\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("echo df\x1b[De\r")?;
    shell.expect("\ndef\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("cho ghi\x01e\r")?;
    shell.expect("\nghi\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("\x1b[A\r")?;
    shell.expect("\nghi\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("exit\r")?;
    shell.ends_with(0)
}

fn interrupt_sleep(shell: &mut Session) -> Result<(), String> {
    interrupt(shell, "sleep 100\r")
}

fn interrupt_loop(shell: &mut Session) -> Result<(), String> {
    interrupt(shell, "sh -c 'while :; do :; done'\r")
}

fn interrupt(shell: &mut Session, command: &str) -> Result<(), String> {
    shell.expect(PROMPT)?;
    shell.send(command)?;
    shell.expect("\r\n")?;
    sleep(MIDDLE);
    shell.send("\x03")?;
    shell.expect("^C")?;
    shell.expect(PROMPT)?;
    shell.send("echo status $?\r")?;
    shell.expect("\nstatus 130\r\n")?;
    shell.expect(PROMPT)?;
    // The shell itself goes on; Ctrl-C takes away a line that was begun.
    shell.send("echo never\x03")?;
    shell.expect(PROMPT)?;
    shell.send("exit 4\r")?;
    shell.ends_with(4)
}

fn quit_and_stop(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    shell.send("sleep 100\r")?;
    shell.expect("\r\n")?;
    sleep(MIDDLE);
    shell.send("\x1c")?;
    shell.expect(PROMPT)?;
    shell.send("echo status $?\r")?;
    shell.expect("\nstatus 131\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("sleep 100\r")?;
    shell.expect("\r\n")?;
    sleep(MIDDLE);
    shell.send("\x1a")?;
    shell.expect("Stopped")?;
    shell.expect(PROMPT)?;
    shell.send("kill %1; fg; echo status $?\r")?;
    shell.expect("\nstatus 143\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("exit 0\r")?;
    shell.ends_with(0)
}

fn end_of_file(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    shell.send("cat; echo status $?\r")?;
    shell.expect("\r\n")?;
    sleep(MIDDLE);
    shell.send("a line\r")?;
    shell.expect("a line\r\na line\r\n")?;
    shell.send("half\x04")?;
    shell.expect("halfhalf")?;
    shell.send("\x04")?;
    shell.expect("status 0\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("\x04")?;
    shell.ends_with(0)
}

fn line_discipline(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    // The terminal's own editing, as a program that reads lines gets it: erase, erase a word, kill the line.
    for (typed, read) in
        [("abX\x7fc\r", "abc"), ("one two\x17three\r", "one three"), ("gone\x15left\r", "left")]
    {
        shell.send("sleep 0.3; head -n 1 | tr a-z A-Z\r")?;
        shell.expect("\r\n")?;
        sleep(2 * MIDDLE);
        shell.send(typed)?;
        shell.expect(&format!("\n{}\r\n", read.to_uppercase()))?;
        shell.expect(PROMPT)?;
    }
    shell.send("stty -echo; head -n 1 | tr a-z A-Z; stty echo\r")?;
    shell.expect("\r\n")?;
    sleep(2 * MIDDLE);
    shell.send("hidden\r")?;
    // Nothing is echoed: what comes next is the program's.
    shell.expect("HIDDEN\r\n")?;
    if shell.has_shown("hidden") {
        return Err("what was typed with -echo was shown".to_owned());
    }
    shell.expect(PROMPT)?;
    shell.send("exit 0\r")?;
    shell.ends_with(0)
}

fn size(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    shell.send("stty size\r")?;
    shell.expect(&format!("\n{ROWS} {COLS}\r\n"))?;
    shell.expect(PROMPT)?;
    shell.resize(ROWS + 1, COLS + 2)?;
    sleep(MIDDLE);
    shell.send("stty size\r")?;
    shell.expect(&format!("\n{} {}\r\n", ROWS + 1, COLS + 2))?;
    shell.expect(PROMPT)?;
    shell.send("exit 0\r")?;
    shell.ends_with(0)
}

fn raw_mode(shell: &mut Session) -> Result<(), String> {
    shell.expect(PROMPT)?;
    // One key is read without a newline, and control characters are data.
    shell.send("stty raw -echo; dd bs=1 count=3 2>/dev/null | od -An -tx1; stty sane; echo d''one\r")?;
    shell.expect("\r\n")?;
    sleep(2 * MIDDLE);
    shell.send("q\x03\x04")?;
    shell.expect("71 03 04")?;
    shell.expect("done\r\n")?;
    shell.expect(PROMPT)?;
    shell.send("exit 0\r")?;
    shell.ends_with(0)
}

/// `ukvmm` without a program: an interactive shell.
fn guest_shell(context: &Context) -> Result<Boot, String> {
    let image = programs::image(&context.build)?;
    Ok(Boot::linux(&context.build, &image)?.timeout(6 * PATIENCE).with(&["--env", &format!("PS1={PROMPT}")]))
}

fn start(command: Command) -> Result<Session, String> {
    Session::start(command, ROWS, COLS, PATIENCE)
}

/// Ctrl-A x ends the machine, whatever the guest does; Ctrl-A a is a Ctrl-A for the guest.
fn leave(context: &Context) -> Result<(), String> {
    let mut shell = start(guest_shell(context)?.command())?;
    shell.expect(PROMPT)?;
    shell.send("while :; do :; done\r")?;
    shell.expect("\r\n")?;
    sleep(MIDDLE);
    shell.send("\x01x")?;
    shell.ends_with(0)
}

/// The terminal is as it was when `ukvmm` has ended.
fn gives_terminal_back(context: &Context) -> Result<(), String> {
    let mut outer = Command::new("busybox");
    outer
        .args(["sh", "-c", "\"$@\"; echo status $?; stty -a; exit 6", "sh"])
        .args(guest_shell(context)?.argv());
    let mut shell = start(outer)?;
    shell.expect(PROMPT)?;
    shell.send("exit 5\r")?;
    shell.expect("\nstatus 5\r\n")?;
    for setting in ["brkint", "icrnl", "opost", "isig", "icanon", " echo "] {
        shell.expect(setting)?;
    }
    shell.ends_with(6)
}

/// Without a terminal the shell reads its commands from standard input.
fn from_a_pipe(context: &Context) -> Result<(), String> {
    const SCRIPT: &[u8] = b"echo one\nread x\ndata\necho got $x\nexit 9\n";
    let outcome = guest_shell(context)?.run_kvm(SCRIPT, PATIENCE)?;
    let expected = on_linux(SCRIPT)?;
    let good = outcome.end == guest_tests::process::End::Exited(9) && outcome.stdout == expected;
    if good { Ok(()) } else { Err(guest_tests::compare::describe(&outcome)) }
}

/// What busybox's shell prints when it is given a script by a pipe. (It reads ahead, so `read` finds nothing.)
fn on_linux(script: &[u8]) -> Result<Vec<u8>, String> {
    use std::io::Write;
    use std::process::Stdio;
    let run = || {
        let mut shell = Command::new("busybox")
            .arg("sh")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        shell.stdin.take().into_iter().try_for_each(|mut pipe| pipe.write_all(script))?;
        shell.wait_with_output()
    };
    let output = run().map_err(|e| format!("busybox on Linux: {e}"))?;
    if output.status.code() == Some(9) { Ok(output.stdout) } else { Err("not 9 on Linux".to_string()) }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(name, conversation) in CONVERSATIONS {
        trials.push(plain(format!("native::shell::{name}"), context, move |_| {
            let mut shell = Command::new("busybox");
            shell.arg("sh").env_clear().env("PATH", "/bin").env("HOME", "/nonexistent").env("PS1", PROMPT);
            conversation(&mut start(shell)?)
        }));
        trials.push(on_kvm(&format!("shell::{name}"), context, move |context| {
            conversation(&mut start(guest_shell(context)?.command())?)
        }));
    }
    trials.push(on_kvm("shell::leave", context, leave));
    trials.push(on_kvm("shell::gives-terminal-back", context, gives_terminal_back));
    trials.push(on_kvm("shell::from-a-pipe", context, from_a_pipe));
    trials
}
