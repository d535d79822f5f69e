//! The console, killed while it is used: as ukvmm's own device, as ukvmm's virtio console and as QEMU's.

use crate::driven::Run;
use crate::trials::{Context, on_kvm, plain};
use guest_tests::compare;
use guest_tests::guest::Boot;
use guest_tests::process::{End, Outcome};
use libtest_mimic::Trial;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

const LINES: usize = 300;
const KILLS: &str = "5";
const INPUT: &str = "somebody has typed this\n";
/// Longest time for QEMU to make its socket.
const PATIENCE: Duration = Duration::from_secs(60);
const NAP: Duration = Duration::from_millis(20);

/// All lines, in order; each may come again.
fn check(output: &[u8]) -> Result<(), String> {
    let text = String::from_utf8_lossy(output).replace("\r\n", "\n");
    let mut expected = vec!["ready".to_owned(), INPUT.trim_end().to_owned()];
    expected.extend((0..LINES).map(|n| format!("line {n}")));
    let mut lines: Vec<_> = text.lines().collect();
    lines.dedup();
    if lines == expected { Ok(()) } else { Err(format!("not what had to be printed: {text:?}")) }
}

fn run(body: impl FnOnce(&Run<'_>) -> Result<Vec<u8>, String>) -> Result<(), String> {
    let lines = LINES.to_string();
    check(&body(&Run { set: "consoletest", words: &[&lines, KILLS] })?)
}

fn under_ukvmm(context: &Context, options: &[&str]) -> Result<(), String> {
    run(|run| run.talk_on_kvm(context, options, INPUT.as_bytes()).map(|Outcome { stdout, .. }| stdout))
}

/// QEMU's console is a socket, with this program at its other end.
fn in_qemu(context: &Context) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let path = folder.path().join("console");
    let end = thread::spawn({
        let path: PathBuf = path.clone();
        move || talk(&path)
    });
    let socket = format!("socket,id=console,server=on,wait=on,path={}", path.display());
    let device = ["-device", "virtio-serial-device", "-device", "virtconsole,chardev=console"];
    run(|run| {
        run.in_qemu(context, &[&["-chardev", &socket][..], &device].concat())?;
        let output = end.join().expect("the other end does not panic");
        output.map_err(|e| format!("the other end of the console: {e}"))
    })
}

/// Types, and reads until QEMU ends.
fn talk(path: &Path) -> std::io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(path) {
            Err(_) if begun.elapsed() < PATIENCE => thread::sleep(NAP),
            result => break result?,
        }
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(INPUT.as_bytes())?;
    let mut output = Vec::new();
    stream.read_to_end(&mut output)?;
    Ok(output)
}

/// The set of Linux programs, with a server that has the console killed.
const LINUX_SET: &str = r#"
[[server]]
name = "console"
prio = 200
memory = "2M"
devices = ["console:0"]
ports = [[0xb00, 8], [0x3f8, 8]]
irqs = [5, 4]
restart = "always"

[[server]]
name = "killer"
elf = "consoletest"
prio = 210
memory = "1M"
may_kill = ["console"]
args = ["--kill-only"]

[[server]]
name = "linux"
prio = 100
memory = "32M"
may_call = ["console"]
"#;
const LINUX_LINES: usize = 1000;

/// A Linux program whose terminal dies under it does not notice.
fn under_linux(context: &Context, options: &[&str]) -> Result<(), String> {
    let folder = tempfile::tempdir().map_err(|e| format!("cannot make a folder: {e}"))?;
    let set = folder.path().join("linux.toml");
    std::fs::write(&set, LINUX_SET).map_err(|e| format!("cannot write {}: {e}", set.display()))?;
    let words = ["--kernel", &context.build.kernel()?.to_string_lossy(), "--servers", &set.to_string_lossy()]
        .map(str::to_owned);
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let initrd = context.build.initrd()?.to_string_lossy().into_owned();
    let script = format!("i=0; while [ $i -lt {LINUX_LINES} ]; do echo line $i; i=$((i+1)); done; exit 6");
    let boot = Boot::words(&context.build, &words)?.with(&["--initrd", &initrd]).with(options);
    let outcome =
        boot.timeout(PATIENCE).program(&["/bin/busybox", "sh", "-c", &script]).run_kvm(b"", PATIENCE)?;
    let text = String::from_utf8_lossy(&outcome.stdout).replace("\r\n", "\n");
    // What was printed when the console died may come again, but nothing before it has come.
    let mut expected = 0;
    for line in text.lines() {
        let number = line.strip_prefix("line ").and_then(|n| n.parse::<usize>().ok());
        match number {
            Some(n) if n == expected => expected += 1,
            Some(n) if n < expected => {}
            _ => return Err(format!("{line:?} instead of line {expected}: {}", compare::describe(&outcome))),
        }
    }
    let killed = String::from_utf8_lossy(&outcome.stderr).contains("killer: killed console, 10 of 10");
    let well = expected == LINUX_LINES && outcome.end == End::Exited(6) && killed;
    if well { Ok(()) } else { Err(format!("{expected} lines: {}", compare::describe(&outcome))) }
}

pub fn trials(context: &Arc<Context>) -> Vec<Trial> {
    vec![
        plain("qemu::console".to_owned(), context, in_qemu),
        on_kvm("console", context, |context| under_ukvmm(context, &[])),
        on_kvm("console-linux", context, |context| under_linux(context, &[])),
        on_kvm("console-linux-virtio", context, |context| under_linux(context, &["--virtio-console"])),
        on_kvm("console-virtio", context, |context| under_ukvmm(context, &["--virtio-console"])),
    ]
}
