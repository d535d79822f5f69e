//! The lab does what it promises: output byte for byte, exit status, KVM, and the same figures every time.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// The program `probe.c`, compiled.
fn probe() -> &'static Path {
    static PROBE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let compile = || {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("probe");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/probe.c");
        let status = Command::new("gcc").args(["-O1", "-static", "-o"]).arg(&program).arg(source).status();
        assert!(status.unwrap().success());
        (dir, program)
    };
    &PROBE.get_or_init(compile).1
}

fn lab(options: &[&str], args: &[&str], stdin: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("lab").args(options).arg("--exec").arg(probe()).args(args);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin).unwrap();
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn output_and_status_come_back_as_they_are() {
    let every_byte: Vec<u8> = (0..100_000u32).map(|i| ((i * 31) >> 3) as u8).collect();
    let output = lab(&[], &["copy", "two words", "it's", "--"], &every_byte);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(output.stdout == every_byte);
    assert_eq!(stderr(&output), "5 arguments, no terminal\n");
}

#[test]
fn runs_agree_to_the_digit() {
    let other = std::thread::spawn(|| lab(&[], &["count"], b""));
    let (one, two) = (lab(&[], &["count"], b""), other.join().unwrap());
    assert_eq!(one.status.code(), Some(0), "{}", stderr(&one));
    assert_eq!(one.stdout, two.stdout);
    // Four instructions of a loop of 1000, give or take the reading itself.
    let text = String::from_utf8(one.stdout).unwrap();
    let loop_ticks: u64 = text.split(' ').next().unwrap().parse().unwrap();
    assert!((3_000..8_000).contains(&loop_ticks), "{text}");
}

#[test]
fn a_program_that_does_not_end_is_ended() {
    // The limit counts from the lab's own start, which takes longer where there is other work.
    for seconds in [12, 40, 120] {
        let output = lab(&["--timeout", &seconds.to_string()], &["spin"], b"");
        assert_eq!(output.status.code(), Some(124));
        let message = format!("not at an end within {seconds} s");
        assert!(stderr(&output).contains(&message), "{}", stderr(&output));
        if output.stdout == b"spinning\n" {
            return;
        }
        assert_eq!(output.stdout, b"", "what the program does not say");
    }
    panic!("the program has not been started in two minutes");
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["lab", "--exec", "no-such-program"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no-such-program"));
}
