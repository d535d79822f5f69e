//! Settings from the command line, variables and a file, and what `ukvmm` says of a machine and of itself without running one.

mod common;
use common::*;
use std::io::Write;
use std::process::{Command, Stdio};

/// A machine that does nothing, with a settings file beside its kernel.
fn spinning(settings: &str) -> (Guest, String) {
    let guest = Guest::code(&[SPIN]).file("u.toml", &format!("kernel = \"kernel\"\n{settings}"));
    let path = guest.dir.path().join("u.toml").to_str().unwrap().into();
    (guest, path)
}

/// `ukvmm` with variables.
fn with(variables: &[(&str, &str)], args: &[&str]) -> Run {
    Run::of(ukvmm(args).envs(variables.iter().copied()).output().unwrap())
}

#[test]
fn a_flag_counts_more_than_a_variable_and_that_more_than_the_file() {
    needs_kvm!();
    let (_guest, path) = spinning("timeout = 0.1\n");
    with(&[("UKVMM_CONFIG", &path)], &[]).expect(124, "stopped after 0.1 s");
    let variables = [("UKVMM_CONFIG", &*path), ("UKVMM_TIMEOUT", "0.2")];
    with(&variables, &[]).expect(124, "stopped after 0.2 s");
    with(&variables, &["--timeout", "0.3"]).expect(124, "stopped after 0.3 s");
}

#[test]
fn mistakes_say_where_they_are() {
    let (_guest, path) = spinning("cpus = 65\n");
    let run = with(&[], &["--config", &path]);
    run.expect(125, "--cpus 65: a guest has at least 1 virtual CPU");
    run.expect(125, "u.toml:2)");
    with(&[("UKVMM_CPUS", "x")], &["--config", &path]).expect(125, "UKVMM_CPUS: invalid value 'x'");
    let (_guest, path) = spinning("memroy = \"1G\"\n");
    with(&[], &["--config", &path]).expect(125, "u.toml:2: unknown key \"memroy\" (did you mean memory?)");
    with(&[], &["--config", "/absent/u.toml"]).expect(127, "config /absent/u.toml not found");
    with(&[("UKVMM_KERNEL", "/absent/k")], &[]).expect(127, "(--kernel is from UKVMM_KERNEL)");
    let run = with(&[("UKVMM_MEMROY", "1G")], &["--kernel", "/absent/k"]);
    run.expect(127, "nobody reads the variable UKVMM_MEMROY (did you mean UKVMM_MEMORY?)");
}

#[test]
fn a_dry_run_prints_the_machine_and_starts_nothing() {
    let (guest, path) = spinning("cpus = 2\n");
    let core = guest.dir.path().join("core");
    let words = ["--config", &path, "--core", core.to_str().unwrap(), "--dry-run"];
    let run = with(&[], &words);
    let text = String::from_utf8(run.out).unwrap();
    for line in ["cpus      2", "ports 0xb00-0xb07      irq 5   console", "kernel    /"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!core.exists());
    let json = with(&[("UKVMM_DRY_RUN", "json")], &words[..4]);
    assert!(json.out.starts_with(b"{\n") && json.out.ends_with(b"}\n"), "{json:?}");
    with(&[], &["--config", &path, "--dry-run", "--disk", "/absent/disk"]).expect(127, "/absent/disk");
    let run = with(&[("UKVMM_KVM_DEVICE", "/absent/kvm")], &words);
    run.expect(126, "/absent/kvm");
    assert!(run.out.starts_with(b"kernel"), "the machine is told all the same: {run:?}");
}

#[test]
fn a_dry_run_shows_what_a_run_would_leave_and_makes_nothing() {
    let (guest, path) = spinning("");
    let at = |name: &str| guest.dir.path().join(name).to_str().unwrap().to_string();
    let (manifest, junit, crashes) = (at("m.json"), at("j.xml"), at("a/crashes"));
    let given = format!("{crashes},core=off,console=1M");
    let words = ["--config", &path, "--manifest", &manifest, "--junit", &junit, "--crash-dir", &given];
    let text = String::from_utf8(with(&[], &[&words[..], &["--dry-run"]].concat()).out).unwrap();
    for line in [
        &format!("manifest  {manifest}\n"),
        &format!("junit     {junit}\n"),
        &format!("crash-dir {crashes}, with no core and 1024 KiB of output\n"),
        &format!("thread main may make, write and remove files in {crashes}\n"),
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
    let json = with(&[], &[&words[..], &["--dry-run=json"]].concat()).out;
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((json["manifest"].as_str(), json["junit"].as_str()), (Some(&*manifest), Some(&*junit)));
    assert_eq!(json["crash_dir"], serde_json::json!({"folder": crashes, "core": false, "console": 1 << 20}));
    let mut left: Vec<_> =
        guest.dir.path().read_dir().unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["kernel", "u.toml"]);
}

#[test]
fn a_dry_run_refuses_what_the_run_would() {
    let (guest, path) = spinning("");
    let at = |name: &str| guest.dir.path().join(name).to_str().unwrap().to_string();
    for (flag, given, status) in [
        ("--manifest", at(""), 125),
        ("--manifest", "-".into(), 125),
        ("--junit", at("absent/j.xml"), 127),
        ("--crash-dir", at("kernel"), 125),
        ("--crash-dir", at("kernel/below"), 125),
        ("--crash-dir", at("crashes,cores=off"), 125),
    ] {
        let words = ["--config", &path, flag, &given, "--dry-run"];
        let dry = with(&[], &words);
        dry.expect(status, flag);
        let run = with(&[], &words[..4]);
        assert_eq!((dry.err, dry.out), (run.err, run.out), "{flag} {given}");
    }
}

/// What a program says of `input`; `None` if there is no such program.
fn judged(program: &str, args: &[&str], input: &[u8]) -> Option<Run> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().ok()?;
    child.stdin.take().unwrap().write_all(input).unwrap();
    Some(Run::of(child.wait_with_output().unwrap()))
}

#[test]
fn shells_and_the_manual_take_what_they_get() {
    let script = with(&[], &["completions", "bash"]).out;
    let run = judged("bash", &["-n"], &script).expect("a shell");
    assert_eq!((run.status, run.err.as_str()), (Some(0), ""));
    for shell in ["zsh", "fish"] {
        assert!(!with(&[], &["completions", shell]).out.is_empty());
    }
    for page in [&["man"][..], &["man", "report"], &["man", "gdb-core"]] {
        let text = with(&[], page).out;
        // groff comes with man.
        if let Some(run) = judged("groff", &["-man", "-ww", "-z", "-Tutf8"], &text) {
            assert_eq!((run.status, run.err.as_str()), (Some(0), ""), "{page:?}");
        }
    }
}

#[test]
fn help_fits_into_a_hundred_columns() {
    for words in [&["-h"][..], &["--help"], &["report", "--help"], &["gdb-core", "--help"]] {
        let text = String::from_utf8(with(&[("COLUMNS", "200")], words).out).unwrap();
        let longest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
        assert!(longest.chars().count() <= 100, "{words:?}: {longest}");
        assert!(!text.contains("possible values"), "{words:?}: {text}");
    }
    let (short, long) = (with(&[], &["-h"]).out, with(&[], &["--help"]).out);
    assert!(short.len() * 2 < long.len(), "-h is short");
}
