//! Makes the kernel record what it does: puts a detour into each of its trace points.
//!
//! The kernel says where they are (`ukernel_abi::sites`). It is done to the image in memory before the machine starts, so a machine without a profile runs
//! the kernel as it was linked, and nobody has to change code that a CPU executes.
//!
//! [`patches`] works on the file alone and believes nothing of it: a kernel may be any ELF file. [`connect`] writes what that says into the machine's memory, if
//! there is what is in the file.

use crate::memory::GuestMemory;
use crate::symbols;
use elf::ElfBytes;
use elf::abi::{PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use std::ops::Range;
use std::path::{Path, PathBuf};
use ukernel_abi::sites::{FILL, JUMP, JUMP_OPCODE, SITE_MAX, SYMBOL, Site, SiteTable};
use vm_memory::{Bytes, GuestAddress};

/// More sites than any kernel has.
const SITES_MAX: u64 = 256;

#[derive(Debug, thiserror::Error)]
#[error("kernel {}: {what}", .path.display())]
pub struct SitesError {
    pub path: PathBuf,
    pub what: Defect,
}

/// Why a kernel cannot be made to record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Defect {
    #[error("cannot be read: {0}")]
    Read(std::io::ErrorKind),
    #[error("has no trace points that this ukvmm knows (symbol {SYMBOL}), so it cannot be profiled")]
    NoTable,
    #[error("has a malformed table of trace points: {0}")]
    Table(&'static str),
    #[error("has a malformed trace point at {0:#x}: {1}")]
    Site(u64, &'static str),
    #[error("maps physical memory only up to {0:#x}, below the rings of the profile")]
    Rings(u64),
    #[error("has changed since it was loaded")]
    Changed,
}

/// Bytes of the kernel's image to replace by others, as many.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Patch {
    /// Physical address.
    pub at: u64,
    pub old: Vec<u8>,
    pub new: Vec<u8>,
}

/// Has the kernel of the file `path`, which has been loaded into `memory` and has not run yet, record into the rings in the module at these physical addresses.
/// Returns the number of places that it has changed.
pub fn connect(memory: &GuestMemory, path: &Path, rings: Range<u64>) -> Result<usize, SitesError> {
    let error = |what| SitesError { path: path.to_path_buf(), what };
    let file = std::fs::read(path).map_err(|e| error(Defect::Read(e.kind())))?;
    let patches = patches(&file, rings).map_err(error)?;
    for patch in &patches {
        let mut there = vec![0; patch.old.len()];
        let read = memory.read_slice(&mut there, GuestAddress(patch.at));
        if read.is_err()
            || there != patch.old
            || memory.write_slice(&patch.new, GuestAddress(patch.at)).is_err()
        {
            return Err(error(Defect::Changed));
        }
    }
    Ok(patches.len())
}

/// What has to be changed in the kernel of the ELF file `elf`, that it may record into the rings in the module at these physical addresses.
pub fn patches(elf: &[u8], rings: Range<u64>) -> Result<Vec<Patch>, Defect> {
    let image = Image::parse(elf).ok_or(Defect::NoTable)?;
    let table = image.table().ok_or(Defect::NoTable)?;
    let ring_address = ring_address(&table, rings)?;
    let word = image.place(table.rings, 8).ok_or(Defect::Table("the rings' address is outside the image"))?;
    let mut patches = vec![word.patch(&ring_address.to_le_bytes())];
    let mut sites = read_sites(&image, &table)?;
    sites.sort_by_key(|site| site.start);
    let mut end = 0;
    for site in &sites {
        let bad = |why| Defect::Site(site.start, why);
        if site.start < end {
            return Err(bad("it lies in another"));
        }
        end = site.end;
        patches.extend(detour(&image, &table, site).map_err(bad)?);
    }
    Ok(patches)
}

/// Where the kernel sees the rings.
fn ring_address(table: &SiteTable, rings: Range<u64>) -> Result<u64, Defect> {
    let address = table.physmap.checked_add(rings.start).filter(|_| rings.end <= table.physmap_size);
    address.ok_or(Defect::Rings(table.physmap_size))
}

fn read_sites(image: &Image, table: &SiteTable) -> Result<Vec<Site>, Defect> {
    let size = table.sites_end.checked_sub(table.sites).ok_or(Defect::Table("it ends before it begins"))?;
    if size == 0 || !size.is_multiple_of(Site::SIZE as u64) || size / Site::SIZE as u64 > SITES_MAX {
        return Err(Defect::Table("its size is no table's"));
    }
    let place = image.place(table.sites, size).ok_or(Defect::Table("it is outside the image"))?;
    Ok(place.content.chunks_exact(Site::SIZE).filter_map(Site::read).collect())
}

/// From a site to its stub, and from the stub's tail, which does what was at the site, to what follows it.
fn detour(image: &Image, table: &SiteTable, site: &Site) -> Result<Vec<Patch>, &'static str> {
    let size = site.end.checked_sub(site.start).ok_or("it ends before it begins")?;
    if !(JUMP as u64..=SITE_MAX as u64).contains(&size) {
        return Err("its size is no site's");
    }
    let place = image.place(site.start, size).filter(|place| place.is_code).ok_or("it is no code")?;
    let mut over = jump(site.start, site.stub).ok_or("its stub is too far away")?;
    over.resize(size as usize, FILL);
    let mut detour = vec![place.patch(&over)];
    stub_code(image, table, site.stub, 1).ok_or("its stub is none")?;
    if site.tail != 0 {
        let end = size + JUMP as u64;
        let tail = stub_code(image, table, site.tail, end).ok_or("its tail is none")?;
        let back = jump(site.tail + size, site.end).ok_or("its tail is too far away")?;
        detour.push(tail.patch(&[place.content, &back].concat()));
    }
    Ok(detour)
}

