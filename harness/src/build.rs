//! From a package to a folder that a machine starts from: the kernel, and all servers beside it.
//!
//! Cargo gets everything that a program of the guest needs by options, so that a package has nothing to set up but its feature.

use crate::tools::Tools;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Target of the guest's programs.
const TARGET: &str = "x86_64-unknown-none";
/// Feature with which a package has programs for the guest.
const FEATURE: &str = "guest";
/// Guest code has fixed addresses.
const STATIC: &str = "target.x86_64-unknown-none.rustflags=['-Crelocation-model=static']";

/// What is built, and where to.
#[derive(Clone, Debug)]
pub struct Recipe {
    /// Folder of the package.
    pub package: PathBuf,
    /// Its programs for the guest.
    pub programs: Vec<String>,
    /// Folder for what is made.
    pub work: PathBuf,
}

impl Recipe {
    /// Builds what is out of date. Returns where the kernel is, with the servers beside it.
    pub fn make(&self, tools: &Tools) -> Result<PathBuf, String> {
        self.cargo()?;
        let machine = self.work.join("machine");
        let servers = machine.join("servers");
        fs::create_dir_all(&servers)
            .map_err(|error| format!("cannot make {}: {error}", servers.display()))?;
        let kernel = machine.join("guest.elf");
        link(&tools.kernel, &kernel)?;
        for path in list(&tools.servers)? {
            link(&path, &servers.join(path.file_name().unwrap_or_default()))?;
        }
        for program in &self.programs {
            link(&self.target().join(TARGET).join("release").join(program), &servers.join(program))?;
        }
        Ok(kernel)
    }

    /// A folder of its own: Cargo may hold the other one's lock while tests run.
    fn target(&self) -> PathBuf {
        self.work.join("target")
    }

    fn cargo(&self) -> Result<(), String> {
        if self.programs.is_empty() {
            return Ok(());
        }
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "--quiet", "--release", "--target", TARGET, "--features", FEATURE]);
        cargo.args(["--config", STATIC, "--target-dir"]).arg(self.target());
        cargo.args(self.programs.iter().flat_map(|program| ["--bin", program]));
        // Flags for programs of the host would replace those of the target.
        cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
        let output = cargo.current_dir(&self.package).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("cannot start cargo: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!(
                "the servers cannot be built:\n{}",
                String::from_utf8_lossy(&output.stderr).trim_end()
            )),
        }
    }
}

/// What is in a folder, but for files that only a debugger reads.
fn list(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries =
        fs::read_dir(folder).map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    Ok(paths.filter(|path| path.extension() != Some(OsStr::new("py"))).collect())
}

/// Makes `to` a link to `from`, whatever it was. Other processes may do the same at the same time.
fn link(from: &Path, to: &Path) -> Result<(), String> {
    let fresh = to.with_extension(format!("new{}", std::process::id()));
    let made = std::os::unix::fs::symlink(from, &fresh).and_then(|()| fs::rename(&fresh, to));
    made.map_err(|error| format!("cannot make the link {}: {error}", to.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_the_kernel_and_all_servers() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let tools = Tools { ukvmm: path("ukvmm"), kernel: path("k"), servers: path("s") };
        fs::create_dir(&tools.servers).unwrap();
        for name in ["k", "s/root", "s/root-gdb.py"] {
            fs::write(path(name), name).unwrap();
        }
        let recipe = Recipe { package: path(""), programs: Vec::new(), work: path("work") };
        for _ in 0..2 {
            let kernel = recipe.make(&tools).unwrap();
            assert_eq!(fs::read(&kernel).unwrap(), b"k");
            let servers = list(&kernel.with_file_name("servers")).unwrap();
            assert_eq!(servers.iter().map(|path| path.file_name().unwrap()).collect::<Vec<_>>(), ["root"]);
        }
    }

    #[test]
    fn what_the_compiler_says_is_passed_on() {
        let folder = tempfile::tempdir().unwrap();
        let recipe =
            Recipe { package: folder.path().into(), programs: vec!["p".into()], work: folder.path().into() };
        let error = recipe.cargo().unwrap_err();
        assert!(error.contains("cannot be built") && error.contains("Cargo.toml"), "{error}");
    }
}
