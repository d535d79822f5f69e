//! Writes tiny ELF kernels, right ones and wrong ones.

/// Where the code is in physical memory.
pub const BASE: u64 = 0x10_0000;
/// Where the kernel sees it.
pub const HIGH: u64 = 0xffff_ffff_8000_0000;

/// What goes into the ELF header and the one program header. Change what is to be wrong.
#[derive(Clone)]
pub struct Elf {
    pub class: u8,
    pub kind: u16,
    pub machine: u16,
    pub entry: u64,
    pub phnum: u16,
    pub vaddr: u64,
    pub paddr: u64,
    pub memsz: Option<u64>,
    pub code: Vec<u8>,
    /// Name of a function symbol at the entry point.
    pub symbol: Option<&'static str>,
}

impl Elf {
    /// A kernel of one segment, with `code` at its entry point.
    pub fn new(code: &[u8]) -> Self {
        Self {
            class: 2,
            kind: 2,
            machine: 62,
            entry: HIGH + BASE,
            phnum: 1,
            vaddr: HIGH + BASE,
            paddr: BASE,
            memsz: None,
            code: code.to_vec(),
            symbol: None,
        }
    }

    pub fn bytes(&self) -> Vec<u8> {
        let code_at = 64 + 56;
        let mut tail = self.code.clone();
        let sections = self.symbol.map(|name| self.symbol_sections(name, code_at, &mut tail));
        let mut out = vec![0x7f, b'E', b'L', b'F', self.class, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        out.extend([self.kind, self.machine].map(u16::to_le_bytes).concat());
        out.extend(1u32.to_le_bytes());
        let shoff = sections.map_or(0, |_| code_at + tail.len() as u64 - 4 * 64);
        out.extend([self.entry, 64, shoff].map(u64::to_le_bytes).concat());
        out.extend(0u32.to_le_bytes());
        // Sections have no names, but the table that they would be in.
        let (shnum, names) = if sections.is_some() { (4, 3) } else { (0, 0) };
        out.extend([64, 56, self.phnum, 64, shnum, names].map(u16::to_le_bytes).concat());
        // PT_LOAD, readable and executable.
        out.extend([1u32, 5].map(u32::to_le_bytes).concat());
        let size = self.code.len() as u64;
        let segment = [code_at, self.vaddr, self.paddr, size, self.memsz.unwrap_or(size), 0x1000];
        out.extend(segment.map(u64::to_le_bytes).concat());
        out.extend(tail);
        out
    }

    /// Appends a symbol table of one function, its names, and four section headers (null, text, SYMTAB, STRTAB).
    fn symbol_sections(&self, name: &str, code_at: u64, tail: &mut Vec<u8>) {
        const PROGBITS: u32 = 1;
        const SYMTAB: u32 = 2;
        const STRTAB: u32 = 3;
        const ALLOC_EXEC: u64 = 6;
        const TEXT: u8 = 1;
        let names = format!("\0{name}\0");
        let names_at = code_at + tail.len() as u64;
        tail.extend(names.as_bytes());
        let symbols_at = code_at + tail.len() as u64;
        let size = self.code.len() as u64;
        tail.extend([0; 24]);
        tail.extend([1, 0, 0, 0, 2, 0, TEXT, 0]);
        tail.extend([self.entry, size].map(u64::to_le_bytes).concat());
        tail.extend([0; 64]);
        // Type, flags, address, offset, size, link, entry size.
        for (kind, flags, address, offset, size, link, entry) in [
            (PROGBITS, ALLOC_EXEC, self.vaddr, code_at, size, 0u32, 0u64),
            (SYMTAB, 0, 0, symbols_at, 48, 3, 24),
            (STRTAB, 0, 0, names_at, names.len() as u64, 0, 0),
        ] {
            tail.extend([0, kind].map(u32::to_le_bytes).concat());
            tail.extend([flags, address, offset, size].map(u64::to_le_bytes).concat());
            tail.extend([link, 1].map(u32::to_le_bytes).concat());
            tail.extend([1, entry].map(u64::to_le_bytes).concat());
        }
    }
}
