//! `cargo xtask build`: host and guest, into `build/`.
//!
//! | file | what |
//! |---|---|
//! | `ukvmm` | the VMM; needs no shared library |
//! | `guest.elf` | the kernel, with debug information |
//! | `servers/NAME` | a server as it is loaded, `servers/NAME.debug` the same with symbols |
//! | `gdb/`, `ukvmm-gdb.py`, `PROGRAM-gdb.py` | what gdb gets to know |
//! | `images/initrd.cpio` | the root file system of `images/rootfs/linux.toml` |
//! | `images/stock.cpio` | that of `images/rootfs/stock.toml`, for stock kernels, if there are any (`cargo xtask setup`) |
//! | `images/servers/NAME.toml` | the server sets |
//! | `images/bundle-NAME.img` | a server set in one file, for QEMU's `-initrd` |

use crate::cargo::{self, KERNEL, cargo};
use crate::{elf, gdb, paths, rootfs, setup};
use anyhow::{Context, Result};
use lab::process;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use ukernel_abi::names::SYMBOL as NAMES;

/// What all commands have that use the build. (Not `Args`: clap wants the names of structs that it flattens to differ.)
#[derive(clap::Args, Default)]
pub struct BuildArgs {
    /// Use what is in build/ as it is
    #[arg(long, env = "UKVMM_NO_BUILD", value_parser = clap::builder::FalseyValueParser::new())]
    no_build: bool,
}

impl BuildArgs {
    /// Builds, unless that was forbidden.
    pub fn make(&self) -> Result<()> {
        if self.no_build { Ok(()) } else { build() }
    }
}

/// Set up what is missing and build everything.
pub fn build() -> Result<()> {
    setup::for_build()?;
    let bundle = host()?;
    guest()?;
    images(&bundle)
}

/// Where the program `bundle` is, once everything has been built.
pub fn bundle() -> Result<PathBuf> {
    host()
}

/// Returns where the program `bundle` is, which is built along with `ukvmm` because it shares its library.
fn host() -> Result<PathBuf> {
    let mut command = cargo("build");
    command.args(["--release", "--package", "ukvmm", "--package", "bundle", "--bins"]);
    let programs = cargo::programs(cargo::for_static_host(&mut command))?;
    install(built(&programs, "ukvmm")?, &paths::build().join("ukvmm"))?;
    Ok(built(&programs, "bundle")?.to_owned())
}

fn guest() -> Result<()> {
    let servers = cargo::servers()?;
    let mut command = cargo("build");
    command.args(["--profile", "guest", "--bins"]);
    let programs = cargo::programs(cargo::for_guest(&mut command, &servers))?;
    install(built(&programs, KERNEL)?, &paths::build().join("guest.elf"))?;
    let folder = paths::build().join("servers");
    for cargo::Server { program: name, .. } in &servers {
        let program = built(&programs, name)?;
        install(program, &folder.join(format!("{name}.debug")))?;
        strip(program, &folder.join(name))?;
        let stripped = fs::read(folder.join(name))?;
        elf::check_server(&stripped).with_context(|| format!("server {name} cannot be mapped in place"))?;
    }
    for (from, to) in gdb::files(&servers)? {
        install(&from, &to)?;
    }
    Ok(())
}

/// The images that are made of what was built.
fn images(bundle: &Path) -> Result<()> {
    let images = paths::build().join("images");
    write(
        &images.join("initrd.cpio"),
        &rootfs::archive(&paths::root().join("images/rootfs/linux.toml"))?.to_bytes()?,
    )?;
    if !setup::guests()?.is_empty() {
        let stock = rootfs::archive(&paths::root().join("images/rootfs/stock.toml"))?;
        write(&images.join("stock.cpio"), &stock.to_bytes()?)?;
    }
    let sets = fs::read_dir(paths::root().join("images/servers"))?.collect::<Result<Vec<_>, _>>()?;
    let sets = sets
        .into_iter()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "toml"));
    let sets: Vec<_> = sets.collect();
    for set in &sets {
        install(set, &images.join("servers").join(set.file_name().unwrap_or_default()))?;
    }
    for set in &sets {
        let stem = set.file_stem().unwrap_or_default().to_string_lossy();
        replace(&images.join(format!("bundle-{stem}.img")), |image| {
            process::run(Command::new(bundle).arg(paths::build()).arg(set).arg(image))
        })?;
    }
    Ok(())
}

fn built<'a>(programs: &'a BTreeMap<String, PathBuf>, name: &str) -> Result<&'a Path> {
    Ok(programs.get(name).with_context(|| format!("cargo built no program {name}"))?)
}

/// Copies a file to a place where a program may be running from: the old file stays until the new one is whole.
fn install(from: &Path, to: &Path) -> Result<()> {
    replace(to, |fresh| Ok(fs::copy(from, fresh).map(drop)?))
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    replace(to, |fresh| Ok(fs::write(fresh, bytes)?))
}

/// Copies a program without its symbols, but for the one that tells who looks from outside what tasks are called.
pub fn strip(from: &Path, to: &Path) -> Result<()> {
    let kept = ["--strip-all", "--keep-symbol", NAMES];
    replace(to, |fresh| process::run(Command::new("objcopy").args(kept).arg(from).arg(fresh)))
}

fn replace(to: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = to.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut fresh = to.as_os_str().to_owned();
    fresh.push(format!(".new{}", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let result = make(&fresh).and_then(|()| Ok(fs::rename(&fresh, to)?));
    if result.is_err() {
        drop(fs::remove_file(&fresh));
    }
    result.with_context(|| format!("cannot make {}", to.display()))
}
