//! Opens a core and reads it.
//!
//! Whoever hands somebody a core wants it to be opened, so whatever is in it is checked: what is not there is an error, and what is there is
//! never more than is read.

use super::manifest::{Manifest, Range};
use super::vcpu::Vcpu;
use super::{HEAD_MAX, MANIFEST, NAME, PAGE, VCPU};
use crate::debug::registers::Registers;
use crate::debug::view::{NoMemory, View};
use crate::loader::file::{self, FileError, Input};
use crate::memory::GuestMemory;
use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_CORE, PT_NOTE};
use elf::endian::LittleEndian;
use elf::note::Note;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use vm_memory::mmap::MmapRegion;
use vm_memory::{FileOffset, GuestAddress, GuestRegionMmap};
use vmm_abi::boot::CPUS_MAX;
use vmm_abi::exit;

/// More ranges of RAM than any machine of ours has.
const RANGES_MAX: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("core {}: {what}", .path.display())]
    Core { path: PathBuf, what: Defect },
}

impl CoreError {
    /// The exit status that it ends `ukvmm` with.
    pub fn status(&self) -> u8 {
        match self {
            Self::File(error) => error.status(),
            Self::Core { .. } => exit::VMM,
        }
    }
}

/// What is wrong with a core.
#[derive(Debug, thiserror::Error)]
pub enum Defect {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error("is no ELF file ({0}); name a file that `ukvmm --core FILE` has written")]
    NoElf(elf::ParseError),
    #[error("is no core but another kind of ELF file; name a file that `ukvmm --core FILE` has written")]
    NoCore,
    #[error("was not written by ukvmm, but by another program or for another machine; plain gdb may open it")]
    NotOurs,
    #[error("is truncated: it should have {expected} bytes and has {size}; copy it again, in full")]
    Truncated { expected: u64, size: u64 },
    #[error("is damaged: {0}; copy it again")]
    Damaged(&'static str),
    #[error("is damaged: {0}; copy it again")]
    Manifest(Box<toml::de::Error>),
}

/// A core that has been opened.
#[derive(Debug)]
pub struct Core {
    file: Input,
    manifest: Manifest,
    vcpus: Vec<Vcpu>,
}

