//! Compiles the test programs into `build/tests`.
//!
//! All of them but one are static, so that the guest needs no libraries, and the same file runs on the host and in the guest.

use crate::build::{Build, repository};
use crate::cpio::Archive;
use crate::process::{self, End};
use lab::process::show;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

/// Folder of the programs in the guest.
pub const GUEST_DIR: &str = "/tests";

/// How a source file becomes a program.
#[derive(Clone, Copy)]
enum Kind {
    Script,
    C(&'static [&'static str]),
    /// C with debug information, and as it is written.
    DebugC(&'static [&'static str]),
    Rust,
}

const STATIC: Kind = Kind::C(&["-static", "-no-pie"]);
/// By what a profile finds callers: frame pointers alone, which optimized functions that call nothing do not set up, or the tables that exceptions need.
const FRAME_POINTERS: Kind =
    Kind::C(&["-static", "-no-pie", "-O0", "-fno-omit-frame-pointer", "-fno-asynchronous-unwind-tables"]);
const UNWIND_TABLES: Kind =
    Kind::C(&["-static", "-no-pie", "-fomit-frame-pointer", "-fasynchronous-unwind-tables"]);
const NO_LIBRARY: Kind = Kind::C(&["-static", "-no-pie", "-nostdlib"]);
const DYNAMIC: Kind = Kind::C(&["-pie"]);
const STATIC_PIE: Kind = Kind::C(&["-static-pie"]);

/// Program, source (in `tests/programs`), kind.
const PROGRAMS: &[(&str, &str, Kind)] = &[
    ("script.sh", "script.sh", Kind::Script),
    ("libc", "libc.c", STATIC),
    ("libc-pie", "libc.c", STATIC_PIE),
    ("libc-dynamic", "libc.c", DYNAMIC),
    ("crash", "crash.c", STATIC),
    ("events", "events.c", STATIC),
    ("samples", "samples.c", FRAME_POINTERS),
    ("samples-tables", "samples.c", UNWIND_TABLES),
    ("rounds", "rounds.c", STATIC),
    ("std", "std.rs", Kind::Rust),
];

/// What the dynamic one needs, in this machine's root folder and the guest's: Debian's package libc6.
const LIBRARIES: [&str; 3] =
    ["lib64/ld-linux-x86-64.so.2", "lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libm.so.6"];

/// Folder of the paper's measurements: one program of several C files, and the one that does nothing.
const PAPER: &str = "paper";
const HELLO: &str = "hello";
/// Folder whose C files are one program each.
const HOSTILE: &str = "hostile";
/// Another one: programs to debug.
const DEBUG: &str = "debug";
/// The one of them that is also made as a static PIE, and that one's name.
const DEBUG_PIE: (&str, &str) = ("counter", "counter-pie");

/// Writes a root file system with the paper's measurements. Returns the path of the program `paper`, and the root file system's.
pub fn paper(build: &Build) -> Result<(PathBuf, PathBuf), String> {
    static WRITTEN: OnceLock<Result<(PathBuf, PathBuf), String>> = OnceLock::new();
    let write = || {
        let out = build.tests().join(PAPER);
        fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
        let (alone, suite) = c_sources(&repository().join("tests/programs").join(PAPER))?
            .into_iter()
            .partition(|path| stem(path) == HELLO);
        let programs: [(_, Vec<_>, _); 2] = [(PAPER, suite, STATIC), (HELLO, alone, NO_LIBRARY)];
        for (name, sources, kind) in &programs {
            compile_one(sources, &out.join(name), *kind)?;
        }
        let names = programs.map(|(name, ..)| name.to_owned());
        Ok((out.join(PAPER), write_image(build, "paper.cpio", &out, &names, &[], &[])?))
    };
    WRITTEN.get_or_init(write).clone()
}

/// Compiles what is older than its source, once. Returns the names of all programs.
pub fn compile(build: &Build) -> Result<Vec<String>, String> {
    static COMPILED: OnceLock<Result<Vec<String>, String>> = OnceLock::new();
    COMPILED.get_or_init(|| compile_all(build)).clone()
}

fn compile_all(build: &Build) -> Result<Vec<String>, String> {
    let out = build.tests();
    fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
    let sources = repository().join("tests/programs");
    let mut names = Vec::new();
    for &(name, source, kind) in PROGRAMS {
        compile_one(&[sources.join(source)], &out.join(name), kind)?;
        names.push(name.to_owned());
    }
    for source in c_sources(&sources.join(HOSTILE))? {
        names.push(compile_as(stem(&source), &source, &out, STATIC)?);
    }
    Ok(names)
}

/// Where the programs to debug are. Some have names that others have, too.
pub fn debug_folder(build: &Build) -> PathBuf {
    build.tests().join(DEBUG)
}

/// Compiles the programs to debug, and returns their names.
fn compile_debug(build: &Build) -> Result<Vec<String>, String> {
    let out = debug_folder(build);
    fs::create_dir_all(&out).map_err(|e| format!("cannot make {}: {e}", out.display()))?;
    let mut names = Vec::new();
    for source in c_sources(&repository().join("tests/programs").join(DEBUG))? {
        let name = stem(&source);
        if name == DEBUG_PIE.0 {
            let pie = Kind::DebugC(&["-static-pie"]);
            names.push(compile_as(DEBUG_PIE.1.to_owned(), &source, &out, pie)?);
        }
        names.push(compile_as(name, &source, &out, Kind::DebugC(&["-static", "-no-pie"]))?);
    }
    Ok(names)
}

