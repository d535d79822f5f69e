//! Cores of guests that die, here with kernels of a few bytes.

mod common;
use common::*;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

/// A guest whose code has a name, and where its core goes.
fn guest(code: &[u8]) -> (Guest, PathBuf) {
    let mut elf = Elf::new(code);
    elf.symbol = Some("dying");
    let guest = Guest::new(&elf);
    let core = guest.dir.path().join("core");
    (guest, core)
}

fn run(guest: &Guest, core: &Path, args: &[&str]) -> Run {
    guest.run(&[&["--core", core.to_str().unwrap()], args].concat())
}

/// What plain gdb says of a core.
fn gdb(guest: &Guest, core: &Path, commands: &[&str]) -> String {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60", "gdb", "-nx", "-batch"]).env("LC_ALL", "C");
    command.args(commands.iter().flat_map(|command| ["-ex", command]));
    let output = command.arg(guest.kernel()).arg(core).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_panic_leaves_a_core_that_gdb_opens() {
    needs_kvm!();
    // mov eax, 120; out 0xf4, al; hlt
    let (guest, core) = guest(&[0xb8, 120, 0, 0, 0, 0xe6, 0xf4, 0xf4]);
    run(&guest, &core, &[]).expect(120, "open it with: ukvmm gdb-core ");
    let text =
        gdb(&guest, &core, &["backtrace", "p $eax", "x/i $pc", "p/x *(char *)0xffffffff80100000 & 0xff"]);
    for expected in ["SIGABRT", "#0 0xffffffff80100007 in dying ()", "$1 = 120", "hlt", "$2 = 0xb8"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("warning"), "{text}");
    let about = core.metadata().unwrap();
    assert_eq!(about.permissions().mode() & 0o777, 0o600);
    assert!(about.blocks() * 512 < about.len() / 8, "{} blocks of {} bytes", about.blocks(), about.len());
}

#[test]
fn a_triple_fault_leaves_one_too() {
    needs_kvm!();
    let (guest, core) = guest(UD2);
    let status = run(&guest, &core, &[]);
    status.expect(121, "the guest's core is in");
    let text = gdb(&guest, &core, &["backtrace", "x/i &dying"]);
    assert!(text.contains("<dying>: ud2"), "{text}");
    // On AMD, KVM has reset the registers by then.
    if !status.err.contains("where the guest was is not known") {
        assert!(text.contains("SIGSEGV") && text.contains("#0 0xffffffff80100000 in dying ()"), "{text}");
    }
}

#[test]
fn a_timeout_leaves_one_of_all_vcpus() {
    needs_kvm!();
    let (guest, core) = guest(SPIN);
    run(&guest, &core, &["--timeout", "0.3", "--cpus", "2"]).expect(124, "the guest's core is in");
    let text = gdb(&guest, &core, &["info threads"]);
    assert!(text.contains("SIGALRM") && text.contains("* 1 LWP 1 0xffffffff80100000 in dying ()"), "{text}");
    assert!(!text.contains("LWP 2"), "the other has never run: {text}");
}

#[test]
fn who_ends_as_he_wants_leaves_none() {
    needs_kvm!();
    for (code, status) in [(exit(0), 0), (exit(7), 7), (exit(130), 119)] {
        let (guest, core) = guest(&code);
        let run = run(&guest, &core, &[]);
        assert!(run.status == Some(status) && !core.exists(), "{run:?}");
    }
}

#[test]
fn a_file_that_is_there_is_not_written_over() {
    needs_kvm!();
    let (guest, core) = guest(UD2);
    fs::write(&core, "precious").unwrap();
    let before = run(&guest, &core, &[]);
    before.expect(125, "there is a file of this name already");
    assert_eq!(fs::read(&core).unwrap(), b"precious");
    run(&guest, Path::new("/no/such/folder/core"), &[]).expect(127, "there is no folder /no/such/folder");
}

#[test]
fn a_core_that_cannot_be_written_changes_nothing() {
    needs_kvm!();
    let (guest, core) = guest(UD2);
    // In blocks of 1 KiB.
    let script = "ulimit -f 16; exec \"$0\" --kernel \"$1\" --core \"$2\"";
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60", "bash", "-c", script, env!("CARGO_BIN_EXE_ukvmm")]);
    let run = Run::of(command.arg(guest.kernel()).arg(&core).output().unwrap());
    run.expect(121, "there is no core, it cannot be written: File too large");
    assert!(!core.exists());
}

/// What `ukvmm gdb-core` has gdb say.
fn gdb_core(core: &Path, commands: &[&str]) -> Run {
    let arguments = ["-nx", "-batch"].into_iter().chain(commands.iter().flat_map(|command| ["-ex", command]));
    let arguments: Vec<_> = ["gdb-core", core.to_str().unwrap()].into_iter().chain(arguments).collect();
    let mut run = Run::of(ukvmm(&arguments).env("LC_ALL", "C").env_remove("GDB").output().unwrap());
    run.out = String::from_utf8_lossy(&run.out).split_whitespace().collect::<Vec<_>>().join(" ").into_bytes();
    run
}

#[test]
fn gdb_core_shows_a_core_as_a_machine_that_has_crashed() {
    needs_kvm!();
    // mov eax, 120; out 0xf4, al; hlt
    let (guest, core) = guest(&[0xb8, 120, 0, 0, 0, 0xe6, 0xf4, 0xf4]);
    run(&guest, &core, &[]).expect(120, "the guest's core is in");
    let commands = [
        "info threads",
        "x/i $pc",
        "p $cr3",
        "monitor tsc",
        "p $rax = 5",
        "set var *(char *)$pc = 1",
        "stepi",
    ];
    let run = gdb_core(&core, &commands);
    let out = String::from_utf8_lossy(&run.out);
    for expected in ["* 1 Thread 65536.1 (vCPU 0) 0xffffffff80100007 in dying ()", "<dying+7>: hlt", "PDBR=9"]
    {
        assert!(out.contains(expected), "{expected}: {run:?}");
    }
    assert!(!out.contains("$2 ="), "registers cannot be set: {run:?}");
    assert!(run.err.contains("the guest's kernel panicked"), "{run:?}");
    assert!(run.err.contains("Cannot access memory at address 0xffffffff80100007"), "{run:?}");
}

#[test]
fn a_core_is_opened_with_the_kernel_that_it_is_of() {
    needs_kvm!();
    let (guest, core) = guest(UD2);
    run(&guest, &core, &[]).expect(121, "the guest's core is in");
    let elsewhere = tempfile::tempdir().unwrap();
    let (moved, kernel) = (elsewhere.path().join("core"), elsewhere.path().join("kernel"));
    fs::copy(&core, &moved).unwrap();
    fs::rename(guest.kernel(), &kernel).unwrap();
    let beside = gdb_core(&moved, &["x/i &dying"]);
    assert!(String::from_utf8_lossy(&beside.out).contains("<dying>: ud2"), "{beside:?}");
    let absent = gdb_core(&core, &[]);
    absent.expect(127, "the kernel of core");
    absent.expect(127, "name it with --kernel FILE");
    fs::write(guest.kernel(), Elf::new(SPIN).bytes()).unwrap();
    gdb_core(&core, &[]).expect(127, "kernel is another build");
    let named =
        ukvmm(&["gdb-core", "--kernel", kernel.to_str().unwrap(), core.to_str().unwrap(), "-nx", "-batch"]);
    assert_eq!(Run::of({ named }.env_remove("GDB").output().unwrap()).status, Some(0));
}

#[test]
fn gdb_core_says_what_it_cannot_open() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    gdb_core(&file, &[]).expect(127, "core ");
    fs::write(&file, "no core").unwrap();
    gdb_core(&file, &[]).expect(125, "is no ELF file");
    fs::write(&file, Elf::new(SPIN).bytes()).unwrap();
    gdb_core(&file, &[]).expect(125, "is no core but another kind of ELF file");
}

#[test]
fn another_gdb_can_be_chosen() {
    needs_kvm!();
    let (guest, core) = guest(UD2);
    run(&guest, &core, &[]).expect(121, "the guest's core is in");
    let gdb = |gdb: &str| {
        let mut command = ukvmm(&["gdb-core", core.to_str().unwrap(), "-batch"]);
        Run::of(command.env("GDB", gdb).output().unwrap())
    };
    gdb("/no/gdb").expect(127, "/no/gdb cannot be started");
    let echo = gdb("echo");
    let out = String::from_utf8_lossy(&echo.out).into_owned();
    assert!(
        out.contains("kernel -ex target extended-remote | '") && out.ends_with("/core' -batch\n"),
        "{out}"
    );
}