impl Core {
    pub fn open(path: &Path) -> Result<Self, CoreError> {
        let file = file::open("core", path, "")?;
        match parse(&file) {
            Ok((manifest, vcpus)) => Ok(Self { file, manifest, vcpus }),
            Err(what) => Err(CoreError::Core { path: file.path, what }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.file.path
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The RAM as a machine has it. What is written there is not written to the core.
    pub fn map(&self) -> Result<GuestMemory, String> {
        let region = |range: &Range| {
            let file = self.file.file.try_clone().map_err(|error| error.to_string())?;
            let size = usize::try_from(range.length).map_err(|error| error.to_string())?;
            let place = Some(FileOffset::new(file, range.offset));
            let (prot, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_NORESERVE);
            let mapped = MmapRegion::build(place, size, prot, flags).map_err(|error| error.to_string())?;
            GuestRegionMmap::new(mapped, GuestAddress(range.start)).ok_or_else(|| "addresses overflow".into())
        };
        let mut ram: Vec<_> = self.manifest.ram.iter().collect();
        ram.sort_by_key(|range| range.start);
        let regions = ram.into_iter().map(region).collect::<Result<_, String>>()?;
        GuestMemory::from_regions(regions).map_err(|error| error.to_string())
    }
}

impl View for Core {
    fn vcpus(&self) -> usize {
        self.vcpus.len()
    }

    fn registers(&self, index: usize) -> Option<Registers> {
        self.vcpus.get(index)?.registers.clone()
    }

    fn tsc(&self, index: usize) -> Option<u64> {
        self.vcpus.get(index)?.tsc
    }

    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        let mut done = 0;
        while done < into.len() {
            let at = address.checked_add(done as u64).ok_or(NoMemory(address))?;
            let range = self.manifest.ram.iter().find(|range| range.offset_of(at).is_some());
            let range = range.ok_or(NoMemory(at))?;
            let left = range.length - (at - range.start);
            let end = into.len().min(done.saturating_add(usize::try_from(left).unwrap_or(usize::MAX)));
            let offset = range.offset + (at - range.start);
            // The file may have become shorter since it was opened.
            self.file.file.read_exact_at(&mut into[done..end], offset).map_err(|_| NoMemory(at))?;
            done = end;
        }
        Ok(())
    }

    fn ram(&self) -> Vec<(u64, u64)> {
        self.manifest.ram.iter().map(|range| (range.start, range.length)).collect()
    }
}

fn parse(file: &Input) -> Result<(Manifest, Vec<Vcpu>), Defect> {
    let mut head = Vec::new();
    (&file.file).take(HEAD_MAX).read_to_end(&mut head)?;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(&head).map_err(|error| match error {
        // Of a file that is shorter than its headers say, it can be told that it is an ELF file.
        elf::ParseError::SliceReadError((_, end)) if head.starts_with(b"\x7fELF") => {
            Defect::Truncated { expected: end as u64, size: file.size }
        }
        error => Defect::NoElf(error),
    })?;
    if elf.ehdr.e_type != ET_CORE {
        return Err(Defect::NoCore);
    }
    if elf.ehdr.e_machine != EM_X86_64 {
        return Err(Defect::NotOurs);
    }
    let (manifest, vcpus) = notes(&elf, file.size)?;
    let manifest = manifest.ok_or(Defect::NotOurs)?;
    check_ram(&manifest.ram, file.size)?;
    Ok((manifest, in_order(vcpus)?))
}

/// Our own notes: the manifest, and the vCPUs with their indices.
type Ours = (Option<Manifest>, Vec<(usize, Vcpu)>);

fn notes(elf: &ElfBytes<'_, LittleEndian>, size: u64) -> Result<Ours, Defect> {
    let (mut manifest, mut vcpus) = (None, Vec::new());
    let segments = elf.segments().into_iter().flat_map(|segments| segments.iter());
    for segment in segments.filter(|segment| segment.p_type == PT_NOTE) {
        let expected = segment.p_offset.saturating_add(segment.p_filesz);
        if expected > size {
            return Err(Defect::Truncated { expected, size });
        }
        let notes =
            elf.segment_data_as_notes(&segment).map_err(|_| Defect::Damaged("its notes cannot be read"))?;
        for note in notes {
            let Note::Unknown(note) = note else { continue };
            if !note.name_str().is_ok_and(|name| name == NAME) {
                continue;
            }
            match u32::try_from(note.n_type) {
                Ok(MANIFEST) => manifest = Some(parse_manifest(note.desc)?),
                Ok(VCPU) if vcpus.len() < usize::from(CPUS_MAX) => {
                    let vcpu = Vcpu::from_bytes(note.desc);
                    vcpus.push(vcpu.ok_or(Defect::Damaged("a vCPU cannot be read"))?);
                }
                Ok(VCPU) => return Err(Defect::Damaged("there are too many vCPUs")),
                // Of a version to come.
                _ => {}
            }
        }
    }
    Ok((manifest, vcpus))
}

fn parse_manifest(text: &[u8]) -> Result<Manifest, Defect> {
    let text = str::from_utf8(text).map_err(|_| Defect::Damaged("its manifest is no text"))?;
    toml::from_str(text).map_err(|error| Defect::Manifest(Box::new(error)))
}

/// Ranges are of whole pages, are where the file is, and none is in another. They need not be in order.
fn check_ram(ram: &[Range], size: u64) -> Result<(), Defect> {
    if ram.len() > RANGES_MAX {
        return Err(Defect::Damaged("there are too many ranges of memory"));
    }
    for range in ram {
        if [range.start, range.length, range.offset].iter().any(|value| !value.is_multiple_of(PAGE)) {
            return Err(Defect::Damaged("memory does not begin at a page"));
        }
        let expected = range.offset.checked_add(range.length);
        let expected = expected.ok_or(Defect::Damaged("memory is at no offset that a file can have"))?;
        if expected > size {
            return Err(Defect::Truncated { expected, size });
        }
    }
    let mut all: Vec<_> =
        ram.iter().map(|range| (range.start, range.start.checked_add(range.length))).collect();
    all.sort_unstable();
    let apart = |pair: &[(u64, Option<u64>)]| pair[0].1.is_some_and(|end| end <= pair[1].0);
    if !all.windows(2).all(apart) || all.iter().any(|(_, end)| end.is_none()) {
        return Err(Defect::Damaged("ranges of memory overlap"));
    }
    Ok(())
}

fn in_order(mut vcpus: Vec<(usize, Vcpu)>) -> Result<Vec<Vcpu>, Defect> {
    vcpus.sort_by_key(|(index, _)| *index);
    if !vcpus.iter().map(|(index, _)| *index).eq(0..vcpus.len()) {
        return Err(Defect::Damaged("a vCPU is missing, or there twice"));
    }
    Ok(vcpus.into_iter().map(|(_, vcpu)| vcpu).collect())
}
