//! Every way in which a guest cannot be run, and what `ukvmm` says and exits with.

mod common;
use common::*;
use std::path::Path;
use std::process::Command;

fn run(args: &[&str]) -> Run {
    Run::of(ukvmm(args).output().unwrap())
}

#[test]
fn command_lines_that_make_no_sense() {
    if !Path::new("/usr/share/ukvmm/guest.elf").exists() {
        run(&[]).expect(127, "no kernel: --kernel names none");
    }
    run(&["--kernel", "k", "--memory", "lots"]).expect(125, "not an amount of memory");
    run(&["--kernel", "k", "--memory", "0"]).expect(125, "at least 4 MiB");
    run(&["--kernel", "k", "--timeout", "never"]).expect(125, "not a number of seconds");
    run(&["--kernel", "k", "--cpus", "0"]).expect(125, "--cpus 0: a guest has at least 1 virtual CPU");
    run(&["--kernel", "k", "--cpus", "65"]).expect(125, "at most 64");
    run(&["--kernel", "k", "--cpus=-1"]).expect(125, "--cpus");
    run(&["--kernel", "k", "--frobnicate"]).expect(125, "--frobnicate");
    assert_eq!(run(&["--help"]).status, Some(0));
    assert_eq!(run(&["--version"]).status, Some(0));
}

#[test]
fn a_kernel_that_is_not_there_or_cannot_be_read() {
    run(&["--kernel", "/absent/kernel"]).expect(127, "kernel /absent/kernel not found");
    run(&["--kernel", "/"]).expect(125, "is not a regular file");
    let guest = Guest::code(&[SPIN]);
    let fifo = guest.dir.path().join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    run(&["--kernel", fifo.to_str().unwrap()]).expect(125, "is not a regular file");
}

