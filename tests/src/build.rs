//! Where `cargo xtask build` left things.

use std::path::{Path, PathBuf};

/// The folder with `ukvmm`, the kernel, the servers and the images.
#[derive(Clone, Debug)]
pub struct Build(PathBuf);

/// What to run when something is missing from the folder.
const REMEDY: &str = "run `cargo xtask build` first, or set UKVMM_BUILD to the folder that it made";

impl Build {
    /// The folder that the variable `UKVMM_BUILD` names, or `build/` in the repository.
    pub fn locate() -> Self {
        match std::env::var_os("UKVMM_BUILD") {
            Some(path) => Self(std::path::absolute(&path).unwrap_or_else(|_| path.into())),
            None => Self(repository().join("build")),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The path of something that has to be there.
    pub fn require(&self, name: &str) -> Result<PathBuf, String> {
        let path = self.path(name);
        if path.exists() { Ok(path) } else { Err(format!("{} is missing: {REMEDY}", path.display())) }
    }

    pub fn ukvmm(&self) -> Result<PathBuf, String> {
        self.require("ukvmm")
    }
    pub fn kernel(&self) -> Result<PathBuf, String> {
        self.require("guest.elf")
    }
    pub fn initrd(&self) -> Result<PathBuf, String> {
        self.require("images/initrd.cpio")
    }

    /// All files that a boot of the Linux server set reads.
    pub fn boot_files(&self) -> Result<Vec<PathBuf>, String> {
        let mut files = vec![self.ukvmm()?, self.kernel()?, self.initrd()?];
        for folder in ["servers", "images/servers"] {
            let folder = self.require(folder)?;
            let entries = folder.read_dir().map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
            files.extend(entries.flatten().map(|e| e.path()).filter(|p| !is_for_debugging(p)));
        }
        Ok(files)
    }

    /// Where the compiled test programs are.
    pub fn tests(&self) -> PathBuf {
        self.path("tests")
    }
}

/// Programs with symbols, and what gdb loads with them.
fn is_for_debugging(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "debug" || extension == "py")
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in a folder of the repository")
}
