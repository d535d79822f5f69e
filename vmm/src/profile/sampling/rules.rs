//! The rules of an ELF file by which callers are found: its call frame information, `.eh_frame` or `.debug_frame`.
//!
//! A program keeps `.eh_frame` for exceptions, even when it is stripped. Our kernel and servers have none, since it would be loaded; what is left for them is `.debug_frame`. A file
//! may be the guest's: rules that make no sense are none.

use super::unwind::{COUNT, RIP, Rule, Rules};
use elf::ElfBytes;
use elf::endian::LittleEndian as Elf;
use gimli::{
    BaseAddresses, CfaRule, CieOrFde, DebugFrame, EhFrame, EndianSlice, LittleEndian, RegisterRule,
    UnwindContext, UnwindSection,
};
use std::cell::RefCell;

/// Functions of which rules are kept.
const FUNCTIONS: usize = 1 << 20;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// The rules of a file, by its own addresses.
pub struct Table {
    sections: Vec<Section>,
    /// Memory that is used again and again.
    context: RefCell<Box<UnwindContext<usize>>>,
}

struct Section {
    kind: Kind,
    bytes: Vec<u8>,
    bases: BaseAddresses,
    /// Of functions: first address, the one behind the last, and where the section has the rest. In the order of addresses.
    functions: Vec<(u64, u64, usize)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Eh,
    Debug,
}

impl Table {
    pub fn of(elf: &ElfBytes<'_, Elf>) -> Self {
        let kinds = [(".eh_frame", Kind::Eh), (".debug_frame", Kind::Debug)];
        let sections = kinds.into_iter().filter_map(|(name, kind)| Section::of(elf, name, kind)).collect();
        Self { sections, context: RefCell::default() }
    }

    /// The rules at an instruction.
    pub fn at(&self, address: u64) -> Option<Rules> {
        let context = &mut self.context.borrow_mut();
        self.sections.iter().find_map(|section| section.at(address, context))
    }
}

impl Section {
    fn of(elf: &ElfBytes<'_, Elf>, name: &str, kind: Kind) -> Option<Self> {
        let header = elf.section_header_by_name(name).ok()??;
        let (bytes, compression) = elf.section_data(&header).ok()?;
        if compression.is_some() {
            return None;
        }
        let bases = BaseAddresses::default().set_eh_frame(header.sh_addr);
        let mut functions = match kind {
            Kind::Eh => functions(&EhFrame::new(bytes, LittleEndian), &bases),
            Kind::Debug => functions(&DebugFrame::new(bytes, LittleEndian), &bases),
        };
        functions.sort_unstable();
        Some(Self { kind, bytes: bytes.to_vec(), bases, functions })
    }

    fn at(&self, address: u64, context: &mut UnwindContext<usize>) -> Option<Rules> {
        let before = self.functions.partition_point(|(start, ..)| *start <= address);
        let (_, end, offset) = *self.functions.get(before.checked_sub(1)?)?;
        if address >= end {
            return None;
        }
        match self.kind {
            Kind::Eh => {
                rules(&EhFrame::new(&self.bytes, LittleEndian), &self.bases, offset, address, context)
            }
            Kind::Debug => {
                rules(&DebugFrame::new(&self.bytes, LittleEndian), &self.bases, offset, address, context)
            }
        }
    }
}

/// As many as there are up to the first one that makes no sense.
fn functions<'a, S: UnwindSection<Bytes<'a>>>(section: &S, bases: &BaseAddresses) -> Vec<(u64, u64, usize)> {
    let mut functions = Vec::new();
    let mut entries = section.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        let Ok(function) = partial.parse(S::cie_from_offset) else { continue };
        let start = function.initial_address();
        // A function that was left out when the file was linked has no address.
        if start != 0 {
            functions.push((start, start.wrapping_add(function.len()), function.offset()));
        }
        if functions.len() == FUNCTIONS {
            break;
        }
    }
    functions
}

fn rules<'a, S: UnwindSection<Bytes<'a>>>(
    section: &S,
    bases: &BaseAddresses,
    offset: usize,
    address: u64,
    context: &mut UnwindContext<usize>,
) -> Option<Rules> {
    let function = section.fde_from_offset(bases, offset.into(), S::cie_from_offset).ok()?;
    let row = function.unwind_info_for_address(section, bases, context, address).ok()?;
    // One that has to be computed is in no code of compilers, but of the linker's and of signal handlers' callers.
    let CfaRule::RegisterAndOffset { register, offset } = row.cfa() else { return None };
    let return_address = function.cie().return_address_register();
    let mut registers = [Rule::Same; COUNT];
    for (n, to) in registers.iter_mut().enumerate() {
        let number = if n == RIP { return_address } else { gimli::Register(n as u16) };
        *to = match row.register(number) {
            Some(RegisterRule::Offset(distance)) => Rule::At(distance),
            Some(RegisterRule::ValOffset(distance)) => Rule::Is(distance),
            Some(RegisterRule::Register(other)) => Rule::In(other.0.into()),
            Some(RegisterRule::SameValue) => Rule::Same,
            // A register that a function has not touched yet.
            None if n != RIP => Rule::Same,
            _ => Rule::Lost,
        };
    }
    Some(Rules { frame: (register.0.into(), *offset), registers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_functions_have_rules() {
        // The test's own binary: an ELF file with `.eh_frame`.
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = ElfBytes::<Elf>::minimal_parse(&file).unwrap();
        let table = Table::of(&elf);
        let (symbols, names) = elf.symbol_table().unwrap().unwrap();
        let main = symbols
            .iter()
            .find(|s| names.get(s.st_name as usize).is_ok_and(|name| name == "main"))
            .unwrap()
            .st_value;
        assert_eq!(table.at(main), Some(Rules::AT_CALL));
        assert_eq!(table.at(1), None);
    }

    #[test]
    fn damaged_rules_are_no_danger() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let elf = ElfBytes::<Elf>::minimal_parse(&file).unwrap();
        let whole = Section::of(&elf, ".eh_frame", Kind::Eh).unwrap();
        for step in [3, 7, 31] {
            let mut bytes = whole.bytes[..whole.bytes.len().min(1 << 16)].to_vec();
            bytes.iter_mut().step_by(step).for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7));
            for kind in [Kind::Eh, Kind::Debug] {
                let bases = whole.bases.clone();
                let functions = match kind {
                    Kind::Eh => functions(&EhFrame::new(&bytes, LittleEndian), &bases),
                    Kind::Debug => functions(&DebugFrame::new(&bytes, LittleEndian), &bases),
                };
                let damaged = Section { kind, bytes: bytes.clone(), bases, functions };
                let mut context = UnwindContext::new();
                for (start, ..) in &whole.functions[..100] {
                    let _ = damaged.at(*start, &mut context);
                }
            }
        }
    }
}
