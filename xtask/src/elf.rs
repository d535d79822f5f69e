//! What has to be known of ELF files: programs of the root file system, servers, kernel modules.

use anyhow::{Context, Result, bail, ensure};
use elf::ElfBytes;
use elf::abi::{DT_NEEDED, EM_X86_64, ET_DYN, ET_EXEC, PT_INTERP, PT_LOAD, PT_NOTE};
use elf::endian::LittleEndian;
use elf::note::Note;
use elf::segment::ProgramHeader;
use std::ffi::CStr;

/// The unit in which `root` maps a server's file.
const PAGE: u64 = 4096;
/// Largest kernel in memory, far above what one has.
const IMAGE_MAX: usize = 64 << 20;
/// Type of the note that names the 32-bit entry (Xen's `include/public/elfnote.h`).
const XEN_ELFNOTE_PHYS32_ENTRY: u64 = 18;

/// Whether `bytes` is an x86-64 program that asks for no dynamic linker.
pub fn is_static(bytes: &[u8]) -> bool {
    segments(bytes).is_ok_and(|segments| segments.iter().all(|segment| segment.p_type != PT_INTERP))
}

/// What a program or library needs of others to run.
#[derive(Default, PartialEq, Eq, Debug)]
pub struct Linking {
    /// Path of the dynamic linker; a library names none.
    pub interpreter: Option<String>,
    /// Names of libraries.
    pub needed: Vec<String>,
}

/// What `bytes` needs to be linked with when it is started. `None` of a static program.
pub fn linking(bytes: &[u8]) -> Result<Option<Linking>> {
    let file = parse(bytes)?;
    ensure!(matches!(file.ehdr.e_type, ET_EXEC | ET_DYN), "no program");
    let mut linking = Linking::default();
    for segment in segments(bytes)?.iter().filter(|segment| segment.p_type == PT_INTERP) {
        let path = file.segment_data(segment)?;
        let path = CStr::from_bytes_until_nul(path).context("the dynamic linker's name has no end")?;
        linking.interpreter = Some(path.to_str()?.to_owned());
    }
    let common = file.find_common_data()?;
    if let (Some(dynamic), Some(names)) = (common.dynamic, common.dynsyms_strs) {
        for entry in dynamic.iter().filter(|entry| entry.d_tag == DT_NEEDED) {
            linking.needed.push(names.get(usize::try_from(entry.d_val())?)?.to_owned());
        }
    }
    let alone = linking == Linking::default();
    Ok((!alone).then_some(linking))
}

/// Checks that a server can be mapped where it lies in memory: segments begin at a page in the file as in memory, and
/// no memory goes beyond the file.
pub fn check_server(bytes: &[u8]) -> Result<()> {
    for segment in segments(bytes)?.iter().filter(|segment| segment.p_type == PT_LOAD) {
        let place = format!("segment at {:#x}", segment.p_vaddr);
        ensure!(segment.p_vaddr.is_multiple_of(PAGE), "{place} does not begin at a page");
        ensure!(segment.p_offset.is_multiple_of(PAGE), "{place} does not begin at a page of the file");
        ensure!(segment.p_filesz == segment.p_memsz, "{place} has memory beyond the file");
    }
    Ok(())
}

/// Bytes of a kernel's own code: of its section `.text`, not of the page that it leaves for a debugger's.
pub fn text_size(bytes: &[u8]) -> Result<u64> {
    Ok(parse(bytes)?.section_header_by_name(".text")?.context("no section .text")?.sh_size)
}

/// What a kernel's file puts into physical memory.
pub struct PhysicalImage {
    pub base: u64,
    pub bytes: Vec<u8>,
}

/// The segments at their physical addresses, in one piece.
pub fn physical_image(bytes: &[u8]) -> Result<PhysicalImage> {
    let segments: Vec<_> = segments(bytes)?.into_iter().filter(|s| s.p_type == PT_LOAD).collect();
    let base = segments.iter().map(|s| s.p_paddr).min().context("no segments")?;
    let mut image = PhysicalImage { base, bytes: Vec::new() };
    for segment in &segments {
        let at = usize::try_from(segment.p_paddr - base)?;
        let (size, space) = (usize::try_from(segment.p_filesz)?, usize::try_from(segment.p_memsz)?);
        let from = usize::try_from(segment.p_offset)?;
        let content = from.checked_add(size).and_then(|end| bytes.get(from..end));
        let content = content.context("a segment is not in the file")?;
        let end =
            at.checked_add(space.max(size)).filter(|&end| end <= IMAGE_MAX).context("a kernel too large")?;
        image.bytes.resize(image.bytes.len().max(end), 0);
        image.bytes[at..at + size].copy_from_slice(content);
    }
    Ok(image)
}

