//! Where an installed `ukvmm` finds its guest, if no kernel is named.
//!
//! Beside the program, as in `build/`; in the folder `share/ukvmm` beside its folder, as of a package or below a prefix; and where packages have it. Servers,
//! sets and images are where they always are: beside the kernel.

use std::path::{Path, PathBuf};

/// The kernel's file.
const KERNEL: &str = "guest.elf";
/// Where a package has it.
const SHARE: &str = "/usr/share/ukvmm";
/// The server set of a kernel that was found here, if none is named.
pub const SERVERS: &str = "linux";

/// The kernel, or where it was looked for.
pub fn kernel() -> Result<PathBuf, Vec<PathBuf>> {
    find(&candidates(std::env::current_exe().ok().as_deref()))
}

fn find(candidates: &[PathBuf]) -> Result<PathBuf, Vec<PathBuf>> {
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| candidates.to_vec())
}

fn candidates(program: Option<&Path>) -> Vec<PathBuf> {
    let folder = program.and_then(Path::parent);
    let share = folder.and_then(Path::parent).map(|prefix| prefix.join("share/ukvmm"));
    let folders = [folder.map(Path::to_path_buf), share, Some(SHARE.into())];
    let mut all: Vec<_> = folders.into_iter().flatten().map(|folder| folder.join(KERNEL)).collect();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_looked_for_beside_the_program_and_where_packages_have_it() {
        let places = |program| candidates(Some(Path::new(program)));
        assert_eq!(
            places("/opt/u/bin/ukvmm"),
            ["/opt/u/bin/guest.elf", "/opt/u/share/ukvmm/guest.elf", "/usr/share/ukvmm/guest.elf"]
                .map(PathBuf::from)
        );
        assert_eq!(places("/usr/bin/ukvmm").len(), 2, "no place twice");
        assert_eq!(candidates(None), [PathBuf::from("/usr/share/ukvmm/guest.elf")]);
    }

    #[test]
    fn the_first_one_that_is_there_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a", "b", "c"].map(|name| folder.path().join(name));
        assert_eq!(find(&paths), Err(paths.to_vec()));
        std::fs::write(&paths[1], "").unwrap();
        std::fs::create_dir(&paths[0]).unwrap();
        assert_eq!(find(&paths), Ok(paths[1].clone()));
    }
}
