//! Runs `ukvmm` on tiny guests whose code is written by hand.
#![allow(dead_code, reason = "each test file uses a part")]

pub mod elf;

pub use elf::Elf;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Says why a test does nothing, when there is no KVM at all. `$()` at the start of a test that runs a guest.
#[macro_export]
macro_rules! needs_kvm {
    () => {
        if !std::path::Path::new("/dev/kvm").exists() {
            eprintln!("SKIP {}: this machine has no /dev/kvm", module_path!());
            return;
        }
    };
}

/// A command line of ukvmm that gives up by itself. Not a guest's `--timeout`, which some tests give: a last resort.
pub fn ukvmm(args: &[&str]) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", "60", env!("CARGO_BIN_EXE_ukvmm")]).args(args);
    command.env_remove("UKVMM_KVM_DEVICE").stdin(Stdio::null());
    command
}

/// A folder with a kernel in it.
pub struct Guest {
    pub dir: tempfile::TempDir,
}

impl Guest {
    pub fn new(elf: &Elf) -> Self {
        Self::from_bytes(&elf.bytes())
    }
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kernel"), bytes).unwrap();
        Self { dir }
    }
    pub fn code(code: &[&[u8]]) -> Self {
        Self::new(&Elf::new(&code.concat()))
    }
    pub fn kernel(&self) -> PathBuf {
        self.dir.path().join("kernel")
    }
    /// Adds a file beside the kernel.
    pub fn file(self, name: &str, content: &str) -> Self {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }
    pub fn command(&self, args: &[&str]) -> Command {
        let kernel = self.kernel();
        ukvmm(&[&["--kernel", kernel.to_str().unwrap()], args].concat())
    }
    pub fn run(&self, args: &[&str]) -> Run {
        Run::of(self.command(args).output().unwrap())
    }
    /// Runs with `input` on a pipe.
    pub fn feed(&self, args: &[&str], input: &[u8]) -> Run {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Run::of(child.wait_with_output().unwrap())
    }
}

/// How it ended.
#[derive(Debug)]
pub struct Run {
    pub status: Option<i32>,
    pub signal: Option<i32>,
    pub out: Vec<u8>,
    pub err: String,
}

impl Run {
    pub fn of(output: Output) -> Self {
        Self {
            status: output.status.code(),
            signal: output.status.signal(),
            out: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into(),
        }
    }
    #[track_caller]
    pub fn expect(&self, status: i32, message: &str) {
        assert!(self.status == Some(status) && self.err.contains(message), "{status} {message:?}: {self:?}");
    }
}

/// Whether this is a KVM that emulates guest kernel mode: `ukvmm doctor` says so.
pub fn is_emulated() -> bool {
    let run = Run::of(ukvmm(&["doctor"]).output().unwrap());
    let text = String::from_utf8(run.out).unwrap();
    assert!(text.contains("is emulated") != text.contains("is native"), "{text}");
    text.contains("is emulated")
}

/// Runs as a user who is not root; `None` if we may not become another one.
pub fn as_nobody(mut command: Command) -> Option<Run> {
    use std::os::unix::process::CommandExt;
    command.uid(65534).gid(65534);
    match command.output() {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => None,
        output => Some(Run::of(output.unwrap())),
    }
}

pub fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

// Code.

/// `mov al, VALUE; out PORT, al`
pub fn out8(port: u8, value: u8) -> Vec<u8> {
    vec![0xb0, value, 0xe6, port]
}
/// `mov eax, VALUE; mov edx, PORT; out dx, eax`
pub fn out32(port: u16, value: u32) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend(value.to_le_bytes());
    code.push(0xba);
    code.extend(u32::from(port).to_le_bytes());
    code.push(0xef);
    code
}
/// Ends with a status.
pub fn exit(status: u8) -> Vec<u8> {
    out8(0xf4, status)
}
/// Prints on the debug port.
pub fn debug(text: &str) -> Vec<u8> {
    text.bytes().flat_map(|b| out8(0xe9, b)).collect()
}
/// `jmp` to itself.
pub const SPIN: &[u8] = &[0xeb, 0xfe];
pub const UD2: &[u8] = &[0x0f, 0x0b];
/// `popcnt eax, eax`
pub const POPCNT: &[u8] = &[0xf3, 0x0f, 0xb8, 0xc0];
pub const INT3: &[u8] = &[0xcc];
