//! Where `ukvmm`, the kernel and the servers that come with it are.

use std::path::{Path, PathBuf};

/// Names the folder that `cargo xtask build` has filled.
pub const BUILD_VARIABLE: &str = "UKVMM_BUILD";

/// What a build of ukvmm consists of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tools {
    pub ukvmm: PathBuf,
    pub kernel: PathBuf,
    /// σ0, root, console, …
    pub servers: PathBuf,
}

impl Tools {
    /// The folder that [`BUILD_VARIABLE`] names, or `build/` in the repository that this crate was compiled from, be it a path or a git
    /// dependency.
    pub fn find() -> Result<Self, String> {
        let named = std::env::var_os(BUILD_VARIABLE).map(PathBuf::from);
        Self::of(&named.unwrap_or_else(|| repository().join("build")))
    }

    fn of(folder: &Path) -> Result<Self, String> {
        let folder = std::path::absolute(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let require = |name: &str| match folder.join(name) {
            path if path.exists() => Ok(path),
            path => Err(format!(
                "{} is missing: run `cargo xtask build` in {}, or have {BUILD_VARIABLE} name the folder that it has made elsewhere",
                path.display(),
                repository().display()
            )),
        };
        Ok(Self { ukvmm: require("ukvmm")?, kernel: require("guest.elf")?, servers: require("servers")? })
    }
}

/// Of ukvmm.
fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ukvmm"), "").unwrap();
        let error = Tools::of(folder.path()).unwrap_err();
        assert!(error.contains("guest.elf is missing") && error.contains("cargo xtask build"), "{error}");
        std::fs::write(folder.path().join("guest.elf"), "").unwrap();
        std::fs::create_dir(folder.path().join("servers")).unwrap();
        assert_eq!(Tools::of(folder.path()).unwrap().kernel, folder.path().join("guest.elf"));
    }
}
