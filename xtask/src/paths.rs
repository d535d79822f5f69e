//! Where things are.

pub use lab::absolute;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in a folder of the repository")
}

/// Where the build's results go: `build/` in the repository, or the folder that `UKVMM_BUILD` names.
pub fn build() -> PathBuf {
    std::env::var_os("UKVMM_BUILD").map_or_else(|| root().join("build"), PathBuf::from)
}

/// The lab's files: the kernel, kept between runs, and the logs of the last run.
pub fn lab() -> PathBuf {
    build().join("lab")
}