fn compile_as(name: String, source: &Path, out: &Path, kind: Kind) -> Result<String, String> {
    compile_one(&[source.to_owned()], &out.join(&name), kind).map(|()| name)
}

fn stem(source: &Path) -> String {
    source.file_stem().expect("it has the extension c").to_string_lossy().into_owned()
}

/// Writes a root file system with the test programs in [`GUEST_DIR`] to `build/tests`. Returns its path.
pub fn image(build: &Build) -> Result<PathBuf, String> {
    static WRITTEN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    WRITTEN.get_or_init(|| image_with(build, "tests.cpio", &[])).clone()
}

/// The same with the programs to debug, and only those.
pub fn debug_image(build: &Build) -> Result<PathBuf, String> {
    static WRITTEN: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let write = || write_image(build, "debug.cpio", &debug_folder(build), &compile_debug(build)?, &[], &[]);
    WRITTEN.get_or_init(write).clone()
}

/// As [`image`], with more files beside the programs, in the file `name`.
pub fn image_with(build: &Build, name: &str, files: &[(String, Vec<u8>)]) -> Result<PathBuf, String> {
    write_image(build, name, &build.tests(), &compile(build)?, files, &LIBRARIES)
}

fn write_image(
    build: &Build,
    name: &str,
    from: &Path,
    programs: &[String],
    files: &[(String, Vec<u8>)],
    libraries: &[&str],
) -> Result<PathBuf, String> {
    let initrd = build.initrd()?;
    let mut archive = Archive::open(read(&initrd)?).map_err(|e| format!("{}: {e}", initrd.display()))?;
    let folder = GUEST_DIR.trim_start_matches('/');
    archive.directory(folder);
    for program in programs {
        archive.program(&format!("{folder}/{program}"), &read(&from.join(program))?);
    }
    for (file, data) in files {
        archive.program(&format!("{folder}/{file}"), data);
    }
    for library in libraries {
        for (end, _) in library.match_indices('/') {
            archive.directory(&library[..end]);
        }
        archive.program(library, &read(&Path::new("/").join(library))?);
    }
    let path = build.tests().join(name);
    fs::write(&path, archive.finish()).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    Ok(path)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}

fn c_sources(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("cannot list {}: {e}", folder.display()))?;
    let mut sources: Vec<_> =
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "c")).collect();
    sources.sort();
    Ok(sources)
}

/// Compiles a C program to a static one, if it is older than its source.
pub fn compile_c(source: &Path, program: &Path) -> Result<(), String> {
    compile_one(&[source.to_owned()], program, STATIC)
}

fn compile_one(sources: &[PathBuf], program: &Path, kind: Kind) -> Result<(), String> {
    if !sources.iter().any(|source| is_older(program, source)) {
        return Ok(());
    }
    // Compiled beside its place and moved there whole: another test run may be using the old one.
    let fresh = program.with_extension(format!("new{}", std::process::id()));
    match kind {
        Kind::Script => {
            let source = &sources[0];
            fs::copy(source, &fresh).map_err(|e| format!("cannot copy {}: {e}", source.display()))?;
        }
        Kind::C(flags) | Kind::DebugC(flags) => {
            let mut gcc = Command::new("gcc");
            let debug = matches!(kind, Kind::DebugC(_));
            gcc.args(if debug { ["-O0", "-g"] } else { ["-O1", "-g0"] });
            gcc.args(["-std=gnu17", "-Wall", "-Wextra", "-Werror"]).args(flags);
            gcc.arg("-Wno-unused-result").arg("-o").arg(&fresh).args(sources).arg("-lm");
            check(gcc, "gcc and the static C library come with Debian's packages gcc and libc6-dev")?;
        }
        Kind::Rust => {
            let mut rustc = Command::new("rustc");
            rustc.args([
                "--edition=2024",
                "--target=x86_64-unknown-linux-gnu",
                "-Ctarget-feature=+crt-static",
            ]);
            rustc.args(["-Copt-level=1", "-Dwarnings", "-o"]).arg(&fresh).args(sources);
            check(rustc, "rustc comes with rustup")?;
        }
    }
    fs::rename(&fresh, program).map_err(|e| format!("cannot make {}: {e}", program.display()))
}

/// Whether the program is missing or older than its source or a header beside it.
fn is_older(program: &Path, source: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|m| m.modified()).ok();
    let Some(built) = time(program) else { return true };
    let folder = source.parent().expect("a source lies in a folder");
    let headers = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path());
    let headers = headers.filter(|p| p.extension().is_some_and(|e| e == "h"));
    headers.chain([source.to_owned()]).any(|p| time(&p).is_none_or(|t| t > built))
}

fn check(command: Command, hint: &str) -> Result<(), String> {
    let text = show(&command);
    let outcome = process::run(command, b"", Duration::from_secs(120)).map_err(|e| format!("{e}; {hint}"))?;
    match outcome.end {
        End::Exited(0) => Ok(()),
        end => Err(format!("{text}: {end}\n{}", String::from_utf8_lossy(&outcome.stderr))),
    }
}
