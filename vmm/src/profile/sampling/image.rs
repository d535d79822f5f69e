//! An ELF file, as far as it says what is at an address of a running program.

use super::rules::Table;
use super::unwind::Rules;
use crate::symbols::Functions;
use elf::ElfBytes;
use elf::abi::{PF_X, PT_LOAD};
use elf::endian::LittleEndian;
use std::path::Path;

/// Larger files are not looked into.
pub const FILE_MAX: u64 = 256 << 20;

/// What is known of a file. All addresses are the file's own.
pub struct Image {
    functions: Functions,
    rules: Table,
    code: Vec<Code>,
}

/// A segment that is executed.
struct Code {
    address: u64,
    /// Where it is in the file.
    offset: u64,
    bytes: Vec<u8>,
}

impl Image {
    /// `None` if it is no ELF file.
    pub fn parse(file: &[u8]) -> Option<Self> {
        let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
        let executed = elf.segments()?.iter().filter(|s| s.p_type == PT_LOAD && s.p_flags & PF_X != 0);
        let code = executed.filter_map(|s| {
            Some(Code { address: s.p_vaddr, offset: s.p_offset, bytes: elf.segment_data(&s).ok()?.to_vec() })
        });
        Some(Self { functions: Functions::of(&elf), rules: Table::of(&elf), code: code.collect() })
    }

    /// Of a file of the host's.
    pub fn read(path: &Path) -> Option<Self> {
        let length = std::fs::metadata(path).ok()?.len();
        if length > FILE_MAX { None } else { Self::parse(&std::fs::read(path).ok()?) }
    }

    /// What the function around `address` is called.
    pub fn function(&self, address: u64) -> Option<&str> {
        self.functions.at(address).map(|(name, _)| name)
    }

    pub fn rules(&self, address: u64) -> Option<Rules> {
        self.rules.at(address)
    }

    /// Whether there is code.
    pub fn is_code(&self, address: u64) -> bool {
        !self.code(address, 1).is_empty()
    }

    /// Up to `length` bytes of code from `address` on.
    pub fn code(&self, address: u64, length: usize) -> &[u8] {
        let from = |code: &Code| usize::try_from(address.checked_sub(code.address)?).ok();
        let found =
            self.code.iter().find_map(|code| code.bytes.get(from(code)?..).filter(|rest| !rest.is_empty()));
        found.map_or(&[], |rest| &rest[..length.min(rest.len())])
    }

    /// The address of what is at `offset` of the file, if it is in a segment that is executed, or on the page that such a segment begins on.
    pub fn address_of(&self, offset: u64) -> Option<u64> {
        const PAGE: u64 = 4096;
        let code = self.code.iter().find(|code| {
            (code.offset & !(PAGE - 1)..code.offset.saturating_add(code.bytes.len() as u64)).contains(&offset)
        })?;
        Some(code.address.wrapping_add(offset.wrapping_sub(code.offset)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tiny_elf::Elf;

    #[test]
    fn code_is_found_by_its_address_and_its_place_in_the_file() {
        let file = Elf::new(&[0x90, 0xf4]).bytes();
        let image = Image::parse(&file).unwrap();
        let start = image.code[0].address;
        assert!(image.is_code(start) && !image.is_code(start.wrapping_sub(1)));
        assert_eq!(image.address_of(image.code[0].offset), Some(start));
        assert_eq!(image.address_of(u64::MAX), None);
        assert_eq!(image.code(start, 1).len(), 1);
        assert!(image.code(u64::MAX, 8).is_empty());
        assert!(Image::parse(b"no ELF").is_none());
    }

    #[test]
    fn a_damaged_file_is_no_danger() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        for at in (0..64).chain((64..512).step_by(5)) {
            let mut damaged = file[..file.len().min(1 << 20)].to_vec();
            damaged[at] ^= 0xff;
            if let Some(image) = Image::parse(&damaged) {
                let _ = (
                    image.function(0x1000),
                    image.rules(0x1000),
                    image.code(0x1000, 16),
                    image.address_of(0x1000),
                );
            }
        }
    }
}
