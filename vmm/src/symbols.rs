//! Which function of a program an address is in, and where a symbol is. Only asked when something has gone wrong or somebody debugs, so the file is read
//! then.

use elf::ElfBytes;
use elf::abi::{PT_LOAD, SHF_ALLOC, STT_FUNC, STT_NOTYPE};
use elf::endian::LittleEndian;
use std::path::Path;

/// Larger kernels are not searched: nobody waits for a message.
const FILE_MAX: u64 = 256 << 20;

/// `name+offset` of the function around `address`, if the ELF at `path` has a symbol table that knows it.
pub fn lookup(path: &Path, address: u64) -> Option<String> {
    search(&load(path)?, address)
}

fn load(path: &Path) -> Option<Vec<u8>> {
    if std::fs::metadata(path).ok().filter(|m| m.is_file())?.len() > FILE_MAX {
        return None;
    }
    std::fs::read(path).ok()
}

/// A symbol of an ELF file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    pub address: u64,
    /// Where the file says that a loader without paging puts it.
    pub physical: u64,
    /// What the file has there, up to the end of the segment.
    pub content: Vec<u8>,
}

/// The symbol `name` of the ELF file at `path`, if it lies in a segment.
pub fn find(path: &Path, name: &str) -> Option<Symbol> {
    let file = load(path)?;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(&file).ok()?;
    let address = address_in(&elf, name)?;
    let inside = |s: &elf::segment::ProgramHeader| {
        s.p_type == PT_LOAD && address.checked_sub(s.p_vaddr).is_some_and(|offset| offset < s.p_memsz)
    };
    let segment = elf.segments()?.iter().find(inside)?;
    let offset = address - segment.p_vaddr;
    let content = elf.segment_data(&segment).ok()?.get(usize::try_from(offset).ok()?..).unwrap_or_default();
    Some(Symbol { address, physical: segment.p_paddr.wrapping_add(offset), content: content.to_vec() })
}

/// Address of the symbol `name`, as the file writes it.
pub fn address_in(elf: &ElfBytes<LittleEndian>, name: &str) -> Option<u64> {
    let (symbols, names) = elf.symbol_table().ok()??;
    let symbol = symbols.iter().find(|s| names.get(s.st_name as usize).is_ok_and(|n| n == name))?;
    Some(symbol.st_value)
}

/// Address of the function `name`, as people write it, of the ELF file at `path`.
pub fn find_function(path: &Path, name: &str) -> Option<u64> {
    let file = load(path)?;
    let elf = ElfBytes::<LittleEndian>::minimal_parse(&file).ok()?;
    let (symbols, names) = elf.symbol_table().ok()??;
    let is_it = |s: &elf::symbol::Symbol| {
        s.st_symtype() == STT_FUNC && names.get(s.st_name as usize).is_ok_and(|n| demangle(n) == name)
    };
    Some(symbols.iter().find(is_it)?.st_value)
}

fn search(file: &[u8], address: u64) -> Option<String> {
    let elf = ElfBytes::<LittleEndian>::minimal_parse(file).ok()?;
    let (symbols, names) = elf.symbol_table().ok()??;
    // An address outside all sections is in no function, whatever symbol is below it.
    let sections = elf.section_headers()?;
    let section = sections.iter().position(|s| {
        s.sh_flags & u64::from(SHF_ALLOC) != 0
            && address.checked_sub(s.sh_addr).is_some_and(|o| o < s.sh_size)
    })?;
    let symbol = symbols
        .iter()
        // Assembly's labels have no type.
        .filter(|s| usize::from(s.st_shndx) == section && [STT_FUNC, STT_NOTYPE].contains(&s.st_symtype()))
        .filter(|s| s.st_value <= address && (s.st_size == 0 || address - s.st_value < s.st_size))
        // The nearest one below; of two at one address, the one that has a size.
        .max_by_key(|s| (s.st_value, s.st_size))?;
    let name = names.get(symbol.st_name as usize).ok().filter(|name| !name.is_empty())?;
    Some(format!("{}+{:#x}", demangle(name), address - symbol.st_value))
}

/// Makes `_ZN4core3fmt5write17h0123456789abcdefE` into `core::fmt::write`; other names stay.
fn demangle(name: &str) -> String {
    let plain = || name.to_string();
    let Some(mut rest) = name.strip_prefix("_ZN").and_then(|n| n.strip_suffix('E')) else { return plain() };
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(len) = rest[..digits].parse::<usize>() else { return plain() };
        let Some(part) = rest.get(digits..digits.saturating_add(len)) else { return plain() };
        parts.push(part);
        rest = &rest[digits + len..];
    }
    let is_hash =
        |p: &str| p.len() == 17 && p.starts_with('h') && p[1..].bytes().all(|b| b.is_ascii_hexdigit());
    if parts.len() > 1 && parts.last().is_some_and(|p| is_hash(p)) {
        parts.pop();
    }
    parts.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_functions_are_found() {
        // The test's own binary is an ELF file with symbols, at addresses before relocation.
        let exe = std::env::current_exe().unwrap();
        let file = std::fs::read(&exe).unwrap();
        let elf = ElfBytes::<LittleEndian>::minimal_parse(&file).unwrap();
        let (symbols, names) = elf.symbol_table().unwrap().expect("test binaries are not stripped");
        let name = |s: &elf::symbol::Symbol| names.get(s.st_name as usize).unwrap_or("").to_string();
        let main = symbols.iter().find(|s| name(s) == "main").unwrap();
        assert_eq!(lookup(&exe, main.st_value + 1).as_deref(), Some("main+0x1"));
        assert_eq!(lookup(&exe, 1), None);
    }

    #[test]
    fn rubbish_has_no_symbols() {
        assert_eq!(search(b"", 0), None);
        assert_eq!(search(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0], 0), None);
        assert_eq!(lookup(Path::new("/"), 0), None);
    }

    #[test]
    fn legacy_rust_names_are_made_readable() {
        assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        for other in ["main", "_ZN", "_ZNE", "_ZN9xE", "_ZN99999999999999999999xE", "_ZN4coreQE"] {
            let _ = demangle(other);
        }
        assert_eq!(demangle("_ZN9xE"), "_ZN9xE");
    }
}
