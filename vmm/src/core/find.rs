//! Finds the programs of a core: the builds of kernel and servers that the guest had.
//!
//! A core may be opened where it was not written. So a program is looked for where it was, and beside the core as `cargo xtask build` would have it there; and what is
//! found must be the same build, or else all that is shown is nonsense.

use super::manifest::Program;
use super::open::Core;
use crate::debug::programs::Programs;
use crate::loader::file;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use vmm_abi::exit;

/// Where servers are, from the kernel's folder.
const SERVERS: &str = "servers";

#[derive(Debug, thiserror::Error)]
#[error("the kernel of core {} was not found; tried:{tried}\nname it with --kernel FILE, or build that version again", .core.display())]
pub struct NoKernel {
    core: PathBuf,
    /// A line for each.
    tried: String,
}

impl NoKernel {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        exit::NOT_FOUND
    }
}

/// Finds the kernel of `core`; `given` is where the user says that it is.
pub fn kernel(core: &Core, given: Option<&Path>) -> Result<PathBuf, NoKernel> {
    let program = &core.manifest().kernel;
    let places = match given {
        Some(path) => vec![path.to_path_buf()],
        None => vec![program.path.clone(), folder(core.path()).join(program.file_name())],
    };
    find(program, &places).map_err(|tried| NoKernel { core: core.path().into(), tried })
}

/// Finds the other programs of `core`, whose kernel is `kernel`. Those that are not found are said and left out.
pub fn programs(core: &Core, kernel: PathBuf) -> Programs {
    let beside = folder(&kernel).join(SERVERS);
    let found = core.manifest().servers.iter().filter_map(|server| {
        let name = server.file_name();
        let places = [server.path.clone(), beside.join(name), folder(core.path()).join(name)];
        let found = find(server, &places);
        if let Err(tried) = &found {
            tracing::warn!(
                "the program of server {:?} was not found, so it has no symbols; tried:{tried}",
                server.name
            );
        }
        Some((server.name.clone(), found.ok()?))
    });
    let found = found.collect();
    Programs::new(kernel, found)
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// The first of `places` where `program` is, or what is wrong with each.
fn find(program: &Program, places: &[PathBuf]) -> Result<PathBuf, String> {
    let mut tried = String::new();
    let mut places = places.to_vec();
    places.dedup();
    for place in places {
        let problem = match file::open(&program.name, &place, "") {
            Ok(input) if program.is(&input) => return Ok(place),
            Ok(_) => format!("{} is another build", place.display()),
            Err(error) => error.to_string(),
        };
        // Writing to a String cannot fail.
        let _ = write!(tried, "\n  {problem}");
    }
    Err(tried)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_program_is_known_by_its_bytes_wherever_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, content: &str| {
            let path = dir.path().join(name);
            fs::write(&path, content).unwrap();
            path
        };
        let was = put("kernel", "the kernel");
        let program = Program::of("kernel", &file::open("kernel", &was, "").unwrap()).unwrap();
        let moved = put("elsewhere", "the kernel");
        put("kernel", "another one");
        assert_eq!(find(&program, &[was.clone(), moved.clone()]), Ok(moved));
        let tried = find(&program, &[was, dir.path().join("absent")]).unwrap_err();
        assert!(
            tried.contains("kernel is another build\n") && tried.ends_with("absent not found"),
            "{tried}"
        );
    }
}
