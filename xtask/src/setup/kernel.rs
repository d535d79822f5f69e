//! The lab's kernel: Debian's for cloud machines, downloaded and unpacked, never installed.

use super::apt;
use crate::{elf, paths, process};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package that depends on the current kernel's.
const META: &str = "linux-image-cloud-amd64";
/// Modules that the lab uses. What they depend on is found in them.
const MODULES: [&str; 3] = ["kvm_amd", "virtio_pci", "virtio_console"];

/// A kernel on this machine's disk.
pub struct Kernel {
    pub image: PathBuf,
    /// In an order in which they can be loaded.
    pub modules: Vec<PathBuf>,
}

/// The lab's kernel, downloaded if it is not there yet.
pub fn kernel() -> Result<Kernel> {
    let folder = paths::lab().join("kernel");
    if !folder.exists() {
        download(&folder).with_context(|| by_hand(&folder))?;
    }
    let order = fs::read_to_string(folder.join("order"))
        .with_context(|| format!("{} is not complete; remove it and try again", folder.display()))?;
    let modules = order.lines().map(|name| folder.join(name)).collect();
    Ok(Kernel { image: folder.join("vmlinuz"), modules })
}

fn by_hand(folder: &Path) -> String {
    format!(
        "cannot get the lab's kernel; by hand: unpack (dpkg-deb -x) the package that {META} depends on; put its \
         boot/vmlinuz-* as `vmlinuz`, the modules {} and those they depend on, and a file `order` with the modules' \
         file names in the order of loading into {}",
        MODULES.join(", "),
        folder.display()
    )
}

/// Fills a folder beside `folder`, then renames it: what is there is complete.
fn download(folder: &Path) -> Result<()> {
    ensure!(apt::has_apt(), "there is no apt-get here");
    let work = folder.with_extension(format!("part-{}", std::process::id()));
    fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
    let result = apt::with_update(|| fetch(&work)).and_then(|package| unpack(&package, &work));
    let result = result.and_then(|()| Ok(fs::rename(work.join("kernel"), folder)?));
    fs::remove_dir_all(&work)?;
    // Another process may have been faster.
    if folder.join("order").exists() { Ok(()) } else { result }
}

/// Downloads the current kernel's package.
fn fetch(work: &Path) -> Result<PathBuf> {
    let depends = process::text(Command::new("apt-cache").args(["depends", "--important", META]))?;
    let package = depends
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Depends: "))
        .find(|name| name.starts_with("linux-image-"))
        .with_context(|| format!("apt knows no package that {META} depends on"))?;
    eprintln!("==> downloading (not installing) {package}: the kernel of the lab");
    process::output(Command::new("apt-get").args(["-qq", "download", package]).current_dir(work))?;
    let mut files = fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .find(|path| path.extension().is_some_and(|e| e == "deb"))
        .context("apt-get download left no package")
}

/// Takes the kernel and the modules out of the package.
fn unpack(package: &Path, work: &Path) -> Result<()> {
    let (tree, out) = (work.join("tree"), work.join("kernel"));
    process::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(&tree))?;
    fs::create_dir(&out)?;
    let mut files = Vec::new();
    list(&tree, &mut files)?;
    let image = files
        .iter()
        .find(|path| file_name(path).starts_with("vmlinuz-"))
        .context("no vmlinuz in the package")?;
    fs::copy(image, out.join("vmlinuz"))?;
    let mut order = Vec::new();
    for name in MODULES {
        add_module(name, &files, &out, &mut order)?;
    }
    Ok(fs::write(out.join("order"), order.join("\n") + "\n")?)
}

/// Puts a module, after those it depends on, into `out` and `order`.
fn add_module(name: &str, files: &[PathBuf], out: &Path, order: &mut Vec<String>) -> Result<()> {
    let file = format!("{name}.ko");
    if order.contains(&file) {
        return Ok(());
    }
    let is_it = |path: &&PathBuf| {
        let stem = file_name(path).replace('-', "_");
        stem.strip_prefix(&file).is_some_and(|rest| matches!(rest, "" | ".xz" | ".gz"))
    };
    let path = files.iter().find(is_it).with_context(|| format!("the package has no module {name}"))?;
    let bytes = decompressed(path)?;
    for dependency in
        elf::module_dependencies(&bytes).with_context(|| format!("{} is not a module", path.display()))?
    {
        add_module(&dependency, files, out, order)?;
    }
    fs::write(out.join(&file), bytes)?;
    order.push(file);
    Ok(())
}

/// A file's content. busybox unpacks what Debian packs modules with.
fn decompressed(path: &Path) -> Result<Vec<u8>> {
    let applet = match path.extension().and_then(|e| e.to_str()) {
        Some("xz") => "xzcat",
        Some("gz") => "zcat",
        _ => return Ok(fs::read(path)?),
    };
    process::output(Command::new(super::BUSYBOX).arg(applet).arg(path))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() { list(&entry.path(), files)? } else { files.push(entry.path()) }
    }
    Ok(())
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}
