//! Cores that are written and read again, by us and by Debian's tools.

use super::layout::{Contents, Layout};
use super::manifest::{Manifest, Program};
use super::mock::Machine;
use super::open::{Core, CoreError, Defect};
use super::space::Mapping;
use super::vcpu::Vcpu;
use super::write::write;
use crate::debug::registers::{Registers, Vector};
use crate::debug::thread::Thread;
use crate::debug::view::View;
use crate::tiny_elf::{Elf, HIGH};
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

const RAM: usize = 8 << 20;
/// Where a test's kernel has been loaded, and runs.
const CODE: u64 = 0x10_0000;

fn registers(rip: u64) -> Registers {
    let vector = Vector { xmm: [5; 16], ymm_high: Some([6; 16]), ftag: 0xffff, ..Default::default() };
    Registers { rip, general: [3; 16], segments: [0x10, 0x18, 0, 0, 0, 0], vector, ..Default::default() }
}

/// Two vCPUs, of which the second has 64-bit paging on: RAM at -2 GiB.
fn machine() -> Machine {
    let mut machine = Machine::new(RAM);
    machine.put_u64(0x1000 + 8 * 511, 0x2003);
    machine.put_u64(0x2000 + 8 * 510, 0x3003);
    for (index, large) in (0..RAM as u64).step_by(2 << 20).enumerate() {
        machine.put_u64(0x3000 + 8 * index as u64, large | 0x83);
    }
    machine.put(CODE, &[0xf4; 16]);
    machine.put(RAM as u64 - 3, b"end");
    let paging = Registers { cr0: 1 << 31, cr3: 0x1000, efer: 1 << 10, ..registers(HIGH + CODE) };
    machine.vcpus = vec![
        Vcpu { registers: Some(registers(0x33)), tsc: None },
        Vcpu { registers: Some(paging), tsc: Some(77) },
        Vcpu::default(),
    ];
    machine
}

fn manifest() -> Manifest {
    let kernel = Program { name: "kernel".into(), path: "/k/kernel".into(), size: 1, sha256: "00".into() };
    Manifest {
        ukvmm: "0".into(),
        status: 120,
        message: "the end".into(),
        vcpus: 0,
        culprit: Some(1),
        kernel,
        servers: vec![],
        ram: vec![],
    }
}

fn contents(machine: &Machine) -> Contents<'_> {
    let threads = vec![(Thread::l4(5, 1), registers(0x20_0000))];
    Contents { view: machine, signal: 6, threads, space: vec![], manifest: manifest() }
}

fn write_to(path: &Path, contents: &Contents<'_>) -> u64 {
    write(&File::create_new(path).unwrap(), contents).unwrap()
}

/// Runs a program of Debian's and returns what it prints.
fn run(program: &str, arguments: &[&str]) -> String {
    let mut command = Command::new("timeout");
    let output =
        command.args(["--kill-after=5", "60", program]).args(arguments).env("LC_ALL", "C").output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn a_core_is_read_as_the_machine_that_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    let machine = machine();
    write_to(&path, &contents(&machine));
    let core = Core::open(&path).unwrap();
    assert_eq!(core.vcpus(), 3);
    for index in 0..3 {
        assert_eq!(core.registers(index), machine.registers(index));
        assert_eq!(core.tsc(index), machine.tsc(index));
    }
    assert_eq!((core.registers(3), core.tsc(3)), (None, None));
    assert_eq!(core.ram(), machine.ram());
    let mut memory = vec![1; RAM];
    core.read(0, &mut memory).unwrap();
    assert!(memory == machine.memory);
    assert!(core.read(RAM as u64 - 1, &mut [0; 2]).is_err() && core.read(u64::MAX, &mut [0]).is_err());
    assert_eq!(core.manifest().message, "the end");
    assert_eq!((core.manifest().vcpus, core.manifest().kernel.file_name()), (3, Path::new("kernel")));
}

#[test]
fn pages_of_zeroes_take_no_room() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    // Three tables, the code, the last page.
    assert_eq!(write_to(&path, &contents(&machine())), 5 << 12);
    assert!(path.metadata().unwrap().len() > RAM as u64);
    let empty = dir.path().join("empty");
    let machine = Machine::new(RAM);
    assert_eq!(write_to(&empty, &contents_of_nothing(&machine)), 0);
    assert!(empty.metadata().unwrap().blocks() * 512 < RAM as u64 / 4);
}

