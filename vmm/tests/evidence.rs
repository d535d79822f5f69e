//! What a run leaves behind: manifests, crash folders, results of tests, and an end for guests that never begin.

mod common;
use common::*;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What a guest that is about to die leaves in its folder, whatever it is.
const FILES: [&str; 6] =
    ["README.txt", "console.log", "core.elf", "log.txt", "manifest.json", "registers.txt"];

/// A guest whose code has a name, with little memory.
fn guest(code: &[&[u8]]) -> Guest {
    let mut elf = Elf::new(&code.concat());
    elf.symbol = Some("dying");
    Guest::new(&elf)
}

fn run(guest: &Guest, args: &[&str]) -> Run {
    guest.run(&[&["--memory", "8M"], args].concat())
}

fn text(path: &Path) -> String {
    String::from_utf8(fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Runs a guest that dies, and returns the run and its folder.
#[track_caller]
fn die(guest: &Guest, args: &[&str], status: i32, kind: &str) -> (Run, PathBuf) {
    let crashes = guest.dir.path().join("crashes");
    let run = run(guest, &[&["--crash-dir", crashes.to_str().unwrap()], args].concat());
    assert_eq!(run.status, Some(status), "{run:?}");
    let all = names(&crashes);
    assert!(all.len() == 1 && all[0].ends_with(&format!("-{kind}")), "{all:?}, {run:?}");
    let folder = crashes.join(&all[0]);
    let line = format!("evidence: {}/\n", folder.canonicalize().unwrap().display());
    assert!(run.err.ends_with(&line), "{run:?}");
    assert_eq!(json(&folder.join("manifest.json"))["exit"]["kind"], kind);
    (run, folder)
}

#[test]
fn a_panic_leaves_all_that_helps() {
    needs_kvm!();
    let guest = guest(&[&debug("last words\n"), &exit(120), &[0xf4]]);
    let (_, folder) = die(&guest, &["--cmdline", "x"], 120, "panic");
    assert_eq!(names(&folder), FILES);
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(text(&folder.join("console.log")), "last words\n");
    assert!(text(&folder.join("log.txt")).contains("ukvmm: error: the guest's kernel panicked"));
    let readme = text(&folder.join("README.txt"));
    assert!(readme.lines().count() == 4 && readme.contains("ukvmm gdb-core core.elf"), "{readme}");
    let registers = text(&folder.join("registers.txt"));
    for expected in ["vCPU 0, in kernel mode", "rip ffffffff8010", "code f4", "#0 0xffffffff801", " dying\n"]
    {
        assert!(registers.contains(expected), "{expected}: {registers}");
    }
    let manifest = json(&folder.join("manifest.json"));
    let core = manifest["evidence"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["path"].as_str().unwrap().ends_with("/core.elf"));
    assert_eq!(core.unwrap()["bytes"], folder.join("core.elf").metadata().unwrap().len());
    assert_eq!(core.unwrap()["sha256"].as_str().unwrap().len(), 64);
    let mut gdb = Command::new("timeout");
    gdb.args(["60", "gdb", "-nx", "-batch", "-ex", "backtrace", "-ex", "x/i $pc"]).env("LC_ALL", "C");
    let output = gdb.arg(guest.kernel()).arg(folder.join("core.elf")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("in dying ()") && said.contains("hlt"), "{said}");
}

#[test]
fn each_death_has_its_name() {
    needs_kvm!();
    die(&guest(&[UD2]), &[], 121, "triple-fault");
    let spinning = guest(&[SPIN]);
    let (_, folder) = die(&spinning, &["--timeout", "0.3", "--cpus", "2"], 124, "timeout");
    let registers = text(&folder.join("registers.txt"));
    assert!(registers.contains("vCPU 0, in kernel mode") && registers.contains("vCPU 1: it was not running"));
    if is_emulated() {
        die(&guest(&[POPCNT]), &[], 120, "internal-error");
    }
}

#[test]
fn a_guest_that_gives_no_sign_of_life_is_stopped() {
    needs_kvm!();
    let spinning = guest(&[SPIN]);
    let (run, folder) = die(&spinning, &["--boot-timeout", "0.3"], 124, "boot-timeout");
    run.expect(124, "no sign of life within 0.3 s (--boot-timeout)");
    run.expect(124, "the guest was in kernel mode at rip 0xffffffff80100000 = dying+0x0");
    assert!(text(&folder.join("console.log")).is_empty());
    // HLT with interrupts off: nothing will ever happen.
    guest(&[&[0xfa, 0xf4]]).run(&["--boot-timeout", "0.3"]).expect(124, "no sign of life");
}

#[test]
fn one_that_does_or_is_waited_for_is_not() {
    needs_kvm!();
    let limits = ["--boot-timeout", "0.2", "--timeout", "1"];
    // It has printed something, or used the UART without printing.
    for code in [debug("x\n"), vec![0xba, 0xfb, 0x03, 0, 0, 0xb0, 3, 0xee]] {
        guest(&[&code, SPIN]).run(&limits).expect(124, "stopped after 1 s (--timeout)");
    }
    let guest = guest(&[SPIN]);
    let gdb = format!("unix:{},wait=on", guest.dir.path().join("gdb").display());
    guest.run(&[&limits[..], &["--gdb", &gdb]].concat()).expect(124, "stopped after 1 s (--timeout)");
    guest.run(&["--boot-timeout", "off", "--timeout", "0.5"]).expect(124, "stopped after 0.5 s (--timeout)");
}

#[test]
fn who_ends_as_he_wants_leaves_no_folder_but_a_manifest() {
    needs_kvm!();
    let guest = guest(&[&exit(7)]);
    let (crashes, manifest) = (guest.dir.path().join("crashes"), guest.dir.path().join("m.json"));
    let (folder, file) = (crashes.to_str().unwrap(), manifest.to_str().unwrap());
    let run = run(&guest, &["--crash-dir", folder, "--manifest", file]);
    assert_eq!((run.status, run.err.as_str()), (Some(7), ""));
    assert!(names(&crashes).is_empty());
    let manifest = json(&manifest);
    assert_eq!((&manifest["exit"]["kind"], &manifest["exit"]["status"]), (&"exited".into(), &7.into()));
    assert_eq!(manifest["machine"]["memory"], 8 << 20);
    assert_eq!(manifest["machine"]["kernel"]["sha256"].as_str().unwrap().len(), 64);
    assert!(manifest["tsc"]["khz"].as_u64().unwrap() > 100_000, "{manifest}");
    let kind = manifest["kvm"]["kind"].as_str().unwrap();
    assert_eq!(kind == "emulated", is_emulated(), "{kind}");
}

#[test]
fn runs_that_fail_early_have_a_manifest_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("m.json");
    let crashes = dir.path().join("crashes");
    let args = ["--kernel", "/absent/k", "--manifest", file.to_str().unwrap(), "--crash-dir"];
    let run = Run::of(ukvmm(&[&args[..], &[crashes.to_str().unwrap()]].concat()).output().unwrap());
    run.expect(127, "kernel /absent/k not found");
    run.expect(127, "evidence: ");
    let manifest = json(&file);
    assert_eq!((&manifest["exit"]["kind"], &manifest["machine"]), (&"config-error".into(), &Value::Null));
    let folder = crashes.join(&names(&crashes)[0]);
    assert_eq!(names(&folder), ["README.txt", "console.log", "log.txt", "manifest.json"]);

    let guest = guest(&[&exit(0)]);
    let mut command = guest.command(&["--manifest", file.to_str().unwrap()]);
    let run = Run::of(command.env("UKVMM_KVM_DEVICE", "/absent/kvm").output().unwrap());
    assert_eq!(run.status, Some(126), "{run:?}");
    let manifest = json(&file);
    assert_eq!((&manifest["exit"]["kind"], &manifest["kvm"]["kind"]), (&"no-kvm".into(), &"none".into()));
    assert!(manifest["kvm"]["problem"].as_str().unwrap().contains("/absent/kvm"));
}

#[test]
fn what_cannot_be_written_is_said_first_or_changes_nothing() {
    let guest = guest(&[UD2]);
    run(&guest, &["--manifest", "-"]).expect(125, "standard output is the guest's");
    run(&guest, &["--junit", "/no/such/folder/x"]).expect(127, "there is no folder");
    run(&guest, &["--manifest", "/dev/null"]).expect(125, "no file");
    run(&guest, &["--crash-dir", "/proc"]).expect(125, "nothing can be written");
    run(&guest, &["--crash-dir", "d,cores=off"]).expect(125, "did you mean core?");
    run(&guest, &["--boot-timeout", "never"]).expect(125, "boot-timeout");
    needs_kvm!();
    // In blocks of 1 KiB: enough for everything but the core.
    let script = "ulimit -f 64; exec \"$0\" --memory 8M --kernel \"$1\" --crash-dir \"$2\"";
    let crashes = guest.dir.path().join("crashes");
    let mut command = Command::new("timeout");
    command.args(["60", "sh", "-c", script, env!("CARGO_BIN_EXE_ukvmm")]);
    let run = Run::of(command.arg(guest.kernel()).arg(&crashes).output().unwrap());
    run.expect(121, "core.elf is not complete");
    let folder = crashes.join(&names(&crashes)[0]);
    let kept: Vec<_> = FILES.into_iter().filter(|name| *name != "core.elf").collect();
    assert_eq!(names(&folder), kept);
}

#[test]
fn a_core_may_be_left_out_and_the_console_bounded() {
    needs_kvm!();
    let guest = guest(&[&debug(&"0123456789abcde\n".repeat(80)), &exit(120)]);
    let crashes = format!("{},core=off,console=1K", guest.dir.path().join("crashes").display());
    run(&guest, &["--crash-dir", &crashes]).expect(120, "evidence: ");
    let crashes = guest.dir.path().join("crashes");
    let folder = crashes.join(&names(&crashes)[0]);
    assert!(!folder.join("core.elf").exists());
    let console = text(&folder.join("console.log"));
    assert!(console.starts_with("[ukvmm: 256 bytes before this were dropped]\n0123"), "{console}");
}

/// The status, and the report.
fn tested(output: &str, code: &[u8], args: &[&str]) -> (Run, String) {
    let guest = guest(&[&debug(output), code]);
    let file = guest.dir.path().join("tests.xml");
    let run = run(&guest, &[&["--junit", file.to_str().unwrap()], args].concat());
    (run, text(&file))
}

#[test]
fn a_failed_test_never_looks_like_success() {
    needs_kvm!();
    let (run, xml) = tested("1..2\nok 1 a\nok 2 b # SKIP no disk\n", &exit(0), &[]);
    assert_eq!(run.status, Some(0), "{run:?}");
    assert!(xml.contains("<testsuites name=\"tests\" tests=\"3\" failures=\"0\" errors=\"0\""), "{xml}");
    let (run, xml) = tested("1..2\nok 1 a\nnot ok 2 b # 1, not 2\n", &exit(0), &[]);
    run.expect(1, "1 of 2 tests failed");
    assert!(xml.contains("message=\"1, not 2\""), "{xml}");
    let (run, xml) = tested("1..2\nok 1 a\n", &exit(0), &[]);
    run.expect(1, "1 of 2 tests failed");
    assert!(xml.contains("2 tests were planned, and 1 have results"), "{xml}");
    let (run, _) = tested("hello\n", &exit(0), &[]);
    run.expect(1, "there are no results of tests");
    let (run, xml) = tested("1..1\nok 1 a\n", UD2, &[]);
    run.expect(121, "triple fault");
    assert!(xml.contains("<error type=\"error\" message=\"triple-fault: triple fault"), "{xml}");
    let (run, xml) = tested("1..1\nok 1 a\n", SPIN, &["--timeout", "0.3"]);
    assert!(run.status == Some(124) && xml.contains("message=\"timeout: stopped after 0.3 s"), "{xml}");
}

/// Names of all fields in it.
fn keys(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| {
            into.push(name.clone());
            keys(value, into);
        }),
        Value::Array(values) => values.iter().for_each(|value| keys(value, into)),
        _ => {}
    }
}

