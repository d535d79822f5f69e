//! The lab's machine.

use crate::job::{Disk, Job, Outcome, Sink};
use crate::kernel::Kernel;
use crate::process;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Status of a run that took too long, as `timeout` has it.
const TIMED_OUT: u8 = 124;
/// How often the machine's output is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Grace between the signal that ends QEMU and the one that kills it.
const GRACE: &str = "5";
/// The emulator.
pub const QEMU: &str = "qemu-system-x86_64";
/// How long the program's start may take: far longer than it does on a machine that is busy.
const START_LIMIT: Duration = Duration::from_secs(300);
/// Lines of the console shown when the lab itself fails.
const LAST_LINES: usize = 15;

/// Number of the virtio console's first port that is a socket; those below are the program's streams and status.
pub const FIRST_SOCKET: usize = 4;
/// File with what the program has written to the port behind the last of the sockets.
pub const RECORDS: &str = "profile";

/// The lab's kernel: says little, and nothing in it is random. `nolapic_timer` makes it use the HPET: to find the
/// frequency of the local APIC's timer it would spin for 0.2 s, which takes seconds in an emulated CPU.
const KERNEL_ARGS: &str = "console=ttyS0 quiet panic=-1 reboot=t rdinit=/init nokaslr norandmaps \
                           cryptomgr.notests nolapic_timer";

/// Besides, where there are several CPUs: they have one time stamp counter, the host's. Linux does not know that and calls it unstable; then KVM gives
/// each virtual CPU a counter of its own, and they drift apart by milliseconds. An interrupt that comes between STI and HLT leaves a CPU of the lab asleep
/// until the next one: with `nohz=off` that is soon.
const KERNEL_ARGS_SMP: &str = " tsc=reliable nohz=off";

/// Runs the machine to its end. Its files are in `folder`, of a profile also what comes back.
pub fn run(folder: &Path, kernel: &Kernel, job: &Job, sink: &mut dyn Sink) -> Result<Outcome> {
    for name in ["stdout", "stderr", "status", "console.log"] {
        File::create(folder.join(name))?;
    }
    let begin = Instant::now();
    let mut command = command(folder, kernel, job)?;
    if job.profile.is_some() {
        File::create(folder.join(RECORDS))?;
        let port = FIRST_SOCKET + job.sockets.len();
        command.args(["-chardev", &chardev(folder, RECORDS)]);
        command.args(["-device", &format!("virtserialport,chardev={RECORDS},nr={port}")]);
    }
    let mut child = command.spawn().with_context(|| format!("cannot start {QEMU}"))?;
    let result = follow(&mut child, folder, sink, begin);
    if result.is_err() {
        // SIGTERM, which `timeout` passes on to QEMU; SIGKILL would end `timeout` alone.
        process::succeeds(Command::new("sh").args(["-c", &format!("kill {}", child.id())]));
        child.wait()?;
    }
    let (exit, started) = result?;
    if exit.code() == Some(TIMED_OUT.into()) {
        let limit = job.limit.unwrap_or_default().as_secs();
        let log = folder.with_file_name("last").join("console.log");
        eprintln!("lab: not at an end within {limit} s of real time; the console log is {}", log.display());
        return Ok(Outcome {
            status: TIMED_OUT,
            started: started.unwrap_or_default(),
            total: begin.elapsed(),
        });
    }
    let status = fs::read_to_string(folder.join("status"))?;
    let status =
        status.lines().find_map(|line| line.strip_prefix("exit ")).and_then(|word| word.parse().ok());
    match (status, started) {
        (Some(status), Some(started)) => Ok(Outcome { status, started, total: begin.elapsed() }),
        _ => bail!("the lab failed ({exit})\n{}", last_words(folder)),
    }
}

