//! Recipes of root file systems: TOML files in `images/rootfs`.
//!
//! ```toml
//! [[directory]]
//! path = "/tmp"
//! mode = 0o1777            # 0o755 if left out
//!
//! [[file]]
//! path = "/etc/passwd"
//! text = "root:x:0:0::/root:/bin/sh\n"
//!
//! [[file]]
//! path = "/bin/busybox"
//! source = "/bin/busybox"  # a file of this machine; relative paths are the repository's
//! mode = 0o755             # 0o644 if left out
//!
//! [[symlink]]
//! path = "/sbin"
//! target = "bin"
//!
//! [[applets]]              # a symbolic link for everything that a busybox can do
//! busybox = "/bin/busybox"
//! directory = "/bin"
//!
//! [[modules]]              # the guest modules of Debian's kernels: DIRECTORY/RELEASE/NAME.ko, and a file `order` beside them
//! directory = "/lib/modules"
//! ```

use crate::{paths, setup};
use anyhow::{Context, Result, bail};
use lab::archive::Archive;
use lab::process;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    #[serde(default)]
    directory: Vec<Directory>,
    #[serde(default)]
    file: Vec<File>,
    #[serde(default)]
    symlink: Vec<Symlink>,
    #[serde(default)]
    applets: Vec<Applets>,
    #[serde(default)]
    modules: Vec<Modules>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    path: String,
    #[serde(default = "directory_mode")]
    mode: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    source: Option<PathBuf>,
    text: Option<String>,
    #[serde(default = "file_mode")]
    mode: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Symlink {
    path: String,
    target: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Applets {
    busybox: PathBuf,
    directory: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Modules {
    directory: String,
}

fn directory_mode() -> u32 {
    0o755
}

fn file_mode() -> u32 {
    0o644
}

/// The root file system that the recipe in a file describes.
pub fn archive(recipe: &Path) -> Result<Archive> {
    let text =
        std::fs::read_to_string(recipe).with_context(|| format!("cannot read {}", recipe.display()))?;
    parse(&text).with_context(|| format!("in {}", recipe.display()))
}

fn parse(recipe: &str) -> Result<Archive> {
    let recipe: Recipe = toml::from_str(recipe)?;
    let mut archive = Archive::default();
    for Directory { path, mode } in &recipe.directory {
        archive.directory(path, *mode)?;
    }
    for file in &recipe.file {
        archive.file(&file.path, file.mode, file.content()?)?;
    }
    for Symlink { path, target } in &recipe.symlink {
        archive.symlink(path, target)?;
    }
    for applets in &recipe.applets {
        applets.add(&mut archive)?;
    }
    for modules in &recipe.modules {
        modules.add(&mut archive)?;
    }
    Ok(archive)
}

impl File {
    fn content(&self) -> Result<Vec<u8>> {
        match (&self.source, &self.text) {
            (Some(source), None) => std::fs::read(paths::root().join(source))
                .with_context(|| format!("cannot read {} for {}", source.display(), self.path)),
            (None, Some(text)) => Ok(text.clone().into_bytes()),
            _ => bail!("{}: say either `source` or `text`", self.path),
        }
    }
}

impl Applets {
    fn add(&self, archive: &mut Archive) -> Result<()> {
        let names = process::text(Command::new(&self.busybox).arg("--list"))?;
        let target = self.busybox.to_str().context("the path of busybox is no text")?;
        for name in names.lines() {
            let path = format!("{}/{name}", self.directory);
            if !archive.contains(&path) {
                archive.symlink(&path, target)?;
            }
        }
        Ok(())
    }
}

impl Modules {
    fn add(&self, archive: &mut Archive) -> Result<()> {
        for kernel in setup::guests()? {
            let folder = format!("{}/{}", self.directory, kernel.release);
            let mut order = String::new();
            for module in &kernel.guest_modules {
                let name = module
                    .file_name()
                    .and_then(|name| name.to_str())
                    .context("a module's name is no text")?;
                let bytes =
                    std::fs::read(module).with_context(|| format!("cannot read {}", module.display()))?;
                archive.file(&format!("{folder}/{name}"), file_mode(), bytes)?;
                order += &format!("{name}\n");
            }
            archive.file(&format!("{folder}/order"), file_mode(), order.into())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_in_a_recipe_are_told() {
        for (text, expected) in [
            ("[[file]]\npath = '/x'", "either `source` or `text`"),
            ("[[file]]\npath = '/x'\ntext = ''\nsource = 'y'", "either `source` or `text`"),
            ("[[file]]\npath = '/x'\nsource = 'no/such/file'", "cannot read no/such/file for /x"),
            ("[[fiel]]\npath = '/x'", "unknown field `fiel`"),
            ("[[directory]]\npath = 'x'", "not an absolute path"),
        ] {
            let error = parse(text).err().unwrap();
            assert!(format!("{error:#}").contains(expected), "{error:#}");
        }
    }

    #[test]
    fn files_of_the_repository_can_be_named() {
        let archive = parse("[[file]]\npath = '/etc/c'\nsource = 'Cargo.toml'").unwrap();
        assert!(archive.contains("/etc/c") && archive.contains("/etc"));
    }
}
