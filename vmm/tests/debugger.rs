//! What a debugger means for a run: when it starts, and every way in which it can end.

mod common;
#[path = "common/remote.rs"]
mod remote;

use common::*;
use remote::Remote;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// `ukvmm` with a guest, and where its debugger comes.
struct Session {
    guest: Guest,
    child: Child,
}

impl Session {
    fn start(code: &[&[u8]], gdb: &str, args: &[&str]) -> Self {
        let guest = Guest::code(code);
        let gdb = format!("unix:{}{gdb}", guest.dir.path().join("gdb").display());
        let mut command = guest.command(&[&["--gdb", &gdb], args].concat());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { guest, child }
    }

    /// Attaches: the machine stands still then.
    fn attach(&self) -> Remote {
        let mut remote = loop {
            let mut remote = Remote::connect(&self.guest.dir.path().join("gdb"));
            let features = remote.ask("qSupported:multiprocess+;swbreak+;hwbreak+");
            // The one before may not have been missed yet.
            if !features.contains("another debugger") {
                assert!(features.contains("multiprocess+"), "{features}");
                break remote;
            }
        };
        let stop = remote.ask("?");
        assert!(stop.starts_with('T'), "{stop}");
        remote
    }

    fn signal(&self, signal: &str) {
        // `timeout`, which the child is, passes it on.
        let pid = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    fn end(self) -> Run {
        Run::of(self.child.wait_with_output().unwrap())
    }
}

/// Runs all processes.
const GO: &str = "vCont;c";

#[test]
fn a_guest_that_is_held_starts_when_its_debugger_says_so_and_its_end_is_told() {
    needs_kvm!();
    let code: &[&[u8]] = &[&debug("begun\n"), &exit(7)];
    for (gdb, args) in [(",wait=on", &[][..]), ("", &["-S"])] {
        let session = Session::start(code, gdb, args);
        let mut remote = session.attach();
        assert_eq!(remote.ask(GO), "W07;process:10000");
        let run = session.end();
        assert_eq!(run.status, Some(7), "{run:?}");
        assert!(run.err.contains("the guest waits for it\nbegun\n"), "{run:?}");
    }
}

#[test]
fn a_debugger_may_come_to_a_guest_that_runs_leave_and_come_again() {
    needs_kvm!();
    let session = Session::start(&[SPIN], "", &["--cpus", "2"]);
    for polite in [true, false, true] {
        let mut remote = session.attach();
        assert!(remote.ask("qfThreadInfo").contains("p10000.1"));
        if polite {
            assert_eq!(remote.ask("D"), "OK");
        }
    }
    let mut remote = session.attach();
    remote.send("k");
    let run = session.end();
    assert_eq!(run.status, Some(0), "killed: {run:?}");
}

#[test]
fn a_crash_is_looked_at_and_then_ends_the_run_as_it_would_have() {
    needs_kvm!();
    let panic: &[&[u8]] = &[&debug("last words\n"), &exit(120)];
    for (code, status, says) in [(panic, 120, "kernel panicked"), (&[UD2], 121, "triple fault")] {
        let session = Session::start(code, ",wait=on", &[]);
        let mut remote = session.attach();
        assert!(remote.ask(GO).starts_with('O'), "what has happened is said");
        let stop = remote.receive().unwrap();
        assert!(stop.starts_with('T'), "it stays: {stop}");
        assert!(remote.ask("mffffffff80100000,1").len() == 2, "it can be looked at");
        assert!(remote.ask("Mffffffff80100000,1:00").starts_with('E'), "but not changed");
        assert_eq!(remote.ask("D"), "OK");
        session.end().expect(status, says);
        let session = Session::start(code, ",wait=on", &[]);
        session.attach().ask(GO);
        session.end().expect(status, says);
    }
}

#[test]
fn a_crash_without_a_debugger_ends_the_run_at_once() {
    needs_kvm!();
    Session::start(&[UD2], "", &[]).end().expect(121, "triple fault");
}

#[test]
fn signals_and_the_timeout_end_a_machine_that_stands_still() {
    needs_kvm!();
    let session = Session::start(&[SPIN], "", &["--timeout", "0.5"]);
    let mut remote = session.attach();
    assert_eq!(remote.receive(), None, "the debugger is left alone");
    session.end().expect(124, "stopped after 0.5 s");
    let session = Session::start(&[SPIN], ",wait=on", &[]);
    let _remote = session.attach();
    session.signal("-TERM");
    let began = Instant::now();
    // What `timeout`, which waits for it, makes of that.
    let run = session.end();
    assert!(matches!((run.status, run.signal), (Some(143), _) | (_, Some(15))), "{run:?}");
    assert!(began.elapsed() < Duration::from_secs(15));
    // Nobody has come yet.
    let session = Session::start(&[SPIN], ",wait=on", &["--timeout", "0.3"]);
    session.end().expect(124, "rip 0xffffffff80100000");
}

#[test]
fn a_free_port_is_found_and_told() {
    needs_kvm!();
    let guest = Guest::code(&[SPIN]);
    let mut command = guest.command(&["--gdb", "tcp:0", "--timeout", "20"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
    let place = line.trim_end().rsplit(' ').next().unwrap().to_string();
    assert!(place.starts_with("127.0.0.1:"), "{line}");
    std::net::TcpStream::connect(&place).unwrap();
    // `timeout` passes it on.
    std::process::Command::new("kill").arg(child.id().to_string()).status().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_cannot_be_is_said() {
    let guest = Guest::code(&[SPIN]);
    guest.run(&["-S"]).expect(125, "add -s, or --gdb");
    guest.run(&["--gdb", "tcp:x"]).expect(125, "not a TCP port");
    guest.run(&["-s", "--gdb", "tcp:1"]).expect(125, "cannot be used with");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = format!("tcp:{}", taken.local_addr().unwrap());
    guest.run(&["--gdb", &place]).expect(125, "Take another port");
    let kernel = guest.kernel();
    let file = format!("unix:{}", kernel.display());
    guest.run(&["--gdb", &file]).expect(125, "there is a file");
    assert!(kernel.exists());
}
