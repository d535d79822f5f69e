//! Machines that are controlled by their socket: paused and resumed, typed on, asked, ended; and everything that `docs/control.md` shows.

use crate::trials::{Context, on_kvm};
use guest_tests::build::repository;
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{self, End, NAP, Outcome};
use guest_tests::programs;
use guest_tests::terminal::Session;
use libtest_mimic::Trial;
use serde_json::Value;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use top::find::Peer;
use ukvmm::control::client::link::{Link, LinkError};

/// Of a step.
const LIMIT: Duration = Duration::from_secs(60);
/// How long a machine has to stand still for that to be believed: thousands of rounds of its program.
const STILL: f64 = 0.2;
/// What the console shows when the shell waits.
const PROMPT: &str = "# ";
const DOCUMENT: &str = "docs/control.md";

/// In the lab: a machine that would run for ever is paused, goes on, and is ended.
pub const IN_LAB: &str = "{boot} & P=$!; while [ ! -S /tmp/control ]; do busybox usleep 10000; done; C='{ukvmm} ctl /tmp/control'; \
     until $C status | busybox grep -q ^running; do busybox usleep 10000; done; \
     $C pause && $C status --json && $C resume && $C stop --status 9 && wait $P; echo status $?";

pub fn in_lab(context: &Context) -> Result<Boot, String> {
    let boot = Boot::linux(&context.build, &programs::image(&context.build)?)?;
    Ok(boot.with(&["--control", "/tmp/control"]).program(&["/bin/sh", "-c", "while :; do :; done"]))
}

/// What was printed in the lab.
pub fn check_lab(outcome: &Outcome) -> Result<(), String> {
    let text = String::from_utf8_lossy(&outcome.stdout);
    let expected = ["paused\n", "\"state\":\"paused\"", "\nrunning\n", "ends with status 9\n", "status 9\n"];
    let is_good = expected.iter().all(|line| text.contains(line)) && text.ends_with("status 9\n");
    if is_good { Ok(()) } else { Err(compare::describe(outcome)) }
}

/// A machine with two CPUs and a shell on a terminal, and its socket.
struct Controlled {
    terminal: Session,
    link: Link,
    ukvmm: std::path::PathBuf,
    socket: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Controlled {
    fn start(context: &Context) -> Result<Self, String> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let socket = folder.path().join("S");
        let boot = Boot::linux(&context.build, &programs::image(&context.build)?)?.timeout(2 * LIMIT);
        let boot = boot.with(&["--cpus", "2", "--control", &socket.to_string_lossy()]);
        let mut terminal = Session::start(boot.command(), 24, 80, LIMIT)?;
        let link = Link::new(connect(&socket)?);
        terminal.expect(PROMPT)?;
        Ok(Self { terminal, link, ukvmm: context.build.ukvmm()?, socket, _folder: folder })
    }

    fn ctl(&self, words: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.ukvmm);
        command.arg("ctl").arg(&self.socket).args(words);
        let outcome = process::run(command, b"", LIMIT)?;
        match outcome.end {
            End::Exited(0) => Ok(String::from_utf8_lossy(&outcome.stdout).into_owned()),
            _ => Err(compare::describe(&outcome)),
        }
    }

    /// A figure.
    fn figure(&mut self, series: &str) -> Result<f64, String> {
        let text = self.link.request("GET", "/v1/metrics", "").map_err(|error| error.to_string())?;
        let text = String::from_utf8(text).map_err(|error| error.to_string())?;
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok());
        value.ok_or_else(|| format!("no {series} in:\n{text}"))
    }

    fn wait_until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&mut Self) -> Result<bool, String>,
    ) -> Result<(), String> {
        let deadline = Instant::now() + LIMIT;
        while !holds(self)? {
            if Instant::now() > deadline {
                return Err(format!("it does not come to this: {what}"));
            }
            sleep(NAP);
        }
        Ok(())
    }
}

fn connect(socket: &Path) -> Result<UnixStream, String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return Ok(stream),
            Err(error) if Instant::now() >= deadline => return Err(format!("{}: {error}", socket.display())),
            Err(_) => sleep(NAP),
        }
    }
}

const PRINTED: &str = "ukvmm_console_bytes_total{direction=\"from_guest\"}";
const EXITS: &str = "ukvmm_vcpu_exits_total{vcpu=\"0\",reason=\"port_write\"}";

