//! The programs that somebody provides, as files of the guest.
//!
//! They are strangers' files: nothing of them is executed here, their libraries are found by reading them. A program that cannot be used says why, and is no obstacle to the others.

use super::rows::ROWS;
use crate::elf::{self, Linking};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// What `lat_proc` has executed: a program of lmbench, too.
const HELLO: &str = "hello";
/// Folder in the guest.
const FOLDER: &str = "/lmbench";
/// Where libraries are, besides the folder itself and its `lib`.
const LIBRARIES: [&str; 6] =
    ["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/usr/lib64", "/lib", "/usr/lib"];
/// Largest file that is taken, and most libraries of a program.
const SIZE_MAX: u64 = 32 << 20;
const LIBRARIES_MAX: usize = 64;

/// Files by their paths in the guest.
pub type Files = BTreeMap<String, Vec<u8>>;

pub struct Programs {
    /// By name: its version, or why it cannot be used.
    pub found: BTreeMap<&'static str, Result<String, String>>,
    pub files: Files,
}

/// Where a program is in the guest.
pub fn path(program: &str) -> String {
    format!("{FOLDER}/{program}")
}

impl Programs {
    /// Looks for the programs in a folder, and for what they need.
    pub fn find(folder: &Path) -> Result<Self> {
        ensure!(folder.is_dir(), "--lmbench {}: there is no such folder", folder.display());
        let mut programs = Self { found: BTreeMap::new(), files: Files::new() };
        for name in ROWS.iter().map(|row| row.program).chain([HELLO]) {
            if !programs.found.contains_key(name) {
                let added = programs.add(folder, name);
                programs.found.insert(name, added.map_err(|error| format!("{error:#}")));
            }
        }
        let usable = ROWS.iter().any(|row| programs.found[row.program].is_ok());
        ensure!(
            usable,
            "--lmbench {}: none of lmbench's programs can be used; {}: {}",
            folder.display(),
            ROWS[0].program,
            programs.found[ROWS[0].program].as_ref().err().map_or("", String::as_str)
        );
        Ok(programs)
    }

    /// Adds a program and what it needs, or nothing. Returns its version.
    fn add(&mut self, folder: &Path, name: &str) -> Result<String> {
        let bytes = read(&folder.join(name))?;
        let mut files = Files::new();
        if let Some(linking) = elf::linking(&bytes)? {
            let interpreter = linking.interpreter.as_deref().context("it has no dynamic linker")?;
            ensure!(is_plain(interpreter), "its dynamic linker is {interpreter:?}");
            let beside = Path::new(interpreter).file_name().map(|name| folder.join(name));
            let places = beside.into_iter().chain([PathBuf::from(interpreter)]);
            files.insert(interpreter.to_owned(), first(places).with_context(|| format!("no {interpreter}"))?);
            libraries(&mut files, folder, linking)?;
        }
        let version = version(&bytes, name);
        files.insert(path(name), bytes);
        self.files.extend(files);
        Ok(version)
    }
}

/// Adds the libraries that a program needs, and those that they need.
fn libraries(files: &mut Files, folder: &Path, linking: Linking) -> Result<()> {
    let mut wanted = linking.needed;
    while let Some(name) = wanted.pop() {
        let there = path(&format!("lib/{name}"));
        if files.contains_key(&there) {
            continue;
        }
        ensure!(files.len() < LIBRARIES_MAX, "it needs more than {LIBRARIES_MAX} libraries");
        ensure!(is_plain(&there), "it needs a library {name:?}");
        let beside = [folder.to_owned(), folder.join("lib")];
        let places = beside.into_iter().chain(LIBRARIES.map(PathBuf::from)).map(|folder| folder.join(&name));
        let bytes = first(places).with_context(|| format!("library {name} is not found"))?;
        wanted.extend(elf::linking(&bytes).with_context(|| name.clone())?.unwrap_or_default().needed);
        files.insert(there, bytes);
    }
    Ok(())
}

/// An absolute path that leads where it says.
fn is_plain(path: &str) -> bool {
    let is_name = |name: &str| !matches!(name, "" | "." | "..") && !name.contains(char::is_control);
    path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(is_name))
}

/// The first of these files that there is.
fn first(mut places: impl Iterator<Item = PathBuf>) -> Result<Vec<u8>> {
    places.find(|place| place.is_file()).context("it is nowhere").and_then(|place| read(&place))
}

/// Reads a file, if that is what it is.
fn read(path: &Path) -> Result<Vec<u8>> {
    let about = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    if !about.is_file() {
        bail!("{} is no file", path.display());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes)?;
    ensure!(bytes.len() as u64 <= SIZE_MAX, "{} is larger than {} MiB", path.display(), SIZE_MAX >> 20);
    Ok(bytes)
}

