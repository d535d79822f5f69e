//! What the headers of an ELF file say (gABI chapters 4 and 5; x86-64 psABI), checked: a hostile file gives ENOEXEC.

use crate::errno::Errno;
use crate::mm::{PAGE, TASK_SIZE};
use alloc::vec::Vec;
use elf::abi;
use elf::endian::LittleEndian;
use elf::file::{Class, FileHeader, parse_ident};
use elf::segment::{ProgramHeader, SegmentTable};

/// Bytes of the file header.
pub const HEADER_SIZE: usize = 64;
const PHDR_SIZE: usize = 56;
/// Most bytes of program headers, as in Linux.
const PHDRS_MAX: usize = 65536;
const INTERPRETER_MAX: u64 = 4096;

/// The file header, as far as it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub entry: u64,
    /// Position-independent: may be loaded anywhere.
    pub relocatable: bool,
    pub phdrs_offset: u64,
    pub phdrs_count: usize,
}

impl Header {
    pub fn parse(bytes: &[u8; HEADER_SIZE]) -> Result<Self, Errno> {
        let ident = parse_ident::<LittleEndian>(&bytes[..abi::EI_NIDENT]).map_err(|_| Errno::ENOEXEC)?;
        if ident.1 != Class::ELF64 {
            return Err(Errno::ENOEXEC);
        }
        let header: FileHeader<LittleEndian> =
            FileHeader::parse_tail(ident, &bytes[abi::EI_NIDENT..]).map_err(|_| Errno::ENOEXEC)?;
        let runs_here = header.e_machine == abi::EM_X86_64
            && matches!(header.e_type, abi::ET_EXEC | abi::ET_DYN)
            && header.e_phentsize as usize == PHDR_SIZE
            && header.e_phnum > 0
            && header.e_phnum as usize * PHDR_SIZE <= PHDRS_MAX;
        if !runs_here {
            return Err(Errno::ENOEXEC);
        }
        Ok(Self {
            entry: header.e_entry,
            relocatable: header.e_type == abi::ET_DYN,
            phdrs_offset: header.e_phoff,
            phdrs_count: header.e_phnum as usize,
        })
    }

    /// Bytes that the program headers take.
    pub fn phdrs_size(&self) -> usize {
        self.phdrs_count * PHDR_SIZE
    }
}

/// A part of the file that is to be mapped. Addresses are relative to where the image is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub addr: u64,
    pub file_size: u64,
    pub memory_size: u64,
    pub offset: u64,
    /// `PF_*`.
    pub flags: u32,
}

/// What the program headers say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    pub segments: Vec<Segment>,
    /// Offset and size of the interpreter's path in the file.
    pub interpreter: Option<(u64, usize)>,
    /// Address of the program headers in memory, if they are.
    pub phdrs_addr: Option<u64>,
    pub executable_stack: bool,
    /// Alignment of the image as a whole.
    pub align: u64,
}

impl Image {
    pub fn parse(header: &Header, phdrs: &[u8]) -> Result<Self, Errno> {
        let mut image = Self {
            segments: Vec::new(),
            interpreter: None,
            phdrs_addr: None,
            // Programs without PT_GNU_STACK get no executable stack on x86-64 since Linux 5.8.
            executable_stack: false,
            align: PAGE,
        };
        for p in SegmentTable::new(LittleEndian, Class::ELF64, phdrs).iter() {
            match p.p_type {
                abi::PT_LOAD => image.add_load(header, &p)?,
                abi::PT_INTERP if image.interpreter.is_none() => {
                    if !(2..=INTERPRETER_MAX).contains(&p.p_filesz) {
                        return Err(Errno::ENOEXEC);
                    }
                    image.interpreter = Some((p.p_offset, p.p_filesz as usize));
                }
                abi::PT_GNU_STACK => image.executable_stack = p.p_flags & abi::PF_X != 0,
                _ => {}
            }
        }
        if image.segments.is_empty() { Err(Errno::ENOEXEC) } else { Ok(image) }
    }

    fn add_load(&mut self, header: &Header, p: &ProgramHeader) -> Result<(), Errno> {
        let end = p.p_vaddr.checked_add(p.p_memsz).filter(|e| *e <= TASK_SIZE);
        let file_end = p.p_offset.checked_add(p.p_filesz).filter(|e| *e <= i64::MAX as u64);
        let congruent = p.p_vaddr % PAGE == p.p_offset % PAGE;
        if end.is_none() || file_end.is_none() || !congruent || p.p_filesz > p.p_memsz {
            return Err(Errno::ENOEXEC);
        }
        if p.p_memsz == 0 {
            return Ok(());
        }
        if self.segments.last().is_some_and(|s| s.addr > p.p_vaddr) {
            return Err(Errno::ENOEXEC);
        }
        let phdrs_in_file = header.phdrs_offset.checked_sub(p.p_offset).filter(|d| *d < p.p_filesz);
        if let Some(delta) = phdrs_in_file
            && self.phdrs_addr.is_none()
        {
            self.phdrs_addr = p.p_vaddr.checked_add(delta);
        }
        if p.p_align.is_power_of_two() {
            self.align = self.align.max(p.p_align.min(2 << 20));
        }
        self.segments.push(Segment {
            addr: p.p_vaddr,
            file_size: p.p_filesz,
            memory_size: p.p_memsz,
            offset: p.p_offset,
            flags: p.p_flags,
        });
        Ok(())
    }

    /// First page and end of the last page. Cannot overflow: every segment ends below `TASK_SIZE`.
    pub fn bounds(&self) -> (u64, u64) {
        let start = self.segments.iter().map(|s| s.addr & !(PAGE - 1)).min().unwrap_or(0);
        let end =
            self.segments.iter().map(|s| (s.addr + s.memory_size).next_multiple_of(PAGE)).max().unwrap_or(0);
        (start, end)
    }
}
