//! The lab's kernel: a folder with an image, modules, and the order in which they can be loaded.
//!
//! | file | what |
//! |---|---|
//! | `vmlinuz` | the bzImage |
//! | `NAME.ko` | modules, as ELF files |
//! | `order` | names of the files of those that the lab needs, a line each, in an order in which they can be loaded |
//! | `guest-order` | the same for what a lab with disks needs besides, and for guests |

use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// A kernel on this machine's disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kernel {
    /// The bzImage.
    pub image: PathBuf,
    /// What the lab loads, in an order in which it can be loaded.
    pub modules: Vec<PathBuf>,
}

/// File with the names of the lab's modules.
pub const ORDER: &str = "order";
/// The driver of the lab's disks.
const DISK_MODULE: &str = "virtio_blk.ko";

impl Kernel {
    /// Reads what is in `folder`.
    pub fn read(folder: &Path) -> Result<Self> {
        let image = folder.join("vmlinuz");
        anyhow::ensure!(image.is_file(), "there is no {}", image.display());
        Ok(Self { image, modules: modules(folder, ORDER)? })
    }

    /// The driver of disks, which not every lab loads.
    pub(crate) fn disk_module(&self) -> Result<PathBuf> {
        let path = self.image.with_file_name(DISK_MODULE);
        anyhow::ensure!(path.is_file(), "the lab's kernel has no driver for disks ({})", path.display());
        Ok(path)
    }
}

/// The modules that a file in `folder` lists.
pub fn modules(folder: &Path, order: &str) -> Result<Vec<PathBuf>> {
    let path = folder.join(order);
    let text = fs::read_to_string(&path)
        .with_context(|| format!("{} is not complete: cannot read {order}", folder.display()))?;
    Ok(text.lines().map(|name| folder.join(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_lacks_something_is_no_kernel() {
        let folder = tempfile::tempdir().unwrap();
        let read = || Kernel::read(folder.path()).map_err(|error| format!("{error:#}"));
        assert!(read().unwrap_err().contains("there is no"));
        fs::write(folder.path().join("vmlinuz"), "").unwrap();
        assert!(read().unwrap_err().contains("is not complete"));
        fs::write(folder.path().join(ORDER), "a.ko\nb.ko\n").unwrap();
        let kernel = read().unwrap();
        assert_eq!(kernel.modules, ["a.ko", "b.ko"].map(|name| folder.path().join(name)));
        assert!(kernel.disk_module().is_err());
    }
}
