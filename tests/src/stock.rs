//! Stock Linux kernels as guests, in the lab: their files, and the checks that run inside of them.
//!
//! One boot makes many checks, since booting is what takes long. In the guest they are scripts in `tests/stock/guest`, of which the kernel's
//! command line names one; the lab's side of them are scripts in `tests/stock/lab`.

use crate::batch::{self, Job, Results};
use crate::build::{Build, repository};
use crate::cpio::Archive;
use crate::guest::{self, LAB_LIMIT};
use crate::process::{self, End, Outcome};
use crate::programs;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The lab's memory in MiB: it has the kernels, the guest and the guest's disks in it.
const MEMORY_MIB: &str = "1536";
/// A boot's share of the lab's time, and a lab's of the time there is: all boots take half a minute on an idle machine.
const SECONDS: u64 = 60;
const LAB_SECONDS: u64 = 100;
/// CPUs of the lab. In a lab with one, QEMU's TCG lets a guest have an interrupt a second time now and then, whether it has them off or not
/// (`docs/lab.md`), and Linux panics or stands still; and the same instructions would be hit again. With two, which run side by side, that
/// has not been seen.
const CPUS: &str = "2";

/// What a boot needs.
pub struct Files {
    pub ukvmm: PathBuf,
    /// Debian's kernel for cloud machines, and the ELF file in it.
    pub bzimage: PathBuf,
    pub vmlinux: PathBuf,
    /// The ELF file of Debian's kernel for all machines, which knows 9P.
    pub generic: PathBuf,
    /// Root file system with the checks.
    pub initrd: PathBuf,
    /// Both ends of connections by virtio-vsock.
    pub vsock: PathBuf,
}

impl Files {
    /// Finds them, and writes the root file system.
    pub fn new(build: &Build) -> Result<Self, String> {
        let kernel = |name: &str| match build.path(name) {
            path if path.exists() => Ok(path),
            path => Err(format!(
                "{} is missing: run `cargo xtask setup`, then `cargo xtask build`",
                path.display()
            )),
        };
        let stock = kernel("images/stock.cpio")?;
        let out = build.tests();
        fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
        let vsock = out.join("vsock");
        programs::compile_c(&repository().join("tests/stock/vsock.c"), &vsock)?;
        Ok(Self {
            ukvmm: build.ukvmm()?,
            bzimage: kernel("lab/kernel/vmlinuz")?,
            vmlinux: kernel("lab/kernel/vmlinux")?,
            generic: kernel("lab/generic/vmlinux")?,
            initrd: write_initrd(build, &stock, &vsock)?,
            vsock,
        })
    }

    fn all(&self) -> [&Path; 6] {
        [&self.ukvmm, &self.bzimage, &self.vmlinux, &self.generic, &self.initrd, &self.vsock]
    }
}

/// Adds the guest's scripts, and its part of `vsock`, to the root file system at `stock`.
fn write_initrd(build: &Build, stock: &Path, vsock: &Path) -> Result<PathBuf, String> {
    let explain = |path: &Path| {
        let path = path.display().to_string();
        move |e: std::io::Error| format!("{path}: {e}")
    };
    let mut archive = Archive::open(fs::read(stock).map_err(explain(stock))?)?;
    archive.directory("tests");
    let folder = repository().join("tests/stock/guest");
    for entry in folder.read_dir().map_err(explain(&folder))?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        archive.program(&format!("tests/{name}"), &fs::read(entry.path()).map_err(explain(&entry.path()))?);
    }
    archive.program("tests/vsock", &fs::read(vsock).map_err(explain(vsock))?);
    let path = build.tests().join("stock.cpio");
    fs::write(&path, archive.finish()).map_err(explain(&path))?;
    Ok(path)
}

/// A script of `tests/stock/lab`, as a job with these arguments.
pub fn job(name: &str, script: &str, arguments: &[&str]) -> Job {
    let words = ["busybox", "sh", &text(&lab_script(script))].map(str::to_owned);
    let argv = words.into_iter().chain(arguments.iter().map(|&word| word.to_owned())).collect();
    Job { name: name.to_owned(), argv, stdin: "/dev/null".to_owned(), seconds: SECONDS }
}

fn lab_script(name: &str) -> PathBuf {
    repository().join("tests/stock/lab").join(name)
}

/// Runs jobs in one lab, or more labs if they take it down.
///
/// A boot that was upset by the lab's CPU is made again, each in a lab of its own. What is wrong with `ukvmm` is wrong every time.
pub fn run(build: &Build, files: &Files, jobs: &[Job]) -> Results {
    let mut results = run_once(build, files, jobs);
    for job in jobs {
        for _ in 0..AGAIN {
            if results.get(&job.name).is_some_and(is_upset) {
                eprintln!("==> stock::{}: the lab's CPU has upset the guest; again", job.name);
                results.extend(run_once(build, files, std::slice::from_ref(job)));
            }
        }
    }
    results
}

const AGAIN: usize = 2;
/// The end of a boot that was killed after [`SECONDS`].
const TIMED_OUT: End = End::Exited(137);

fn is_upset(result: &Result<Outcome, String>) -> bool {
    match result {
        Err(error) => error.starts_with(batch::MACHINE_ENDED),
        Ok(outcome) => {
            let said = String::from_utf8_lossy(&outcome.stdout);
            outcome.end == TIMED_OUT || UPSET.iter().any(|sign| said.contains(sign))
        }
    }
}

/// What Linux says when an interrupt came while interrupts were off: on the way into the kernel it is on a stack that has no room, or takes the
/// user's GS base for its own, and faults for ever.
const UPSET: [&str; 3] =
    ["ENTRY_TRAMPOLINE stack guard page was hit", "PANIC: double fault", "IRQs not disabled as expected"];

fn run_once(build: &Build, files: &Files, jobs: &[Job]) -> Results {
    batch::run(jobs, LAB_LIMIT, |script, left| {
        let path = build.tests().join("stock.sh");
        fs::write(&path, script).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
        let left = left.min(Duration::from_secs(LAB_SECONDS));
        let mut lab = guest::lab(left);
        lab.args(["--memory", MEMORY_MIB, "--exec", "busybox", "sh"]).arg(&path);
        // Every file that is named here is in the lab, at the same path; so many CPUs as are asked for here are in it.
        lab.args(files.all())
            .args(["control.sh", "crash.sh", "devices.sh", "share.sh", "status.sh"].map(lab_script));
        lab.args(["--cpus", CPUS]);
        process::run(lab, b"", left + guest::MARGIN)
    })
}

/// Writes the disk image that comes at the end of a job's output, packed by gzip and base64, to `build/tests`.
pub fn disk(build: &Build, stdout: &[u8]) -> Result<PathBuf, String> {
    const MARK: &[u8] = b"# disk\n";
    let at = stdout
        .windows(MARK.len())
        .position(|window| window == MARK)
        .ok_or("there is no disk in the output")?;
    let mut unpack = Command::new("busybox");
    unpack.args(["sh", "-c", "busybox base64 -d | busybox gunzip"]);
    let unpacked = process::run(unpack, &stdout[at + MARK.len()..], guest::MARGIN)?;
    let path = build.tests().join("stock.img");
    fs::write(&path, unpacked.stdout).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(path)
}

pub fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
