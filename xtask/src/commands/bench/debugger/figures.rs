//! Ticks of the time stamp counter for what a debugger does: in the lab, where they are instructions of all that is done for it, by the guest, KVM, `ukvmm` and
//! the debugger; and on this machine's KVM, where they are time.

use crate::commands::bench::image;
use crate::commands::bench::ticks::Collected;
use crate::setup::BUSYBOX;
use crate::{lab, paths};
use ::lab::process;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const TIMEOUT: Duration = Duration::from_secs(300);
/// Where the debugger comes, here and in the lab. It is in the current folder.
pub const SOCKET: &str = "debugger.socket";
/// The servers that a debugger asks.
const SERVERS: [&str; 3] = ["root", "console", "linux"];
/// Runs on this machine, of which the least figures count.
const RUNS: usize = 5;

/// The programs that measure.
pub struct Programs {
    pub folder: PathBuf,
    pub load: PathBuf,
    pub debugger: PathBuf,
}

/// Ticks by name, and `frequency`: how many there are in a second.
pub type Figures = BTreeMap<String, u64>;

impl Programs {
    pub fn compile(folder: &Path) -> Result<Self> {
        let compile = |name: &str| {
            let source = image::source(&format!("debugger/{name}.c"));
            image::compile(folder.join(name), &[source], &["-O2"])
        };
        Ok(Self { folder: folder.to_owned(), load: compile("load")?, debugger: compile("debugger")? })
    }
}

/// As a shell does it: nobody could come, nobody comes, a debugger comes.
fn script(programs: &Programs, initrd: &Path) -> Result<String> {
    let build = paths::absolute(&paths::build())?;
    let show = |path: &Path| process::quote(&path.display().to_string());
    let ukvmm = format!(
        "{} --kernel {} --servers linux --initrd {}",
        show(&build.join("ukvmm")),
        show(&build.join("guest.elf")),
        show(initrd)
    );
    let debugger = show(&programs.debugger);
    Ok(format!(
        "set -e\n{ukvmm} -- /bench/load alone\n{ukvmm} --gdb unix:{SOCKET} -- /bench/load nobody\n\
         {debugger} {SOCKET} {ukvmm} --gdb unix:{SOCKET},wait=on -- /bench/load\n"
    ))
}

pub fn in_lab(programs: &Programs, initrd: &Path) -> Result<Figures> {
    let build = paths::absolute(&paths::build())?;
    let mut files = crate::commands::lab::build_files()?;
    files.extend([build.join("ukvmm"), programs.debugger.clone(), initrd.into()]);
    // A debugger knows of the servers' data by their symbols.
    files.extend(SERVERS.map(|name| build.join(format!("servers/{name}.debug"))));
    let script = format!("cd /tmp\n{}", script(programs, initrd)?);
    let job = lab::Job {
        program: BUSYBOX.into(),
        args: ["sh", "-c", &script].map(Into::into).into(),
        files,
        stdin: vec![],
        timeout: TIMEOUT,
        memory_mib: crate::commands::lab::MEMORY_MIB,
        sockets: vec![],
        plugin: None,
    };
    process::step("the lab: what a debugger costs", || {
        let mut output = Collected::default();
        let outcome = lab::run(&job, &mut output)?;
        let errors = String::from_utf8_lossy(&output.stderr);
        ensure!(outcome.status == 0, "in the lab, it ended with status {}\n{errors}", outcome.status);
        Figures::parse(&String::from_utf8_lossy(&output.stdout))
    })
}

/// `None` where there is no KVM to measure.
pub fn here(programs: &Programs, initrd: &Path) -> Result<Option<Figures>> {
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        eprintln!("==> no figures from this machine's KVM: /dev/kvm: {error}");
        return Ok(None);
    }
    let script = script(programs, initrd)?;
    let run = || {
        let mut sh = Command::new("timeout");
        sh.arg(TIMEOUT.as_secs().to_string()).args(["sh", "-c", &script]).current_dir(&programs.folder);
        Figures::parse(&process::text(&mut sh)?)
    };
    process::step("this machine: what a debugger costs", || {
        let mut least = run()?;
        for _ in 1..RUNS {
            let figures = run()?;
            least
                .iter_mut()
                .for_each(|(name, ticks)| *ticks = figures.get(name).map_or(*ticks, |more| *more.min(ticks)));
        }
        Ok(Some(least))
    })
}

trait Parse: Sized {
    fn parse(text: &str) -> Result<Self>;
}

impl Parse for Figures {
    /// Lines `NAME TICKS`, the last of which is the counter's frequency.
    fn parse(text: &str) -> Result<Self> {
        let mut figures = Self::new();
        for line in text.lines() {
            let figure = line.trim_end().split_once(' ').context("a line is no measurement");
            let (name, ticks) = figure.with_context(|| format!("{line:?}"))?;
            let ticks = ticks.parse().with_context(|| format!("{line:?} is no measurement"))?;
            figures.insert(name.to_owned(), ticks);
        }
        ensure!(figures.contains_key("frequency"), "the debugger did not come to its end:\n{text}");
        Ok(figures)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measurements_are_read_to_the_end() {
        let figures = Figures::parse("alone-call 138\r\nstep 1000\nfrequency 2600000000\n").unwrap();
        assert_eq!((figures["alone-call"], figures["step"]), (138, 1000));
        assert!(Figures::parse("step 1000\n").is_err(), "without an end");
        assert!(Figures::parse("step x\nfrequency 1\n").is_err());
        assert!(Figures::parse("panic\nfrequency 1\n").is_err());
    }
}
