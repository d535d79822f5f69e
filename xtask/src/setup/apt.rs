//! Debian packages.

use anyhow::{Context, Result, bail, ensure};
use lab::process;
use std::path::Path;
use std::process::{Command, Stdio};

/// A package, and how to see that what it brings is there, wherever that came from.
#[derive(Clone, Copy)]
pub struct Package {
    name: &'static str,
    purpose: &'static str,
    is_there: fn() -> bool,
}

/// busybox without shared libraries, from which the root file systems of the guest and the lab are made.
pub const BUSYBOX: Package = Package {
    name: "busybox-static",
    purpose: "the programs of the root file system",
    is_there: has_static_busybox,
};

pub const QEMU: Package = Package {
    name: "qemu-system-x86",
    purpose: "the emulated CPU of the lab",
    is_there: || process::succeeds(Command::new("qemu-system-x86_64").arg("--version")),
};

pub const GDB: Package = Package {
    name: "gdb",
    purpose: "the debugger that the tests debug with",
    is_there: || process::succeeds(Command::new("gdb").args(["-nx", "-batch", "-ex", "python print(1)"])),
};

pub const BOCHS: Package = Package {
    name: "bochs",
    purpose: "an emulated CPU with PCID",
    is_there: || process::succeeds(Command::new("bochs").args(["--help", "cpu"])),
};

/// Debian's package `busybox` has the same program linked to shared libraries; that one will not do.
fn has_static_busybox() -> bool {
    let path = Path::new(super::BUSYBOX);
    std::fs::read(path).is_ok_and(|bytes| crate::elf::is_static(&bytes))
}

/// Installs those of `packages` that are missing.
pub fn install(packages: &[Package]) -> Result<()> {
    let missing: Vec<_> = packages.iter().filter(|package| !(package.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    for package in &missing {
        eprintln!("==> missing: {} ({})", package.name, package.purpose);
    }
    let names: Vec<_> = missing.iter().map(|package| package.name).collect();
    let by_hand =
        format!("by hand: apt-get update && apt-get install --no-install-recommends {}", names.join(" "));
    ensure!(has_apt(), "there is no apt-get here; install what Debian calls {}", names.join(", "));
    let Some(root) = as_root() else {
        bail!("only root may install packages, and there is no sudo without a password\n{by_hand}");
    };
    with_update(|| {
        let mut command = root.apt_get();
        command.args(["install", "--yes", "--no-install-recommends"]).args(&names);
        eprintln!("==> installing: {}", process::show(&command));
        process::run(command.stdout(Stdio::null()))
    })
    .with_context(|| by_hand)?;
    for package in missing {
        ensure!(
            (package.is_there)(),
            "{} is installed, but what it should bring does not work",
            package.name
        );
    }
    Ok(())
}

/// Does something that needs the lists of packages; if it fails, brings the lists up to date and does it again.
pub fn with_update<T>(body: impl Fn() -> Result<T>) -> Result<T> {
    let first = match body() {
        Ok(value) => return Ok(value),
        Err(error) => error,
    };
    let Some(root) = as_root() else { return Err(first) };
    let mut update = root.apt_get();
    update.arg("update");
    eprintln!("==> the lists of packages may be old: {}", process::show(&update));
    process::run(update.stdout(Stdio::null()))?;
    body()
}

pub fn has_apt() -> bool {
    process::succeeds(Command::new("apt-get").arg("--version"))
}

/// A way to be root.
enum Root {
    Already,
    Sudo,
}

/// Sudo counts only where it asks for no password: nobody may be there to answer.
fn as_root() -> Option<Root> {
    match process::text(Command::new("id").arg("-u")).ok()?.trim() {
        "0" => Some(Root::Already),
        _ => process::succeeds(Command::new("sudo").args(["-n", "true"])).then_some(Root::Sudo),
    }
}

impl Root {
    fn apt_get(&self) -> Command {
        let mut command = match self {
            Self::Already => Command::new("apt-get"),
            Self::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "--preserve-env=DEBIAN_FRONTEND", "apt-get"]);
                sudo
            }
        };
        command.arg("-qq").env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
        command
    }
}