/// Its program stands still while it is paused, and only then; a shell gets what is typed; it ends as it is told to.
fn controlled(context: &Context) -> Result<(), String> {
    let mut machine = Controlled::start(context)?;
    machine.ctl(&["keys", "--text", "echo $((6*7))", "enter"])?;
    machine.terminal.expect("42\r\n")?;
    machine.ctl(&["keys", "--text", "while :; do echo tick; done\n"])?;
    machine.terminal.expect("tick\r\ntick")?;
    for _ in 0..3 {
        let before = (machine.figure(PRINTED)?, machine.figure(EXITS)?);
        machine.wait_until("it prints", |machine| {
            Ok(machine.figure(PRINTED)? > before.0 && machine.figure(EXITS)? > before.1)
        })?;
        let paused = machine.ctl(&["pause"])?;
        let stands = machine.figure(PRINTED)?;
        let since = machine.figure("ukvmm_paused_seconds_total")?;
        machine.wait_until("it has been paused", |machine| {
            Ok(machine.figure("ukvmm_paused_seconds_total")? > since + STILL)
        })?;
        if paused != "paused\n" || machine.figure(PRINTED)? != stands {
            return Err(format!("{paused:?}: the guest has printed while it was paused"));
        }
        machine.ctl(&["resume"])?;
    }
    machine.ctl(&["keys", "ctrl-c"])?;
    machine.ctl(&["keys", "--text", "echo over$((1+1))", "enter"])?;
    machine.terminal.expect("over2\r\n")?;
    machine.ctl(&["stop"])?;
    let end = machine.terminal.end()?;
    if end != End::Signal(15) || machine.socket.exists() {
        return Err(format!("{end}, and its socket is there: {}", machine.socket.exists()));
    }
    let gone = machine.ctl(&["status"]).err().unwrap_or_default();
    if gone.contains("no socket") { Ok(()) } else { Err(gone) }
}

/// A line of the document, and what is below it.
#[derive(Debug)]
struct Example {
    method: String,
    path: String,
    body: String,
    /// What of the answer is shown.
    filter: String,
    answer: String,
}

fn examples(text: &str) -> Vec<Example> {
    let mut lines = text.lines().map(|line| line.strip_prefix("    ")).peekable();
    let mut examples = Vec::new();
    while let Some(line) = lines.next() {
        let Some(command) = line.and_then(|line| line.strip_prefix("$ curl -s --unix-socket S ")) else {
            continue;
        };
        let (command, filter) = command.split_once(" | ").unwrap_or((command, ""));
        let word = |name: &str| Some(command.split_once(name)?.1.split([' ', '\'']).next()?.to_owned());
        let body =
            command.split_once("-d '").and_then(|(_, body)| body.strip_suffix('\'')).unwrap_or_default();
        let mut answer = String::new();
        while let Some(Some(line)) = lines.next_if(Option::is_some) {
            answer += line;
            answer.push('\n');
        }
        examples.push(Example {
            method: word("-X ").unwrap_or("GET".into()),
            path: word("http://ukvmm").unwrap_or_default(),
            body: body.into(),
            filter: filter.into(),
            answer,
        });
    }
    examples
}

/// Whether two answers have the same form: the same keys and types, and the same words where these are ours.
fn check_form(at: &str, shown: &Value, given: &Value) -> Result<(), String> {
    let differ = || Err(format!("{DOCUMENT}, {at}: {shown} is shown, and it is {given}"));
    match (shown, given) {
        (Value::Object(shown), Value::Object(given)) => {
            if !shown.keys().eq(given.keys()) {
                return differ();
            }
            shown.iter().try_for_each(|(key, value)| check_form(&format!("{at}.{key}"), value, &given[key]))
        }
        (Value::Array(shown), Value::Array(given)) => match (shown.first(), given.first()) {
            (Some(shown), Some(given)) => check_form(&format!("{at}[0]"), shown, given),
            (None, None) => Ok(()),
            _ => differ(),
        },
        (Value::Number(_), Value::Number(_)) => Ok(()),
        (Value::String(shown), Value::String(given)) => {
            let is_foreign = at.ends_with("last_exit") || at.ends_with("sha256") || at.ends_with("path");
            if shown == given || is_foreign { Ok(()) } else { differ() }
        }
        (shown, given) if shown == given => Ok(()),
        _ => differ(),
    }
}

fn check_example(machine: &mut Controlled, example: &Example) -> Result<(), String> {
    let given = match machine.link.request(&example.method, &example.path, &example.body) {
        Ok(given) => String::from_utf8_lossy(&given).into_owned(),
        Err(LinkError::Refused { error, hint }) => {
            serde_json::json!({"error": error, "hint": hint}).to_string()
        }
        Err(error) => return Err(format!("{example:?}: {error}")),
    };
    if let Some(word) = example.filter.strip_prefix("grep ") {
        let lines = given.lines().filter(|line| line.contains(word));
        let is_shown = lines.take(example.answer.lines().count()).eq(example.answer.lines());
        return if is_shown { Ok(()) } else { Err(format!("{example:?}: {given}")) };
    }
    let parse = |text: &str| serde_json::from_str::<Value>(text).map_err(|e| format!("{e}: {text}"));
    let (shown, given) = (parse(&example.answer)?, parse(&given)?);
    let given = if example.filter.contains(".routes[1]") { given["routes"][1].clone() } else { given };
    check_form(&example.path, &shown, &given)
}

/// What the document shows is what comes.
fn documented(context: &Context) -> Result<(), String> {
    let path = repository().join(DOCUMENT);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let examples = examples(&text);
    let (last, others): (Vec<_>, Vec<_>) = examples.iter().partition(|example| example.path == "/v1/stop");
    if last.len() != 1 || others.len() < 8 {
        return Err(format!("{DOCUMENT} shows {examples:?}"));
    }
    let mut machine = Controlled::start(context)?;
    others.into_iter().try_for_each(|example| check_example(&mut machine, example))?;
    machine.terminal.expect("42\r\n")?;
    check_example(&mut machine, last[0])?;
    machine.terminal.ends_with(7)
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        on_kvm("control::controlled", context, controlled),
        on_kvm("control::documented", context, documented),
    ]
}