/// The 32-bit entry, by the note of the PVH boot ABI.
pub fn pvh_entry(bytes: &[u8]) -> Result<u64> {
    let file = parse(bytes)?;
    for segment in segments(bytes)?.iter().filter(|segment| segment.p_type == PT_NOTE) {
        for note in file.segment_data_as_notes(segment)? {
            if let Note::Unknown(note) = note
                && note.n_type == XEN_ELFNOTE_PHYS32_ENTRY
                && let Some(entry) = note.desc.first_chunk()
            {
                return Ok(u32::from_le_bytes(*entry).into());
            }
        }
    }
    bail!("no PVH entry")
}

/// Names of the modules that a Linux kernel module depends on (`depends=` in its section `.modinfo`).
pub fn module_dependencies(bytes: &[u8]) -> Result<Vec<String>> {
    let file = parse(bytes)?;
    let header = file.section_header_by_name(".modinfo")?.context("no section .modinfo")?;
    let (info, _) = file.section_data(&header)?;
    let fields = info.split(|&byte| byte == 0).filter_map(|field| std::str::from_utf8(field).ok());
    let depends = fields.filter_map(|field| field.strip_prefix("depends="));
    let names = depends.flat_map(|list| list.split(',')).filter(|name| !name.is_empty());
    Ok(names.map(|name| name.replace('-', "_")).collect())
}

fn parse(bytes: &[u8]) -> Result<ElfBytes<'_, LittleEndian>> {
    let file = ElfBytes::minimal_parse(bytes)?;
    ensure!(file.ehdr.e_machine == EM_X86_64, "not for x86-64");
    Ok(file)
}

fn segments(bytes: &[u8]) -> Result<Vec<ProgramHeader>> {
    Ok(parse(bytes)?.segments().context("no program headers")?.iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use lab::process;
    use std::process::Command;

    /// A C program, built with `flags`.
    fn compiled(flags: &[&str]) -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("main.c");
        std::fs::write(&source, "static char space[100000]; int main(void) { return space[0]; }\n").unwrap();
        let out = dir.path().join("main");
        process::run(Command::new("gcc").args(flags).arg("-o").arg(&out).arg(&source)).unwrap();
        std::fs::read(out).unwrap()
    }

    #[test]
    fn a_program_has_an_image_but_is_no_kernel() {
        let program = compiled(&["-static"]);
        let image = physical_image(&program).unwrap();
        let data = segments(&program).unwrap().into_iter().rfind(|s| s.p_type == PT_LOAD).unwrap();
        let at = (data.p_paddr - image.base) as usize;
        let (from, size) = (data.p_offset as usize, data.p_filesz as usize);
        assert_eq!(image.bytes[at..at + size], program[from..from + size]);
        assert!(image.bytes.len() >= at + data.p_memsz as usize && data.p_memsz > 100_000);
        assert!(pvh_entry(&program).is_err());
        assert!(physical_image(b"").is_err());
    }

    #[test]
    fn static_programs_are_told_from_others() {
        assert!(is_static(&compiled(&["-static"])));
        assert!(!is_static(&compiled(&[])));
        assert!(!is_static(b"#!/bin/sh\n"));
        assert!(!is_static(b""));
    }

    #[test]
    fn what_a_program_is_linked_with_is_found() {
        assert_eq!(linking(&compiled(&["-static"])).unwrap(), None);
        assert_eq!(linking(&compiled(&["-static-pie"])).unwrap(), None);
        let found = linking(&compiled(&[])).unwrap().unwrap();
        assert_eq!(found.interpreter.as_deref(), Some("/lib64/ld-linux-x86-64.so.2"));
        assert_eq!(found.needed, ["libc.so.6"]);
        let library = linking(&compiled(&["-shared", "-fPIC", "-Wl,--no-as-needed"])).unwrap().unwrap();
        assert_eq!((library.interpreter, library.needed), (None, vec!["libc.so.6".to_owned()]));
    }

    #[test]
    fn programs_that_are_cut_off_or_changed_are_errors_at_most() {
        let program = compiled(&[]);
        for length in (0..program.len()).step_by(97) {
            drop(linking(&program[..length]));
        }
        for at in 0..program.len().min(2000) {
            let mut changed = program.clone();
            changed[at] ^= 0xff;
            drop(linking(&changed));
        }
        assert!(linking(b"").is_err() && linking(&program[..100]).is_err());
    }

    #[test]
    fn a_program_with_bss_is_no_server() {
        let error = check_server(&compiled(&["-static"])).unwrap_err().to_string();
        assert!(error.contains("page") || error.contains("beyond the file"), "{error}");
    }

    #[test]
    fn text_is_found() {
        assert!(text_size(&compiled(&["-static"])).unwrap() > 1000);
        assert!(text_size(b"").is_err());
    }
}
