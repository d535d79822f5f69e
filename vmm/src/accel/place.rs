//! Where the lab's parts are on this host: QEMU, busybox, a kernel; and what our own program takes to run there.

use super::{AccelError, host};
use elf::ElfBytes;
use elf::abi::PT_INTERP;
use elf::endian::LittleEndian;
use lab::{Kernel, Lab, QEMU};
use std::collections::BTreeSet;
use std::ffi::CStr;
use std::fs;
use std::path::{Path, PathBuf};

/// Names the folder with the lab's kernel.
pub const FOLDER_VARIABLE: &str = "UKVMM_LAB";
const BUSYBOXES: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// The lab of this host, with its files in `home`.
pub fn find(home: PathBuf) -> Result<Lab, AccelError> {
    require(QEMU, "qemu-system-x86 (as Debian calls it)")?;
    require("timeout", "coreutils")?;
    Ok(Lab { kernel: kernel(&folders()?)?, busybox: busybox(&BUSYBOXES)?, home })
}

fn require(program: &'static str, package: &'static str) -> Result<(), AccelError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    if is_there { Ok(()) } else { Err(AccelError::NoProgram { program, package }) }
}

/// Where a kernel may be: as `build/lab` has it, as it is installed, or where the user says.
fn folders() -> Result<Vec<PathBuf>, AccelError> {
    if let Some(folder) = std::env::var_os(FOLDER_VARIABLE) {
        let folder = PathBuf::from(folder);
        return Ok(vec![folder.join("kernel"), folder]);
    }
    let program = std::env::current_exe().map_err(host("finding our own program"))?;
    let beside = program.parent().unwrap_or(Path::new("/"));
    Ok(["lab/kernel", "../share/ukvmm/lab/kernel"].map(|folder| beside.join(folder)).to_vec())
}

fn kernel(folders: &[PathBuf]) -> Result<Kernel, AccelError> {
    match folders.iter().find(|folder| folder.join("vmlinuz").exists()) {
        Some(folder) => Kernel::read(folder).map_err(|error| AccelError::Lab(format!("{error:#}"))),
        None => Err(AccelError::NoKernel { tried: folders.to_vec() }),
    }
}

/// Debian's package `busybox` has the same program linked to shared libraries; that one will not do.
fn busybox(paths: &[&str]) -> Result<PathBuf, AccelError> {
    let is_static =
        |path: &&&str| fs::read(path).is_ok_and(|bytes| matches!(interpreter(&bytes), Some(None)));
    let found = paths.iter().find(is_static).map(PathBuf::from);
    found.ok_or_else(|| AccelError::NoBusybox { tried: paths.iter().map(PathBuf::from).collect() })
}

/// Our own program, and the files that it needs to be started: none if it is static.
pub fn ourselves() -> Result<(PathBuf, Vec<PathBuf>), AccelError> {
    let program = std::env::current_exe().map_err(host("finding our own program"))?;
    let bytes = fs::read(&program).map_err(host(format!("reading {}", program.display())))?;
    let Some(Some(interpreter)) = interpreter(&bytes) else { return Ok((program, Vec::new())) };
    let maps = fs::read_to_string("/proc/self/maps").map_err(host("reading /proc/self/maps"))?;
    let libraries = libraries(&maps).into_iter().filter(|path| *path != program);
    Ok((program.clone(), libraries.chain([interpreter]).collect()))
}

/// Files that are mapped for execution.
fn libraries(maps: &str) -> BTreeSet<PathBuf> {
    let lines = maps.lines().filter(|line| line.split(' ').nth(1).is_some_and(|rights| rights.contains('x')));
    lines.filter_map(|line| Some(line[line.find('/')?..].into())).collect()
}

/// Who loads a program's libraries; the inner `None`: it has none. The outer one: it is no program.
fn interpreter(bytes: &[u8]) -> Option<Option<PathBuf>> {
    let file = ElfBytes::<LittleEndian>::minimal_parse(bytes).ok()?;
    let Some(segment) = file.segments()?.iter().find(|segment| segment.p_type == PT_INTERP) else {
        return Some(None);
    };
    let path = CStr::from_bytes_until_nul(file.segment_data(&segment).ok()?).ok()?;
    Some(Some(path.to_str().ok()?.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_said_with_where_it_was_looked_for() {
        let error = kernel(&["/absent/lab".into()]).unwrap_err();
        assert!(
            error.to_string().contains("/absent/lab") && error.to_string().contains("UKVMM_LAB"),
            "{error}"
        );
        let error = busybox(&["/absent/busybox", "/dev/null"]).unwrap_err();
        assert!(error.to_string().contains("/absent/busybox, /dev/null; install busybox-static"), "{error}");
        assert!(require("no-such-program", "it").unwrap_err().to_string().ends_with("install it"));
    }

    #[test]
    fn what_we_are_made_of_is_there() {
        let (program, files) = ourselves().unwrap();
        assert!(program.is_file() && files.iter().all(|file| file.is_file()), "{files:?}");
    }

    #[test]
    fn libraries_are_what_can_be_executed() {
        let maps = "1-2 r-xp 00000000 fe:00 7    /lib/a b.so\n2-3 rw-p 0 fe:00 8 /lib/c\n3-4 r-xp 0 00:00 0  [vdso]\n";
        assert_eq!(libraries(maps), BTreeSet::from(["/lib/a b.so".into()]));
    }
}
