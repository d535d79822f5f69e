//! A server's program: the segments of its ELF file, which are mapped where they lie in the boot module.
//!
//! `server.ld` makes files that allow that: everything is page-aligned and .bss is in the file. A file that
//! is not like this is refused, with the reason, before anything runs.

use elf::ElfBytes;
use elf::abi::{EM_X86_64, ET_EXEC, PF_R, PF_W, PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use elf::segment::ProgramHeader;
use proto::place;
use ukernel_abi::Rights;
use ukernel_abi::layout::PAGE;

/// Most segments that a server can have; `server.ld` makes three.
pub const SEGMENTS: usize = 4;

/// Pages of the image. All values are multiples of the page size.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub address: u64,
    pub size: u64,
    /// In the file.
    pub offset: u64,
    pub rights: Rights,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Image {
    pub entry: u64,
    segments: [Option<Segment>; SEGMENTS],
}

/// Why a file is no server. The text says what is wrong with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadImage(pub &'static str);

impl Image {
    pub fn parse(file: &[u8]) -> Result<Self, BadImage> {
        let elf =
            ElfBytes::<LittleEndian>::minimal_parse(file).map_err(|_| BadImage("not a 64-bit ELF file"))?;
        if elf.ehdr.e_machine != EM_X86_64 || elf.ehdr.e_type != ET_EXEC {
            return Err(BadImage("not an x86-64 executable with fixed addresses"));
        }
        let headers = elf.segments().ok_or(BadImage("no program headers"))?;
        let mut image = Self { entry: elf.ehdr.e_entry, segments: [None; SEGMENTS] };
        for header in headers.iter().filter(|h| h.p_type == PT_LOAD && h.p_memsz != 0) {
            let segment = segment(&header, file.len() as u64)?;
            if image.segments().any(|s| overlap(s, &segment)) {
                return Err(BadImage("two segments share a page"));
            }
            let place =
                image.segments.iter_mut().find(|s| s.is_none()).ok_or(BadImage("too many segments"))?;
            *place = Some(segment);
        }
        let starts = |s: &Segment| s.rights.contains(Rights::X) && contains(s, image.entry);
        if image.segments().any(starts) { Ok(image) } else { Err(BadImage("entry point is not in the text")) }
    }

    pub fn segments(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().flatten()
    }

    /// The segment that an address is in, and its number.
    pub fn segment_at(&self, address: u64) -> Option<(usize, &Segment)> {
        self.segments().enumerate().find(|(_, s)| contains(s, address))
    }
}

fn segment(h: &ProgramHeader, file_size: u64) -> Result<Segment, BadImage> {
    if h.p_filesz != h.p_memsz {
        return Err(BadImage("a segment has memory that is not in the file (.bss)"));
    }
    if (h.p_vaddr | h.p_offset | h.p_memsz) & (PAGE - 1) != 0 {
        return Err(BadImage("a segment is not page-aligned"));
    }
    if h.p_offset.checked_add(h.p_filesz).is_none_or(|end| end > file_size) {
        return Err(BadImage("a segment reaches beyond the end of the file"));
    }
    let end = h.p_vaddr.checked_add(h.p_memsz);
    if h.p_vaddr < place::IMAGE || end.is_none_or(|end| end > place::IMAGE_END) {
        return Err(BadImage("a segment is not in the place for images"));
    }
    let flag = |bit, rights| if h.p_flags & bit != 0 { rights } else { Rights::NONE };
    let rights = flag(PF_R, Rights::R).union(flag(PF_W, Rights::W)).union(flag(PF_X, Rights::X));
    if rights.contains(Rights::W.union(Rights::X)) {
        return Err(BadImage("a segment is writable and executable"));
    }
    Ok(Segment { address: h.p_vaddr, size: h.p_memsz, offset: h.p_offset, rights })
}

fn contains(s: &Segment, address: u64) -> bool {
    address >= s.address && address - s.address < s.size
}

fn overlap(a: &Segment, b: &Segment) -> bool {
    let (in_memory, in_file) = (
        a.address < b.address + b.size && b.address < a.address + a.size,
        a.offset < b.offset + b.size && b.offset < a.offset + a.size,
    );
    in_memory || in_file
}

#[cfg(test)]
pub mod tests;