/// `size` bytes of the stubs at `address`.
fn stub_code<'a>(image: &Image<'a>, table: &SiteTable, address: u64, size: u64) -> Option<Place<'a>> {
    let inside = table.stubs <= address && address.checked_add(size)? <= table.stubs_end;
    image.place(address, size).filter(|place| inside && place.is_code)
}

/// A jump at one address to another, if it is near enough.
fn jump(from: u64, to: u64) -> Option<Vec<u8>> {
    let distance = to.wrapping_sub(from.wrapping_add(JUMP as u64)) as i64;
    let distance = i32::try_from(distance).ok()?;
    Some([&[JUMP_OPCODE][..], &distance.to_le_bytes()].concat())
}

/// A kernel's file.
struct Image<'a>(ElfBytes<'a, LittleEndian>);

/// A piece of it that gets loaded.
struct Place<'a> {
    physical: u64,
    content: &'a [u8],
    is_code: bool,
}

impl Place<'_> {
    fn patch(&self, new: &[u8]) -> Patch {
        Patch { at: self.physical, old: self.content.to_vec(), new: new.to_vec() }
    }
}

impl<'a> Image<'a> {
    fn parse(file: &'a [u8]) -> Option<Self> {
        ElfBytes::minimal_parse(file).ok().map(Self)
    }

    fn table(&self) -> Option<SiteTable> {
        let address = symbols::address_in(&self.0, SYMBOL)?;
        SiteTable::read(self.place(address, SiteTable::SIZE as u64)?.content)
    }

    /// What the file has at virtual address `address`, `size` bytes.
    fn place(&self, address: u64, size: u64) -> Option<Place<'a>> {
        let end = address.checked_add(size)?;
        let holds = |s: &elf::segment::ProgramHeader| {
            let file_end = s.p_vaddr.checked_add(s.p_filesz);
            s.p_type == PT_LOAD && s.p_vaddr <= address && file_end.is_some_and(|file_end| end <= file_end)
        };
        let segment = self.0.segments()?.iter().find(holds)?;
        let offset = address - segment.p_vaddr;
        let data = self.0.segment_data(&segment).ok()?;
        let content = data.get(usize::try_from(offset).ok()?..)?.get(..usize::try_from(size).ok()?)?;
        let physical = segment.p_paddr.checked_add(offset)?;
        Some(Place { physical, content, is_code: segment.p_flags & PF_X != 0 })
    }
}

#[cfg(test)]
mod tests;