#[test]
fn a_kernel_that_may_not_be_read() {
    use std::os::unix::fs::PermissionsExt;
    let guest = Guest::code(&[SPIN]);
    std::fs::set_permissions(guest.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(guest.kernel(), PermissionsExt::from_mode(0o000)).unwrap();
    let Some(run) = copied_binary(&guest).and_then(|exe| {
        let mut command = Command::new(exe);
        command.arg("--kernel").arg(guest.kernel());
        as_nobody(command)
    }) else {
        // Not root: then this user may not read it either.
        return guest.run(&[]).expect(125, "cannot read kernel");
    };
    run.expect(125, "cannot read kernel");
}

/// Another user may not be able to reach the folder that we were built in.
fn copied_binary(guest: &Guest) -> Option<std::path::PathBuf> {
    let exe = guest.dir.path().join("ukvmm");
    // Copied by another process: a child that some other test starts meanwhile could inherit our descriptor of the file, and
    // what is open for writing cannot be executed (ETXTBSY).
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_ukvmm")).arg(&exe).status().ok()?;
    copied.success().then_some(exe)
}

#[test]
fn disks_that_are_none() {
    let guest = Guest::code(&[SPIN]);
    let file = guest.dir.path().join("disk");
    let disk = file.to_str().unwrap();
    guest.run(&["--disk", disk]).expect(127, "disk: not found");
    guest.run(&["--disk", "/"]).expect(125, "disk /: this is a folder");
    std::fs::write(&file, [0; 513]).unwrap();
    guest.run(&["--disk", disk]).expect(125, "its 513 bytes are no multiple of 512");
    guest.run(&["--disk", ",ro"]).expect(125, "--disk ,ro: an item is empty");
    std::fs::write(&file, [0; 512]).unwrap();
    guest.run(&["--disk", &format!("{disk},so")]).expect(125, "unknown \"so\"; known: ro, ");
    guest.run(&["--disk", disk, "--disk", disk]).expect(125, "another --disk, has it open");
}

#[test]
fn shares_that_are_none() {
    let guest = Guest::code(&[SPIN]);
    let folder = guest.dir.path().to_str().unwrap();
    let share = format!("tag=a,path={folder}");
    guest
        .run(&["--share", "tag=a,path=/absent/folder"])
        .expect(127, "share /absent/folder: there is no such folder");
    guest
        .run(&["--share", "tag=a,path=/proc/version"])
        .expect(125, "share /proc/version: it is not a folder");
    guest.run(&["--share", "tag=a"]).expect(125, "--share tag=a: path=… is missing");
    guest
        .run(&["--share", &format!("{share},rx")])
        .expect(125, "unknown \"rx\"; known: tag=…, socket=…, path=…, ro");
    let long = format!("tag={},path={folder}", "x".repeat(32));
    guest.run(&["--share", &long]).expect(125, "a tag has 1 to 31 bytes");
    guest.run(&["--share", &share, "--share", &share]).expect(125, "the tag \"a\" is given more than once");
}

#[test]
fn files_that_are_no_kernels() {
    needs_kvm!();
    let good = Elf::new(SPIN);
    let bytes = good.bytes();
    let refused = |bytes: &[u8], message: &str| Guest::from_bytes(bytes).run(&[]).expect(125, message);
    refused(b"", "is no kernel, neither an ELF file nor a bzImage: it is empty");
    refused(b"#!/bin/sh\n", "it is a script");
    refused(&bytes[..17], "is truncated: the ELF header");
    refused(&bytes[..63], "is truncated: the ELF header");
    refused(&bytes[..100], "is truncated: a program header");
    refused(&bytes[..bytes.len() - 1], "is truncated: a segment");
    refused(&Elf { class: 1, ..good.clone() }.bytes(), "32-bit");
    refused(&Elf { machine: 183, ..good.clone() }.bytes(), "for another machine (ELF machine 183)");
    refused(&Elf { kind: 3, ..good.clone() }.bytes(), "ELF type 3");
    refused(&Elf { phnum: 0, ..good.clone() }.bytes(), "no segment");
    refused(&Elf { entry: 0, ..good.clone() }.bytes(), "no entry point");
    refused(&Elf { entry: good.entry + 2, ..good.clone() }.bytes(), "entry point 0xffffffff80100002 outside");
    refused(&Elf { paddr: 0x1000, ..good.clone() }.bytes(), "below 1 MiB");
    refused(&Elf { paddr: 1 << 40, ..good.clone() }.bytes(), "outside the guest's RAM");
    refused(&Elf { memsz: Some(1 << 40), ..good.clone() }.bytes(), "outside the guest's RAM");
    refused(&Elf { memsz: Some(1), ..good }.bytes(), "malformed");
}

const SET: &str = "[[server]]\nname = 'log'\nprio = 1\nmemory = '1M'\n";

#[test]
fn servers_that_are_missing_or_wrong() {
    let guest = Guest::code(&[SPIN])
        .file("images/servers/s.toml", SET)
        .file("images/servers/bad.toml", "\n[[serve]]");
    guest.run(&["--servers", "absent"]).expect(127, "server set \"absent\" not found");
    guest.run(&["--servers", "/absent.toml"]).expect(127, "server set /absent.toml not found");
    guest.run(&["--servers", "bad"]).expect(125, "line 2");
    guest.run(&["--servers", "s"]).expect(127, "servers/sigma0 not found");
    let guest = guest.file("servers/sigma0", "").file("servers/root", "");
    guest.run(&["--servers", "s"]).expect(127, "server log");
    guest.run(&["--servers", "s", "--initrd", "/absent"]).expect(127, "server log");
}

#[test]
fn too_little_memory() {
    needs_kvm!();
    let big = "x".repeat(5 << 20);
    let guest = Guest::code(&[SPIN]).file("initrd", &big);
    let initrd = guest.dir.path().join("initrd");
    guest
        .run(&["--memory", "4M", "--initrd", initrd.to_str().unwrap()])
        .expect(125, "too little memory: kernel and modules need 8 MiB and the guest has 4");
}

#[test]
fn no_kvm() {
    let guest = Guest::code(&[SPIN]);
    let kernel = guest.kernel();
    let with_device = |device: &str, args: &[&str]| {
        let kernel = ["--kernel", kernel.to_str().unwrap()];
        Run::of(ukvmm(&[&kernel, args].concat()).env("UKVMM_KVM_DEVICE", device).output().unwrap())
    };
    with_device("/absent/kvm", &[]).expect(126, "/absent/kvm does not exist: this machine offers no KVM");
    with_device("/dev/null", &[]).expect(126, "/dev/null is not KVM");
    with_device("/", &[]).expect(126, "cannot open /");
    with_device("/absent/kvm", &[]).expect(126, "\n  - or do without KVM: ");
    // What may be found in its place: a file, a pipe (that nobody writes), a link to nothing.
    let guest = guest.file("file", "");
    let place = |name: &str| guest.dir.path().join(name);
    assert!(Command::new("mkfifo").arg(place("pipe")).status().unwrap().success());
    std::os::unix::fs::symlink("nothing", place("link")).unwrap();
    for (name, message) in [("file", " is not KVM"), ("pipe", " is not KVM"), ("link", " does not exist")] {
        with_device(place(name).to_str().unwrap(), &[]).expect(126, message);
    }
    let doctor = Run::of(ukvmm(&["doctor"]).env("UKVMM_KVM_DEVICE", "/absent/kvm").output().unwrap());
    assert_eq!(doctor.status, Some(126));
    let text = String::from_utf8(doctor.out).unwrap();
    assert!(text.contains("guests cannot run here") && text.contains("  - or do without KVM: "), "{text}");
}

#[test]
fn no_permission_for_kvm() {
    use std::os::unix::fs::PermissionsExt;
    let guest = Guest::code(&[SPIN]);
    let device = guest.dir.path().join("kvm");
    std::fs::write(&device, "").unwrap();
    std::fs::set_permissions(&device, PermissionsExt::from_mode(0o000)).unwrap();
    std::fs::set_permissions(guest.dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let command = |exe: &std::path::Path| {
        let mut command = Command::new(exe);
        command.arg("--kernel").arg(guest.kernel()).env("UKVMM_KVM_DEVICE", &device);
        command
    };
    let exe = copied_binary(&guest).unwrap();
    let run = as_nobody(command(&exe)).unwrap_or_else(|| Run::of(command(&exe).output().unwrap()));
    run.expect(126, "no permission to open");
    run.expect(126, "\n  - let every user of this machine use it: ");
}

#[test]
fn the_doctor_knows_what_this_is() {
    needs_kvm!();
    let run = Run::of(ukvmm(&["doctor"]).output().unwrap());
    let text = String::from_utf8(run.out).unwrap();
    assert_eq!(run.status, Some(0), "{text}");
    assert!(text.contains("guests can run here") && text.contains("cycles ="), "{text}");
    assert!(text.contains("--cpus up to "), "{text}");
}

#[test]
fn messages_as_json() {
    let run = run(&["--kernel", "/absent", "--log-format", "json"]);
    assert_eq!(run.status, Some(127));
    assert!(run.err.starts_with('{') && run.err.contains("\"level\":\"ERROR\""), "{run:?}");
    assert!(run.err.contains("\"message\":\"kernel /absent not found"), "{run:?}");
}