/// Passes on the machine's output until it ends. Returns also when the program was started.
fn follow(
    child: &mut Child,
    folder: &Path,
    sink: &mut dyn Sink,
    begin: Instant,
) -> Result<(ExitStatus, Option<Duration>)> {
    let mut stdout = File::open(folder.join("stdout"))?;
    let mut stderr = File::open(folder.join("stderr"))?;
    let mut started = None;
    loop {
        let ended = child.try_wait()?;
        if started.is_none() && fs::metadata(folder.join("status"))?.len() > 0 {
            started = Some(begin.elapsed());
            sink.started();
        }
        if sink.is_over() {
            bail!("ended before its end");
        }
        if started.is_none() && begin.elapsed() > START_LIMIT {
            bail!("the lab has not started within {} s\n{}", START_LIMIT.as_secs(), last_words(folder));
        }
        let (mut out, mut err) = (Vec::new(), Vec::new());
        stdout.read_to_end(&mut out)?;
        stderr.read_to_end(&mut err)?;
        sink.stdout(&out)?;
        sink.stderr(&err)?;
        match ended {
            Some(exit) => return Ok((exit, started)),
            None => std::thread::sleep(POLL),
        }
    }
}

/// QEMU's command line. `timeout` sees to it that QEMU ends even if xtask is killed.
fn command(folder: &Path, kernel: &Kernel, job: &Job) -> Result<Command> {
    let file = |name: &str| chardev(folder, name);
    let mut command = Command::new("timeout");
    // 0: no limit.
    let limit = job.limit.map_or(0, |limit| limit.as_secs().max(1));
    command.args(["--foreground", "--kill-after", GRACE, &limit.to_string()]);
    command.args([QEMU, "-machine", "q35", "-accel", "tcg", "-cpu", "EPYC,+svm,+npt"]);
    let cpus = job.cpus();
    command.args(["-smp", &cpus.to_string()]);
    if cpus == 1 {
        // With more, one that waits for another would get a turn of 0.1 s of the machine's time, which is seconds of ours.
        command.args(["-icount", if job.waits { "shift=0" } else { "shift=0,sleep=off" }]);
    }
    command.args(["-rtc", if job.waits { "base=utc" } else { "base=2020-01-01,clock=vm" }, "-seed", "1"]);
    command.args([
        "-m",
        &job.memory_mib.to_string(),
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
    ]);
    command
        .arg("-kernel")
        .arg(&kernel.image)
        .arg("-initrd")
        .arg(folder.join("initrd"))
        .arg("-append")
        .arg(KERNEL_ARGS.to_owned() + if cpus > 1 { KERNEL_ARGS_SMP } else { "" });
    command.args(["-chardev", &file("console.log"), "-serial", "chardev:console.log"]);
    // Without ioeventfd a write is done in the CPU's own thread: nothing is left to the host's scheduler.
    command.args(["-device", "virtio-serial-pci,ioeventfd=off"]);
    for (nr, name) in (1..).zip(["stdout", "stderr", "status"]) {
        command.args(["-chardev", &file(name), "-device", &format!("virtserialport,chardev={name},nr={nr}")]);
    }
    for (nr, path) in (FIRST_SOCKET..).zip(&job.sockets) {
        let socket = format!("socket,id=socket{nr},server=on,wait=off,path={}", escaped(path));
        command.args(["-chardev", &socket, "-device", &format!("virtserialport,chardev=socket{nr},nr={nr}")]);
    }
    for (n, Disk { path, read_only }) in job.disks.iter().enumerate() {
        let read_only = if *read_only { ",readonly=on" } else { "" };
        let drive = format!("if=none,id=disk{n},format=raw,file={}{read_only}", escaped(path));
        command.args(["-drive", &drive, "-device", &format!("virtio-blk-pci,drive=disk{n}")]);
    }
    if let Some(plugin) = &job.plugin {
        command.arg("-plugin").arg(plugin);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(folder.join("qemu.log"))?);
    Ok(command)
}

/// A file in `folder` as one end of a device.
fn chardev(folder: &Path, name: &str) -> String {
    format!("file,id={name},path={}", escaped(&folder.join(name)))
}

/// As a value among QEMU's options.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// The ends of the logs that tell why there is no status.
fn last_words(folder: &Path) -> String {
    let mut text = String::new();
    for name in ["qemu.log", "console.log"] {
        let log = fs::read(folder.join(name)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> =
            log.lines().filter(|line| !line.contains("TCG doesn't support requested feature")).collect();
        text += &format!("{name}:\n");
        for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
            text += &format!("    {line}\n");
        }
    }
    text
}
