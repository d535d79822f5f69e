//! What is measured: the L4 system with its two ways in for Linux' system calls, and a stock Linux kernel with three command lines.

use super::programs;
use crate::paths;
use crate::setup::Kernel;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A system that runs the suite.
#[derive(Debug)]
pub struct System {
    /// The name of its results' file.
    pub key: &'static str,
    /// The heading of its column.
    pub title: &'static str,
    pub kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The µ-kernel with a server set.
    L4 { servers: &'static str },
    /// Debian's kernel with these words on its command line.
    Linux { options: &'static str },
}

/// In the order of the columns. The first is what everything is compared with.
pub const SYSTEMS: [System; 5] = [
    System {
        key: "linux-off",
        title: "Linux, mitigations off",
        kind: Kind::Linux { options: "mitigations=off" },
    },
    System { key: "linux-default", title: "Linux, default", kind: Kind::Linux { options: "" } },
    System {
        key: "linux-lean",
        title: "Linux, lean",
        kind: Kind::Linux { options: "mitigations=off init_on_alloc=0 randomize_kstack_offset=off" },
    },
    System { key: "l4-forwarded", title: "L4, forwarded", kind: Kind::L4 { servers: "linux" } },
    System { key: "l4-trampoline", title: "L4, trampoline", kind: Kind::L4 { servers: "linux-trampoline" } },
];

/// A boot: which file system, and what the first program is.
pub struct Boot<'a> {
    pub initrd: &'a Path,
    /// `None`: the script that measures.
    pub program: Option<&'a str>,
    /// Which try of a boot it is, from 1.
    pub attempt: u32,
}

/// Memory of every guest.
const MEMORY: &str = "256M";
/// A guest's limit, in seconds of the lab's time: some times what the longest takes.
const SECONDS: &str = "600";

impl System {
    pub fn is_linux(&self) -> bool {
        matches!(self.kind, Kind::Linux { .. })
    }

    /// What is measured with this system, as a file of results says it.
    pub fn kernel_name(&self, stock: &Kernel) -> String {
        match self.kind {
            Kind::L4 { .. } => format!("ukernel {}", env!("CARGO_PKG_VERSION")),
            Kind::Linux { .. } => format!("Linux {}", stock.release),
        }
    }

    /// The files that it is made of, and their names: the kernel, and its servers.
    pub fn parts(&self, stock: &Kernel) -> Result<Vec<(String, PathBuf)>> {
        match self.kind {
            Kind::L4 { servers } => server_set(servers),
            Kind::Linux { .. } => Ok(vec![("vmlinuz".to_owned(), stock.lab.image.clone())]),
        }
    }

    /// The arguments of `ukvmm`.
    pub fn arguments(&self, stock: &Kernel, boot: &Boot<'_>) -> Result<Vec<OsString>> {
        let mut words: Vec<OsString> = vec!["--memory".into(), MEMORY.into()];
        words.extend(["--timeout", SECONDS, "--initrd"].map(Into::into));
        words.push(boot.initrd.into());
        match self.kind {
            Kind::L4 { servers } => {
                words.extend(["--kernel".into(), paths::absolute(&paths::build().join("guest.elf"))?.into()]);
                words.extend(["--servers", servers, "--"].map(Into::into));
                match boot.program {
                    Some(program) => words.push(program.into()),
                    None => words.extend(["/bin/busybox", "sh", programs::MEASURE].map(Into::into)),
                }
            }
            Kind::Linux { options } => {
                words.extend(["--kernel".into(), paths::absolute(&stock.lab.image)?.into()]);
                words.extend(["--cmdline".into(), command_line(options, boot).into()]);
            }
        }
        Ok(words)
    }

    /// The files that the lab needs besides those of `build/`.
    pub fn files(&self, stock: &Kernel, boot: &Boot<'_>) -> Result<Vec<PathBuf>> {
        let mut files = vec![boot.initrd.to_owned()];
        if self.is_linux() {
            files.push(paths::absolute(&stock.lab.image)?);
        }
        Ok(files)
    }
}

/// The kernel, and the servers of a set: those of every set, and those that its file names.
pub fn server_set(name: &str) -> Result<Vec<(String, PathBuf)>> {
    #[derive(Deserialize)]
    struct Set {
        server: Vec<Server>,
    }
    #[derive(Deserialize)]
    struct Server {
        name: String,
        elf: Option<String>,
    }
    let build = paths::build();
    let path = build.join("images/servers").join(name).with_extension("toml");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let set: Set = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
    let own = set.server.into_iter().map(|server| server.elf.unwrap_or(server.name));
    let servers = ["sigma0", "root"].map(str::to_owned).into_iter().chain(own);
    let files = ["ukvmm", "guest.elf"].map(str::to_owned).into_iter();
    let files = files.chain(servers.map(|name| format!("servers/{name}")));
    Ok(files.map(|name| (name.clone(), build.join(name))).collect())
}

/// The command line of a stock kernel. In another try something has to be different, or the same would happen at the same instruction.
fn command_line(options: &str, boot: &Boot<'_>) -> String {
    let mut words = vec!["quiet".to_owned()];
    words.extend(options.split_ascii_whitespace().map(str::to_owned));
    words.extend(boot.program.map(|program| format!("rdinit={program}")));
    if boot.attempt > 1 {
        words.push(format!("attempt={}", boot.attempt));
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_try_is_not_the_same() {
        let boot = |attempt, program| Boot { initrd: Path::new("/i"), program, attempt };
        assert_eq!(command_line("a=1 b", &boot(1, None)), "quiet a=1 b");
        assert_eq!(command_line("", &boot(2, Some("/x"))), "quiet rdinit=/x attempt=2");
    }

    #[test]
    fn each_system_has_a_file_of_its_own() {
        for (at, system) in SYSTEMS.iter().enumerate() {
            assert!(SYSTEMS[..at].iter().all(|other| other.key != system.key), "{}", system.key);
        }
    }
}