/// The version that lmbench's authors want to be told with its results: what stands in `$Id: … $` about the program's own source. Empty if nothing does.
fn version(bytes: &[u8], name: &str) -> String {
    const MARK: &[u8] = b"$Id: ";
    let own = format!("{name}.c");
    let ids = bytes.windows(MARK.len()).enumerate().filter(|(_, window)| *window == MARK);
    let texts = ids.map(|(at, _)| {
        let text =
            bytes[at + MARK.len()..].iter().take_while(|byte| matches!(byte, b' '..=b'~') && **byte != b'$');
        text.map(|&byte| byte as char).collect::<String>()
    });
    let mut versions =
        texts.filter_map(|text| Some(text.split_once(&own)?.1.trim_start_matches(",v").trim().to_owned()));
    versions.next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::process;
    use std::process::Command;

    /// Compiles an empty program into a folder.
    fn compile(folder: &Path, name: &str, flags: &[&str]) {
        let source = folder.join("source.c");
        let id = format!("char *id = \"$Id: s.{name}.c 1.11 97/06/15 22:38:58-07:00 lm $\\n\";");
        fs::write(&source, format!("{id}\nint main(void) {{ return id[0] == 0; }}\n")).unwrap();
        let mut gcc = Command::new("gcc");
        process::run(gcc.args(flags).arg("-o").arg(folder.join(name)).arg(&source)).unwrap();
    }

    fn problem(folder: &Path, name: &str) -> String {
        let found = Programs::find(folder).unwrap().found;
        found[name].clone().err().unwrap_or_default()
    }

    #[test]
    fn static_programs_come_alone_and_others_with_their_libraries() {
        let folder = tempfile::tempdir().unwrap();
        compile(folder.path(), "lat_syscall", &["-static"]);
        compile(folder.path(), "lat_pipe", &[]);
        let programs = Programs::find(folder.path()).unwrap();
        assert_eq!(programs.found["lat_syscall"].as_deref(), Ok("1.11 97/06/15 22:38:58-07:00 lm"));
        assert!(programs.found["lat_pipe"].is_ok());
        for path in [
            "/lmbench/lat_syscall",
            "/lmbench/lat_pipe",
            "/lmbench/lib/libc.so.6",
            "/lib64/ld-linux-x86-64.so.2",
        ] {
            assert!(programs.files.contains_key(path), "{path}: {:?}", programs.files.keys());
        }
        assert!(programs.found["bw_pipe"].as_ref().is_err_and(|why| why.contains("cannot read")));
    }

    #[test]
    fn a_library_beside_a_program_is_its_own() {
        let folder = tempfile::tempdir().unwrap();
        compile(folder.path(), "lat_syscall", &[]);
        fs::write(folder.path().join("libc.so.6"), "no library").unwrap();
        let error = Programs::find(folder.path()).err().unwrap().to_string();
        assert!(error.contains("libc.so.6"), "{error}");
    }

    #[test]
    fn files_that_are_no_programs_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        compile(folder.path(), "lat_syscall", &["-static"]);
        fs::write(path("lat_pipe"), "#!/bin/sh\n").unwrap();
        fs::write(path("bw_pipe"), "").unwrap();
        fs::create_dir(path("lat_ctx")).unwrap();
        fs::write(path("bw_mem"), &fs::read(path("lat_syscall")).unwrap()[..200]).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("lat_sig")).unwrap();
        File::create(path("lat_mmap")).unwrap().set_len(SIZE_MAX + 1).unwrap();
        for name in ["lat_pipe", "bw_pipe", "bw_mem"] {
            assert!(!problem(folder.path(), name).is_empty(), "{name}");
        }
        assert!(problem(folder.path(), "lat_ctx").contains("is no file"));
        assert!(problem(folder.path(), "lat_sig").contains("is no file"));
        assert!(problem(folder.path(), "lat_mmap").contains("larger than"));
    }

    #[test]
    fn a_folder_without_them_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path: &Path| Programs::find(path).err().unwrap().to_string();
        assert!(error(folder.path()).contains("none of lmbench's programs"));
        assert!(error(&folder.path().join("none")).contains("no such folder"));
        assert!(error(Path::new("/dev/null")).contains("no such folder"));
    }

    #[test]
    fn versions_are_found_where_there_are_any() {
        assert_eq!(version(b"xx$Id: s.bw_mem.c 1.5 $\0$Id: s.lat_x.c 2.0 z\n", "lat_x"), "2.0 z");
        assert_eq!(version(b"$Id: lat_x.c,v 1.8 1997/06/16 Exp $", "lat_x"), "1.8 1997/06/16 Exp");
        assert_eq!(version(b"$Id: $Id$", "lat_x"), "");
        assert_eq!(version(b"", "lat_x"), "");
    }
}