/// The chapter about it.
fn chapter() -> String {
    text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/evidence.md"))
}

#[test]
fn every_field_of_a_manifest_is_described() {
    needs_kvm!();
    let guest = guest(&[UD2]).file("disk", &"x".repeat(512));
    let path = |name: &str| guest.dir.path().join(name).to_str().unwrap().to_string();
    let (disk, share) = (path("disk"), format!("tag=t,path={}", guest.dir.path().display()));
    let (vsock, file) = (format!("cid=3,path={}", path("v")), path("m.json"));
    let devices =
        ["--rng", "--uart", "--net", "user", "--virtio-console", "--disk", &disk, "--share", &share];
    let rest = ["--vsock", &vsock, "--manifest", &file];
    let mut command = guest.command(&[&devices[..], &rest].concat());
    Run::of(command.env("UKVMM_MEMORY", "8M").output().unwrap()).expect(121, "triple fault");
    let manifest = json(Path::new(&file));
    assert_eq!(manifest["machine"]["devices"].as_array().unwrap().len(), 7, "{manifest}");
    assert_eq!(manifest["command"]["settings"][0]["origin"], "UKVMM_MEMORY");
    let (mut all, chapter) = (Vec::new(), chapter());
    keys(&manifest, &mut all);
    let missing: Vec<_> = all.iter().filter(|name| !chapter.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/evidence.md does not say what these are: {missing:?}");
}

#[test]
fn every_file_and_kind_of_death_is_described() {
    let chapter = chapter();
    for file in FILES.into_iter().chain(["events.txt", "threads.txt"]) {
        assert!(chapter.contains(file), "{file}");
    }
    use ukvmm::ending::Kind;
    let kinds =
        [Kind::Exited, Kind::Panic, Kind::TripleFault, Kind::InternalError, Kind::Timeout, Kind::BootTimeout];
    let others = [Kind::Quit, Kind::Signal, Kind::ConfigError, Kind::NoKvm, Kind::VmmError, Kind::VmmPanic];
    for kind in kinds.into_iter().chain(others) {
        assert!(chapter.contains(&format!("`{}`", kind.name())), "{kind:?}");
    }
}
