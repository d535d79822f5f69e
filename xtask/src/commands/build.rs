//! `cargo xtask build`: host and guest, into `build/`.
//!
//! | file | what |
//! |---|---|
//! | `ukvmm` | the VMM; needs no shared library |
//! | `guest.elf` | the kernel, with debug information |
//! | `servers/NAME` | a server as it is loaded, `servers/NAME.debug` the same with symbols |
//! | `images/initrd.cpio` | the root file system of `images/rootfs/linux.toml` |
//! | `images/servers/NAME.toml` | the server sets |
//! | `images/bundle-NAME.img` | a server set in one file, for QEMU's `-initrd` |

use crate::cargo::{self, SERVERS, cargo};
use crate::{bundle, elf, paths, process, rootfs, setup};
use anyhow::{Context, Result, anyhow};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set up what is missing and build everything.
pub fn build() -> Result<()> {
    setup::for_build()?;
    host()?;
    guest()?;
    images()
}

fn host() -> Result<()> {
    let mut command = cargo("build");
    command.args(["--release", "--package", "ukvmm", "--bins"]);
    let programs = cargo::programs(cargo::for_static_host(&mut command))?;
    install(built(&programs, "ukvmm")?, &paths::build().join("ukvmm"))
}

fn guest() -> Result<()> {
    let mut command = cargo("build");
    command.args(["--profile", "guest", "--bins"]);
    let programs = cargo::programs(cargo::for_guest(&mut command))?;
    install(built(&programs, "ukernel")?, &paths::build().join("guest.elf"))?;
    let folder = paths::build().join("servers");
    for name in SERVERS {
        let program = built(&programs, name)?;
        install(program, &folder.join(format!("{name}.debug")))?;
        strip(program, &folder.join(name))?;
        let stripped = fs::read(folder.join(name))?;
        elf::check_server(&stripped).with_context(|| format!("server {name} cannot be mapped in place"))?;
    }
    Ok(())
}

/// The images that are made of what was built.
fn images() -> Result<()> {
    let images = paths::build().join("images");
    write(&images.join("initrd.cpio"), &rootfs::build(&paths::root().join("images/rootfs/linux.toml"))?)?;
    for entry in fs::read_dir(paths::root().join("images/servers"))? {
        let path = entry?.path();
        let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|e| e == "toml")) else {
            continue;
        };
        install(&path, &images.join("servers").join(name))?;
        bundle(&images, &path)?;
    }
    Ok(())
}

/// A server set in one file. `ukvmm` knows the recipe of a set, and says what `root` is to read.
fn bundle(images: &Path, recipe: &Path) -> Result<()> {
    let set = process::text(Command::new(paths::build().join("ukvmm")).arg("set").arg(recipe))?;
    let mut names = vec!["sigma0", "root"];
    for server in vmm_abi::set::servers(&set) {
        let server = server.map_err(|error| anyhow!("{}: {error}", recipe.display()))?;
        if !names.contains(&server.elf) {
            names.push(server.elf);
        }
    }
    let servers = paths::build().join("servers");
    let mut modules = Vec::new();
    for name in names {
        modules.push((
            name,
            fs::read(servers.join(name)).with_context(|| format!("server {name} was not built"))?,
        ));
    }
    modules.push((vmm_abi::boot::SET_MODULE, set.clone().into_bytes()));
    modules.push((vmm_abi::boot::INITRD_MODULE, fs::read(images.join("initrd.cpio"))?));
    let modules: Vec<_> = modules.iter().map(|(name, content)| (*name, &content[..])).collect();
    let stem = recipe.file_stem().and_then(|stem| stem.to_str()).context("the set's name is no text")?;
    write(&images.join(format!("bundle-{stem}.img")), &bundle::pack(&modules)?)
}

fn built<'a>(programs: &'a std::collections::BTreeMap<String, PathBuf>, name: &str) -> Result<&'a Path> {
    Ok(programs.get(name).with_context(|| format!("cargo built no program {name}"))?)
}

/// Copies a file to a place where a program may be running from: the old file stays until the new one is whole.
fn install(from: &Path, to: &Path) -> Result<()> {
    replace(to, |fresh| Ok(fs::copy(from, fresh).map(drop)?))
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    replace(to, |fresh| Ok(fs::write(fresh, bytes)?))
}

/// Copies a program without its symbols.
pub fn strip(from: &Path, to: &Path) -> Result<()> {
    replace(to, |fresh| process::run(Command::new("objcopy").arg("--strip-all").arg(from).arg(fresh)))
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
