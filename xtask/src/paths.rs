//! Where things are.

use std::path::{Component, Path, PathBuf};

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

/// The absolute form of `path`, without `.` and `..`. Symbolic links are not followed: the lab has
/// files at the paths that the command line names.
pub fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let mut out = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_are_resolved() {
        let cwd = std::env::current_dir().unwrap();
        assert_eq!(absolute(Path::new("a/./b/../c")).unwrap(), cwd.join("a/c"));
        assert_eq!(absolute(Path::new("/../x")).unwrap(), Path::new("/x"));
    }
}