fn contents_of_nothing(machine: &Machine) -> Contents<'_> {
    let manifest = Manifest { culprit: None, ..manifest() };
    Contents { threads: vec![], manifest, ..contents(machine) }
}

#[test]
fn readelf_understands_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    write_to(&path, &contents(&machine()));
    let text = run("readelf", &["--headers", "--notes", "--wide", path.to_str().unwrap()]);
    assert!(text.contains("CORE (Core file)") && text.contains("Advanced Micro Devices X86-64"), "{text}");
    assert!(!text.contains("Warning") && !text.contains("Error"), "{text}");
    assert_eq!(text.matches("NT_PRSTATUS").count(), 3, "{text}");
    assert_eq!(text.matches("NT_X86_XSTATE").count(), 3, "{text}");
    assert_eq!(text.matches("UKVMM").count(), 4, "{text}");
    let load = "0xffffffff80000000 0x0000000000000000 0x800000 0x800000 RWE";
    assert!(text.contains(load), "{text}");
}

#[test]
fn plain_gdb_shows_where_the_kernel_died() {
    let dir = tempfile::tempdir().unwrap();
    let (kernel, path) = (dir.path().join("kernel"), dir.path().join("core"));
    let mut elf = Elf::new(&[0xf4; 16]);
    elf.symbol = Some("dying");
    fs::write(&kernel, elf.bytes()).unwrap();
    write_to(&path, &contents(&machine()));
    let commands = [
        "info threads",
        "backtrace 1",
        "x/2xb dying",
        "p $ymm1.v4_int64[2]",
        "x/s 0xffffffff807ffffd",
        "thread 3",
    ];
    let commands = commands.iter().flat_map(|command| ["-ex", command]);
    let files = [kernel.to_str().unwrap(), path.to_str().unwrap()];
    let text = run("gdb", &["-nx", "-batch"].into_iter().chain(commands).chain(files).collect::<Vec<_>>());
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for expected in [
        "terminated with signal SIGABRT",
        "* 1 LWP 2 0xffffffff80100000 in dying ()",
        "2 LWP 1 0x0000000000000033",
        "3 LWP 50002 0x0000000000200000",
        "#0 0xffffffff80100000 in dying ()",
        "<dying>: 0xf4 0xf4",
        "$1 = 6 ",
        "\"end\"",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert!(!text.contains("warning: "), "{text}");
}

#[test]
fn without_page_tables_the_kernel_s_space_is_what_we_are_told() {
    let machine = Machine { vcpus: vec![Vcpu::default()], ..machine() };
    let space = vec![Mapping { virt: HIGH + CODE, phys: CODE, length: 1 << 12 }];
    let head = Layout::of(&Contents { space, ..contents_of_nothing(&machine) }).head;
    // Address in memory, in the second program header.
    assert_eq!(head[64 + 56 + 16..][..8], (HIGH + CODE).to_le_bytes());
}

/// What is wrong with a core of which something has been changed.
fn defect(change: impl FnOnce(&mut Vec<u8>)) -> Defect {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    write_to(&path, &contents(&machine()));
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    match Core::open(&path) {
        Err(CoreError::Core { what, .. }) => what,
        other => panic!("{other:?}"),
    }
}

/// Changes text in a core's manifest into other text of the same length.
fn edited(from: &str, to: &str) -> impl FnOnce(&mut Vec<u8>) {
    assert_eq!(from.len(), to.len());
    move |bytes| {
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
}

#[test]
fn what_is_wrong_with_a_core_is_said() {
    assert!(matches!(defect(|core| core.truncate(0)), Defect::NoElf(_)));
    assert!(matches!(defect(|core| core.truncate(100)), Defect::Truncated { size: 100, .. }));
    assert!(matches!(defect(|core| core.truncate(1000)), Defect::Truncated { size: 1000, .. }));
    assert!(matches!(defect(|core| core.truncate(core.len() - 1)), Defect::Truncated { .. }));
    assert!(matches!(defect(|core| core[16] = 2), Defect::NoCore));
    assert!(matches!(defect(|core| core[18] = 3), Defect::NotOurs));
    assert!(matches!(defect(|core| core[0] = 0), Defect::NoElf(_)));
    assert!(matches!(defect(edited("message", "massage")), Defect::Manifest(_)));

    let error = Core::open(Path::new("/no/core")).unwrap_err();
    assert_eq!(error.status(), 127);
}
