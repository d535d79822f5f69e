//! Debian's kernels, downloaded and unpacked, never installed: the lab's own, and those that are guests there.

use super::{apt, vmlinux};
use crate::{elf, paths};
use anyhow::{Context, Result, ensure};
use lab::kernel::ORDER;
use lab::process;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A kernel's package.
struct Package {
    /// The package that depends on the current kernel's.
    meta: &'static str,
    /// Folder in `build/lab`.
    folder: &'static str,
    /// Modules that the lab uses. What they depend on is found in them.
    lab: &'static [&'static str],
    /// Modules that guests use.
    guest: &'static [&'static str],
}

/// The one for cloud machines. It has most drivers for virtual machines, but no 9P.
const CLOUD: Package = Package {
    meta: "linux-image-cloud-amd64",
    folder: "kernel",
    lab: &["kvm_amd", "virtio_pci", "virtio_console"],
    guest: &[
        "virtio_mmio",
        "virtio_blk",
        "virtio_net",
        "virtio_console",
        "virtio_rng",
        "vmw_vsock_virtio_transport",
    ],
};
/// The one for all machines.
const GENERIC: Package = Package {
    meta: "linux-image-amd64",
    folder: "generic",
    lab: &[],
    guest: &["virtio_mmio", "9pnet_virtio", "9p"],
};

/// A kernel on this machine's disk.
pub struct Kernel {
    /// The image, and what the lab loads.
    pub lab: lab::Kernel,
    /// What guests load, in an order in which it can be loaded.
    pub guest_modules: Vec<PathBuf>,
    /// What `uname -r` says.
    pub release: String,
}

/// The lab's kernel, downloaded if it is not there yet.
pub fn kernel() -> Result<Kernel> {
    CLOUD.get()
}

/// The kernels that are there, to be guests.
pub fn guests() -> Result<Vec<Kernel>> {
    [CLOUD, GENERIC].iter().filter(|package| package.is_there()).map(Package::read).collect()
}

/// Downloads the kernels that are guests in the lab, if they are not there yet.
pub fn fetch_guests() -> Result<()> {
    [CLOUD, GENERIC].iter().try_for_each(|package| package.get().map(drop))
}

impl Package {
    fn folder(&self) -> PathBuf {
        paths::lab().join(self.folder)
    }

    /// A folder from when other modules were asked for is not taken for a kernel's.
    fn is_there(&self) -> bool {
        let folder = self.folder();
        let modules = self.lab.iter().chain(self.guest).map(|name| format!("{name}.ko"));
        modules.chain([GUEST_ORDER.to_owned()]).all(|name| folder.join(name).exists())
    }

    fn get(&self) -> Result<Kernel> {
        let folder = self.folder();
        if !self.is_there() {
            self.download(&folder).with_context(|| self.by_hand(&folder))?;
        }
        self.read()
    }

    fn read(&self) -> Result<Kernel> {
        let folder = self.folder();
        let incomplete = || format!("{} is not complete; remove it and try again", folder.display());
        let release = fs::read_to_string(folder.join(RELEASE)).with_context(incomplete)?;
        Ok(Kernel {
            lab: lab::Kernel::read(&folder)?,
            guest_modules: lab::kernel::modules(&folder, GUEST_ORDER)?,
            release: release.trim().to_owned(),
        })
    }

    fn by_hand(&self, folder: &Path) -> String {
        format!(
            "cannot get a kernel for the lab; by hand: unpack (dpkg-deb -x) the package that {} depends on; put its \
             boot/vmlinuz-* as `vmlinuz`, what that unpacks to as `vmlinux`, the modules {} and those they depend on, files \
             `{ORDER}` and `{GUEST_ORDER}` with the modules' file names in the order of loading, and a file `{RELEASE}` with the \
             kernel's release into {}",
            self.meta,
            [self.lab, self.guest].concat().join(", "),
            folder.display()
        )
    }

    /// Fills a folder beside `folder`, then renames it: what is there is complete.
    fn download(&self, folder: &Path) -> Result<()> {
        ensure!(apt::has_apt(), "there is no apt-get here");
        let work = folder.with_extension(format!("part-{}", std::process::id()));
        fs::create_dir_all(&work).with_context(|| format!("cannot make {}", work.display()))?;
        let result = apt::with_update(|| self.fetch(&work)).and_then(|package| self.unpack(&package, &work));
        let result = result.and_then(|()| {
            // One that lacks something, from an earlier version.
            drop(fs::remove_dir_all(folder));
            Ok(fs::rename(work.join("kernel"), folder)?)
        });
        fs::remove_dir_all(&work)?;
        // Another process may have been faster.
        if self.is_there() { Ok(()) } else { result }
    }

    /// Downloads the current kernel's package.
    fn fetch(&self, work: &Path) -> Result<PathBuf> {
        let depends = process::text(Command::new("apt-cache").args(["depends", "--important", self.meta]))?;
        let package = depends
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with("linux-image-"))
            .with_context(|| format!("apt knows no package that {} depends on", self.meta))?;
        eprintln!("==> downloading (not installing) {package}: a kernel for the lab");
        process::output(Command::new("apt-get").args(["-qq", "download", package]).current_dir(work))?;
        let mut files = fs::read_dir(work)?.filter_map(|entry| Some(entry.ok()?.path()));
        files
            .find(|path| path.extension().is_some_and(|e| e == "deb"))
            .context("apt-get download left no package")
    }

    /// Takes the kernel and the modules out of the package.
    fn unpack(&self, package: &Path, work: &Path) -> Result<()> {
        let (tree, out) = (work.join("tree"), work.join("kernel"));
        process::output(Command::new("dpkg-deb").arg("-x").arg(package).arg(&tree))?;
        fs::create_dir(&out)?;
        let mut files = Vec::new();
        list(&tree, &mut files)?;
        let release =
            |path: &PathBuf| Some((path.clone(), file_name(path).strip_prefix("vmlinuz-")?.to_owned()));
        let (image, release) = files.iter().find_map(release).context("no vmlinuz in the package")?;
        fs::copy(&image, out.join("vmlinuz"))?;
        fs::write(out.join("vmlinux"), vmlinux::extract(&fs::read(&image)?)?)?;
        fs::write(out.join(RELEASE), release)?;
        for (names, to) in [(self.lab, ORDER), (self.guest, GUEST_ORDER)] {
            let mut order = Vec::new();
            for name in names {
                add_module(name, &files, &out, &mut order)?;
            }
            fs::write(out.join(to), order.iter().map(|name| format!("{name}\n")).collect::<String>())?;
        }
        Ok(())
    }
}

const GUEST_ORDER: &str = "guest-order";
const RELEASE: &str = "release";

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
