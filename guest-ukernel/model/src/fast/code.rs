//! The instructions of the fast path, from the file of the running program.

use std::collections::{BTreeMap, BTreeSet};

use elf::ElfBytes;
use elf::endian::LittleEndian;
use iced_x86::{Code as Opcode, ConditionCode, Decoder, DecoderOptions, FlowControl, Instruction};

use super::Decision;

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

/// Where the fast path is left for the kernel's Rust code.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Out {
    Syscall,
    PageFault,
    PageFaultInKernel,
}

pub struct Code {
    pub syscall_entry: u64,
    pub page_fault_entry: u64,
    pub first_syscall: u64,
    outs: [(u64, Out); 3],
    instructions: BTreeMap<u64, Instruction>,
}

impl Code {
    pub fn load() -> Self {
        // The address in memory differs from the file's; the linker has to see that there is one.
        std::hint::black_box(&raw const syscall_entry);
        let path = std::env::current_exe().expect("the path of this program");
        let file = std::fs::read(path).expect("the file of this program");
        let file = ElfBytes::<LittleEndian>::minimal_parse(&file).expect("an ELF file");
        let symbol = |name| symbol(&file, name);
        let mut code = Self {
            syscall_entry: symbol("syscall_entry"),
            page_fault_entry: symbol("page_fault_entry"),
            first_syscall: symbol("first_syscall"),
            outs: [
                (symbol("syscall_slow"), Out::Syscall),
                (symbol("page_fault_slow"), Out::PageFault),
                (symbol("page_fault_in_kernel"), Out::PageFaultInKernel),
            ],
            instructions: BTreeMap::new(),
        };
        code.follow(text_from(&file, code.syscall_entry));
        code
    }

    pub fn at(&self, rip: u64) -> &Instruction {
        self.instructions.get(&rip).unwrap_or_else(|| panic!("no instruction at {rip:#x}"))
    }

    /// The way out that is at `rip`, if one is.
    pub fn out(&self, rip: u64) -> Option<Out> {
        self.outs.iter().find(|(at, _)| *at == rip).map(|(_, out)| *out)
    }

    /// Decode whatever can be reached from the entries. `text` begins at the first of them.
    fn follow(&mut self, text: &[u8]) {
        let mut open = BTreeSet::from([self.syscall_entry, self.page_fault_entry]);
        while let Some(at) = open.pop_first() {
            if self.out(at).is_some() || self.instructions.contains_key(&at) {
                continue;
            }
            let bytes = &text[(at - self.syscall_entry) as usize..];
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

    /// Conditional jumps and moves.
    pub fn decisions(&self) -> Vec<Decision> {
        let conditional = |i: &&Instruction| i.condition_code() != ConditionCode::None;
        let decision = |i: &Instruction| Decision { at: i.ip(), name: self.show(i.ip()) };
        self.instructions.values().filter(conditional).map(decision).collect()
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
        format!("{name} at syscall_entry+{:#x}", at - self.syscall_entry)
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
