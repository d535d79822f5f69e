//! The symbols of a program, and the bytes of its segments.

use anyhow::{Context, Result};
use elf::ElfBytes;
use elf::abi::PT_LOAD;
use elf::endian::LittleEndian;
use std::collections::BTreeMap;
use std::path::Path;

/// A program as it lies in memory.
pub struct Program {
    pub entry: u64,
    by_name: BTreeMap<String, u64>,
    by_address: BTreeMap<u64, String>,
    segments: Vec<(u64, Vec<u8>)>,
}

impl Program {
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        Self::parse(&bytes).with_context(|| format!("in {}", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let file = ElfBytes::<LittleEndian>::minimal_parse(bytes)?;
        let (table, names) = file.symbol_table()?.context("no symbols")?;
        let (mut by_name, mut by_address) = (BTreeMap::new(), BTreeMap::new());
        for symbol in table.iter().filter(|symbol| !symbol.is_undefined()) {
            let name = names.get(symbol.st_name as usize)?;
            if !name.is_empty() {
                by_name.insert(name.to_owned(), symbol.st_value);
                by_address.insert(symbol.st_value, format!("{:#}", rustc_demangle::demangle(name)));
            }
        }
        let mut segments = Vec::new();
        for header in file.segments().context("no segments")?.iter().filter(|h| h.p_type == PT_LOAD) {
            segments.push((header.p_vaddr, file.segment_data(&header)?.to_vec()));
        }
        Ok(Self { entry: file.ehdr.e_entry, by_name, by_address, segments })
    }

    /// A program of one segment with these symbols.
    #[cfg(test)]
    pub fn new(base: u64, bytes: &[u8], symbols: &[(&str, u64)]) -> Self {
        let symbols = || symbols.iter().map(|&(name, address)| (name.to_owned(), address));
        Self {
            entry: base,
            by_name: symbols().collect(),
            by_address: symbols().map(|(name, address)| (address, name)).collect(),
            segments: vec![(base, bytes.to_vec())],
        }
    }

    pub fn address(&self, name: &str) -> Result<u64> {
        self.by_name.get(name).copied().with_context(|| format!("no symbol {name}"))
    }

    /// The symbols whose names begin with `prefix`: the rest of the name, and the address.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        self.by_name.iter().filter_map(move |(name, &address)| Some((name.strip_prefix(prefix)?, address)))
    }

    /// Up to `length` bytes from `address` on.
    pub fn bytes(&self, address: u64, length: usize) -> Result<&[u8]> {
        let found = self.segments.iter().find_map(|(base, bytes)| {
            let rest = bytes.get(usize::try_from(address.checked_sub(*base)?).ok()?..)?;
            Some(&rest[..rest.len().min(length)])
        });
        let found = found.filter(|bytes| !bytes.is_empty());
        found.with_context(|| format!("nothing of the program is at {address:#x}"))
    }

    /// Whether the program has `found` at an address: breakpoints know addresses and no tasks.
    pub fn has(&self, address: u64, found: &[u8]) -> bool {
        self.bytes(address, found.len()).is_ok_and(|bytes| bytes == found)
    }

    /// The name of the function that an address is in.
    pub fn function(&self, address: u64) -> &str {
        self.by_address.range(..=address).next_back().map_or("?", |(_, name)| name)
    }

    /// `SYMBOL+OFFSET` for an address.
    pub fn describe(&self, address: u64) -> String {
        match self.by_address.range(..=address).next_back() {
            Some((&start, name)) if start == address => name.clone(),
            Some((&start, name)) => format!("{name}+{:#x}", address - start),
            None => format!("{address:#x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_names_and_bytes() {
        let program = Program::new(0x1000, &[1, 2, 3, 4], &[("first", 0x1000), ("loop_a", 0x1002)]);
        assert_eq!(program.describe(0x1003), "loop_a+0x1");
        assert_eq!(program.describe(0x1000), "first");
        assert_eq!(program.describe(0xfff), "0xfff");
        assert_eq!(program.function(0x1001), "first");
        assert_eq!(program.with_prefix("loop_").collect::<Vec<_>>(), [("a", 0x1002)]);
        assert_eq!(program.bytes(0x1002, 10).unwrap(), [3, 4]);
        assert!(program.bytes(0x1004, 1).is_err() && program.bytes(0, 1).is_err());
        assert!(
            program.has(0x1001, &[2, 3]) && !program.has(0x1001, &[2, 4]) && !program.has(0x1003, &[4, 5])
        );
    }

    #[test]
    fn what_is_no_program_is_refused() {
        assert!(Program::parse(b"no program").is_err());
    }
}
