//! `cargo xtask deb`: a package for Debian and its kin, `build/ukvmm_VERSION_amd64.deb`.
//!
//! The tree that is packed is put together here, in `build/deb`; cargo-deb makes the package of it, by `[package.metadata.deb]` in `vmm/Cargo.toml`, which
//! names that folder. `ukvmm` finds its guest in `/usr/share/ukvmm` as it does in `build/`.

use crate::commands::build::BuildArgs;
use crate::{paths, setup};
use anyhow::{Context, Result};
use lab::process;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    build: BuildArgs,
}

/// The server sets that are for users and not for tests.
const SETS: [&str; 2] = ["linux", "linux-trampoline"];
/// Servers that are in every set.
const IMPLIED: [&str; 2] = ["sigma0", "root"];
const PROGRAM: &str = "usr/bin/ukvmm";
const SHARE: &str = "usr/share/ukvmm";
/// Shells, and where each looks for completions of packages.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/ukvmm"),
    ("zsh", "usr/share/zsh/vendor-completions/_ukvmm"),
    ("fish", "usr/share/fish/vendor_completions.d/ukvmm.fish"),
];

pub fn deb(args: &Args) -> Result<ExitCode> {
    args.build.make()?;
    let cargo_deb = setup::for_deb()?;
    let tree = paths::root().join("build/deb");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot empty {}", tree.display()))?;
    }
    for (from, to) in files(&paths::build())? {
        copy(&from, &tree.join(to))?;
    }
    let program = tree.join(PROGRAM);
    make_folder(&program)?;
    // Names of functions stay, for backtraces.
    process::run(
        Command::new("objcopy").arg("--strip-debug").arg(paths::build().join("ukvmm")).arg(program),
    )?;
    write_manual(&paths::build().join("ukvmm"), &tree)?;
    let mut command = Command::new(cargo_deb);
    let options = ["--package", "ukvmm", "--no-build", "--no-strip", "--output"];
    process::run(command.args(options).arg(paths::build()).current_dir(paths::root()))?;
    Ok(ExitCode::SUCCESS)
}

/// What is copied as it is: from where, and to where in the package.
fn files(build: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let share = Path::new(SHARE);
    let mut files = Vec::new();
    let mut add = |name: String| files.push((build.join(&name), share.join(&name)));
    for name in ["guest.elf", "guest.elf-gdb.py", "ukvmm-gdb.py", "images/initrd.cpio"] {
        add(name.into());
    }
    let mut servers: BTreeSet<String> = IMPLIED.map(String::from).into();
    for set in SETS {
        let name = format!("images/servers/{set}.toml");
        let text = fs::read_to_string(build.join(&name)).with_context(|| format!("cannot read {name}"))?;
        servers.extend(servers_of(&text)?);
        add(name);
    }
    for server in servers {
        add(format!("servers/{server}"));
    }
    for folder in ["gdb/ukvmm_gdb", "gdb/rust"] {
        for name in names(&build.join(folder), "py")? {
            add(format!("{folder}/{name}"));
        }
    }
    let doc = Path::new("usr/share/doc/ukvmm");
    let root = paths::root();
    files.push((root.join("vmm/debian/lintian-overrides"), "usr/share/lintian/overrides/ukvmm".into()));
    files
        .extend(["README.md", "LICENSE-APACHE", "LICENSE-MIT"].map(|name| (root.join(name), doc.join(name))));
    let chapters = names(&root.join("docs"), "md")?.into_iter();
    files.extend(chapters.map(|name| (root.join("docs").join(&name), doc.join("docs").join(&name))));
    Ok(files)
}

/// The programs of a server set.
fn servers_of(set: &str) -> Result<Vec<String>> {
    let set: toml::Table = toml::from_str(set)?;
    let servers = set.get("server").and_then(toml::Value::as_array).context("a set has servers")?;
    let elf = |server: &toml::Value| Some(server.get("elf").or(server.get("name"))?.as_str()?.to_owned());
    servers.iter().map(|server| elf(server).context("a server has a name")).collect()
}

/// The files in `folder` with this extension.
fn names(folder: &Path, extension: &str) -> Result<Vec<String>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let (true, Some(name)) = (path.extension().is_some_and(|e| e == extension), path.file_name()) {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// What `ukvmm` says of itself: pages of the manual and completions.
fn write_manual(ukvmm: &Path, tree: &Path) -> Result<()> {
    let manual = tree.join("usr/share/man/man1");
    fs::create_dir_all(&manual).with_context(|| format!("cannot make {}", manual.display()))?;
    process::run(Command::new(ukvmm).args(["man", "--output"]).arg(manual))?;
    for (shell, path) in SHELLS {
        write(&tree.join(path), &process::output(Command::new(ukvmm).args(["completions", shell]))?)?;
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    make_folder(to)?;
    fs::copy(from, to)
        .map(drop)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))
}

fn write(to: &Path, bytes: &[u8]) -> Result<()> {
    make_folder(to)?;
    fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}

fn make_folder(of: &Path) -> Result<()> {
    let folder = of.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_s_programs_are_told() {
        let set = "[[server]]\nname = \"a\"\n[[server]]\nname = \"b\"\nelf = \"c\"\n";
        assert_eq!(servers_of(set).unwrap(), ["a", "c"]);
        assert!(servers_of("").is_err());
    }

    #[test]
    fn all_that_a_shell_needs_is_packed() {
        let build = tempfile::tempdir().unwrap();
        for folder in ["images/servers", "gdb/ukvmm_gdb", "gdb/rust"] {
            fs::create_dir_all(build.path().join(folder)).unwrap();
        }
        for set in SETS {
            let name = format!("images/servers/{set}.toml");
            fs::copy(paths::root().join(&name), build.path().join(&name)).unwrap();
        }
        fs::write(build.path().join("gdb/rust/a.py"), "").unwrap();
        let to: Vec<_> = files(build.path()).unwrap().into_iter().map(|(_, to)| to).collect();
        for name in [
            "usr/share/ukvmm/guest.elf",
            "usr/share/ukvmm/servers/sigma0",
            "usr/share/ukvmm/servers/linux",
            "usr/share/ukvmm/images/servers/linux.toml",
            "usr/share/ukvmm/gdb/rust/a.py",
            "usr/share/doc/ukvmm/docs/install.md",
            "usr/share/doc/ukvmm/LICENSE-MIT",
        ] {
            assert!(to.contains(&PathBuf::from(name)), "{name}");
        }
        assert!(!to.iter().any(|path| path.extension().is_some_and(|e| e == "debug")));
    }

    #[test]
    fn the_changelog_begins_with_this_version() {
        let changelog = fs::read_to_string(paths::root().join("vmm/debian/changelog")).unwrap();
        let first = format!("ukvmm ({}-1) ", env!("CARGO_PKG_VERSION"));
        assert!(changelog.starts_with(&first), "{first}: {changelog}");
    }

    #[test]
    fn what_is_put_together_is_what_the_manifest_packs() {
        let manifest = fs::read_to_string(paths::root().join("vmm/Cargo.toml")).unwrap();
        let manifest: toml::Table = toml::from_str(&manifest).unwrap();
        let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().unwrap();
        let packed: Vec<_> = assets.iter().map(|asset| asset[0].as_str().unwrap()).collect();
        assert_eq!(packed, ["../build/deb/usr/bin/*", "../build/deb/usr/share/**/*"]);
    }
}
