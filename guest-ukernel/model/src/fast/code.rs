//! The instructions of the fast path, from the file of the running program.

use std::collections::{BTreeMap, BTreeSet};

use elf::ElfBytes;
use elf::endian::LittleEndian;
use iced_x86::{Code as Opcode, Decoder, DecoderOptions, FlowControl, Instruction};

use super::Jump;

core::arch::global_asm!(
    ".section .text.fast_slow, \"ax\"",
    ".globl syscall_slow, page_fault_slow, page_fault_in_kernel, first_syscall",
    "syscall_slow:",
    "ud2",
    "page_fault_slow:",
    "ud2",
    "page_fault_in_kernel:",
    "ud2",
    "first_syscall:",
    "ud2",
);

unsafe extern "C" {
    // Referred to so that the linker keeps it.
    static syscall_entry: u8;
}

pub struct Code {
    pub entry: u64,
    pub slow: u64,
    instructions: BTreeMap<u64, Instruction>,
}

impl Code {
    pub fn load() -> Self {
        // The address in memory differs from the file's; the linker has to see that there is one.
        std::hint::black_box(&raw const syscall_entry);
        let path = std::env::current_exe().expect("the path of this program");
        let file = std::fs::read(path).expect("the file of this program");
        let file = ElfBytes::<LittleEndian>::minimal_parse(&file).expect("an ELF file");
        let (entry, slow) = (symbol(&file, "syscall_entry"), symbol(&file, "syscall_slow"));
        let mut code = Self { entry, slow, instructions: BTreeMap::new() };
        code.follow(text_from(&file, entry));
        code
    }

    pub fn at(&self, rip: u64) -> &Instruction {
        self.instructions.get(&rip).unwrap_or_else(|| panic!("no instruction at {rip:#x}"))
    }

    /// Decode whatever can be reached from the entry.
    fn follow(&mut self, text: &[u8]) {
        let mut open = BTreeSet::from([self.entry]);
        while let Some(at) = open.pop_first() {
            if at == self.slow || self.instructions.contains_key(&at) {
                continue;
            }
            let bytes = &text[(at - self.entry) as usize..];
            let i = Decoder::with_ip(64, bytes, at, DecoderOptions::NONE).decode();
            assert!(!i.is_invalid(), "what is at {at:#x} is no instruction");
            match i.flow_control() {
                FlowControl::Next => {
                    open.insert(i.next_ip());
                }
                FlowControl::ConditionalBranch => open.extend([i.next_ip(), i.near_branch64()]),
                FlowControl::UnconditionalBranch => {
                    open.insert(i.near_branch64());
                }
                FlowControl::Return => {}
                other => panic!("{:?} at {at:#x}: {other:?}", i.code()),
            }
            self.instructions.insert(at, i);
        }
    }

    pub fn jumps(&self) -> Vec<Jump> {
        let conditional = |i: &&Instruction| i.flow_control() == FlowControl::ConditionalBranch;
        let jump = |i: &Instruction| {
            let is_check = i.near_branch64() == self.slow;
            Jump { at: i.ip(), is_check, name: self.show(i.ip()) }
        };
        self.instructions.values().filter(conditional).map(jump).collect()
    }

    /// Ways out to user mode.
    pub fn exits(&self) -> impl Iterator<Item = u64> {
        self.instructions.values().filter(|i| i.flow_control() == FlowControl::Return).map(|i| i.ip())
    }

    /// An instruction, as a message may name it.
    pub fn show(&self, at: u64) -> String {
        let i = self.at(at);
        let name = if i.code() == Opcode::INVALID {
            "?".to_owned()
        } else {
            format!("{:?}", i.mnemonic()).to_lowercase()
        };
        format!("{name} at syscall_entry+{:#x}", at - self.entry)
    }
}

fn symbol(file: &ElfBytes<LittleEndian>, name: &str) -> u64 {
    let (symbols, names) = file.symbol_table().expect("symbols").expect("a symbol table");
    let is_it =
        |s: &elf::symbol::Symbol| s.st_shndx != 0 && names.get(s.st_name as usize).is_ok_and(|n| n == name);
    symbols.iter().find(is_it).unwrap_or_else(|| panic!("no symbol {name}")).st_value
}

/// The bytes of the section with `address`, from there on.
fn text_from<'data>(file: &ElfBytes<'data, LittleEndian>, address: u64) -> &'data [u8] {
    let headers = file.section_headers().expect("sections");
    let has_it = |s: &elf::section::SectionHeader| (s.sh_addr..s.sh_addr + s.sh_size).contains(&address);
    let section = headers.iter().find(has_it).expect("the section of the code");
    let (data, _) = file.section_data(&section).expect("the content of the section");
    &data[(address - section.sh_addr) as usize..]
}
