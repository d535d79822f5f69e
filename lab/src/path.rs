//! Paths, as the lab has them.

use std::path::{Component, Path, PathBuf};

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
