//! Which function of a program an address is in, and where a symbol is. Only asked when something has gone wrong or somebody debugs, so the file is read
//! then.

use elf::ElfBytes;
use elf::abi::{PT_LOAD, SHF_ALLOC, STT_FUNC, STT_NOTYPE};
use elf::endian::LittleEndian;
use std::cell::OnceCell;
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
    let functions = Functions::of(&elf);
    let (function, offset) = functions.at(address)?;
    Some(format!("{function}+{offset:#x}"))
}

/// The functions of a file, by its own addresses.
#[derive(Default)]
pub struct Functions(Vec<Function>);

struct Function {
    start: u64,
    /// The address behind its last.
    end: u64,
    symbol: String,
    /// As people write it, once somebody has asked.
    name: OnceCell<String>,
}

/// Functions that begin before an address and are looked at: some lie within others.
const NESTED: usize = 16;

impl Functions {
    /// By the symbol table or, of a stripped file, by what it has for the dynamic linker.
    pub fn of(elf: &ElfBytes<'_, LittleEndian>) -> Self {
        let table = elf.symbol_table().ok().flatten();
        let (Some((symbols, names)), Some(sections)) =
            (table.or_else(|| elf.dynamic_symbol_table().ok().flatten()), elf.section_headers())
        else {
            return Self::default();
        };
        let mut all: Vec<_> = symbols
            .iter()
            // Assembly's labels have no type.
            .filter(|s| [STT_FUNC, STT_NOTYPE].contains(&s.st_symtype()))
            .filter_map(|s| {
                // An address outside all sections is in no function, whatever symbol is below it.
                let section = sections.get(s.st_shndx.into()).ok()?;
                let name = names.get(s.st_name as usize).ok().filter(|name| !name.is_empty())?;
                let is_loaded = section.sh_flags & u64::from(SHF_ALLOC) != 0;
                let end = section.sh_addr.checked_add(section.sh_size)?;
                (is_loaded && (section.sh_addr..end).contains(&s.st_value))
                    .then_some((s.st_value, s.st_size, end, name))
            })
            .collect();
        all.sort_by_key(|(start, size, ..)| (*start, *size));
        Self(ranges(&all))
    }

    /// The function around `address`, as people write it, and how far into it that is: the nearest that begins below it.
    pub fn at(&self, address: u64) -> Option<(&str, u64)> {
        let before = self.0.partition_point(|function| function.start <= address);
        let near = self.0[..before].iter().rev().take(NESTED);
        let function = near.into_iter().find(|function| address < function.end)?;
        Some((function.name.get_or_init(|| demangle(&function.symbol)), address - function.start))
    }
}

/// One without a size reaches to the next symbol, or to the end of its section. Of two at one address, that counts which has a size.
fn ranges(all: &[(u64, u64, u64, &str)]) -> Vec<Function> {
    let mut functions = Vec::with_capacity(all.len());
    let mut next = u64::MAX;
    for &(start, size, section, symbol) in all.iter().rev() {
        let end = if size == 0 { section.min(next) } else { start.saturating_add(size) };
        if start < end {
            functions.push(Function { start, end, symbol: symbol.into(), name: OnceCell::new() });
        }
        next = start;
    }
    functions.reverse();
    functions
}

/// Makes a compiler's name of a Rust function into what it is called in the source, without hashes; other names stay.
fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
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
    fn a_function_ends_where_its_symbol_says_or_the_next_begins() {
        let all = [
            (10, 0, 100, "label"),
            (20, 20, 100, "outer"),
            (25, 5, 100, "inner"),
            (60, 0, 100, "a"),
            (60, 10, 100, "b"),
        ];
        let functions = Functions(ranges(&all));
        let at = |address| functions.at(address).map(|(name, _)| name);
        assert_eq!([at(9), at(10), at(19)], [None, Some("label"), Some("label")]);
        assert_eq!(
            [at(24), at(29), at(30), at(39)],
            [Some("outer"), Some("inner"), Some("outer"), Some("outer")]
        );
        assert_eq!([at(40), at(60), at(69), at(70)], [None, Some("b"), Some("b"), None]);
        assert_eq!(functions.at(31).unwrap().1, 11);
    }

    #[test]
    fn rust_names_are_made_readable() {
        assert_eq!(demangle("_ZN4core3fmt5write17h0123456789abcdefE"), "core::fmt::write");
        assert_eq!(demangle("_RNvNtCsg3SjgaGcPXb_4core3fmt5write"), "core::fmt::write");
        assert_eq!((demangle("_ZN9xE"), demangle("main")), ("_ZN9xE".into(), "main".into()));
    }
}
