//! The modules: files, or bytes of ours, that are in memory when the kernel starts.
//!
//! Each begins at a page boundary and has its last page for itself, so that its pages can be handed to a program as they
//! are. Those of 1 MiB and more begin at 2 MiB boundaries and have their last 2 MiB for themselves, so that they can be
//! mapped by large pages; the rings of a profile at larger ones still. Small ones are placed first, whatever their order in the list: this leaves one gap at most.

use super::file::Input;
use crate::memory::GuestMemory;
use std::collections::BTreeSet;
use std::io;
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress};

/// Modules of this size and more are placed at 2 MiB boundaries.
pub const LARGE: u64 = 1 << 20;
const PAGE: u64 = 4096;
const SUPERPAGE: u64 = 2 << 20;
/// Modules that the kernel has room for.
pub const MODULES_MAX: usize = 32;

#[derive(Debug, thiserror::Error)]
pub enum ModuleError {
    #[error(
        "too little memory: kernel and modules need {} MiB and the guest has {} below 3 GiB; choose a larger --memory",
        .needed.div_ceil(1 << 20), .ram >> 20
    )]
    NoRoom { needed: u64, ram: u64 },
    #[error("{count} modules are too many: the kernel takes {MODULES_MAX}")]
    TooMany { count: usize },
    #[error("cannot read module {name} from {path}: {source}")]
    Read { name: String, path: String, source: io::Error },
    #[error("cannot write module {name} to the guest's memory")]
    Write { name: String },
}

/// Where a module's bytes come from.
#[derive(Debug)]
pub enum Content {
    File(Input),
    Bytes(Vec<u8>),
    /// So many zeroes, which memory is made of already, and how they are aligned: a power of two of at least 2 MiB.
    Zeroes {
        size: u64,
        align: u64,
    },
}

/// A module and, once placed, its physical address.
#[derive(Debug)]
pub struct Module {
    pub name: String,
    pub content: Content,
    pub phys: u64,
}

impl Module {
    pub fn file(name: impl Into<String>, input: Input) -> Self {
        Self { name: name.into(), content: Content::File(input), phys: 0 }
    }
    pub fn bytes(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), content: Content::Bytes(bytes.into()), phys: 0 }
    }

    pub fn zeroes(name: impl Into<String>, size: u64, align: u64) -> Self {
        Self { name: name.into(), content: Content::Zeroes { size, align }, phys: 0 }
    }

    /// The file that it comes from.
    pub fn input(&self) -> Option<&Input> {
        match &self.content {
            Content::File(input) => Some(input),
            Content::Bytes(_) | Content::Zeroes { .. } => None,
        }
    }

    /// Memory that it takes away from the guest, with what is left free in front of it, at most.
    pub fn room(&self) -> u64 {
        self.size().next_multiple_of(self.align()) + self.align()
    }

    /// Of its first byte, and of the memory that it has for itself alone.
    fn align(&self) -> u64 {
        match self.content {
            Content::Zeroes { align, .. } => align,
            _ if self.size() >= LARGE => SUPERPAGE,
            _ => PAGE,
        }
    }

    /// In bytes.
    pub fn size(&self) -> u64 {
        match &self.content {
            Content::File(input) => input.size,
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Zeroes { size, .. } => *size,
        }
    }

    /// Where it has been placed.
    pub fn range(&self) -> Range<u64> {
        self.phys..self.phys + self.size()
    }

    /// Copies it to where it has been placed.
    pub fn load(&mut self, memory: &GuestMemory) -> Result<(), ModuleError> {
        let (size, at) = (self.size(), GuestAddress(self.phys));
        let name = || self.name.clone();
        match &mut self.content {
            Content::Bytes(bytes) => {
                memory.write_slice(bytes, at).map_err(|_| ModuleError::Write { name: name() })
            }
            Content::Zeroes { .. } => Ok(()),
            Content::File(input) => {
                memory.read_exact_volatile_from(at, &mut input.file, size as usize).map_err(|e| {
                    let path = input.path.display().to_string();
                    ModuleError::Read { name: name(), path, source: io_error(e) }
                })
            }
        }
    }
}

fn io_error(error: vm_memory::GuestMemoryError) -> io::Error {
    match error {
        vm_memory::GuestMemoryError::IOError(e) => e,
        // What `read_exact_volatile_from` makes of a file that has become shorter.
        vm_memory::GuestMemoryError::PartialBuffer { .. } => io::ErrorKind::UnexpectedEof.into(),
        e => io::Error::other(e.to_string()),
    }
}

/// Gives each module its address, from `start` up and below `ram`. Returns where the last one ends.
pub fn place(modules: &mut [Module], start: u64, ram: u64) -> Result<u64, ModuleError> {
    if modules.len() > MODULES_MAX {
        return Err(ModuleError::TooMany { count: modules.len() });
    }
    let mut next = start;
    let aligns: BTreeSet<u64> = modules.iter().map(Module::align).collect();
    for align in aligns {
        for module in modules.iter_mut().filter(|module| module.align() == align) {
            module.phys = next.next_multiple_of(align);
            let end =
                module.phys.checked_add(module.size()).and_then(|end| end.checked_next_multiple_of(align));
            next = end.ok_or(ModuleError::NoRoom { needed: u64::MAX, ram })?;
        }
    }
    if next > ram { Err(ModuleError::NoRoom { needed: next, ram }) } else { Ok(next) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_size(size: usize) -> Module {
        Module::bytes("m", vec![1; size])
    }

    #[test]
    fn small_modules_come_first_and_large_ones_at_2_mib() {
        let mut modules = [of_size(1 << 20), of_size(1), of_size(0), of_size(4097), of_size((2 << 20) + 1)];
        let end = place(&mut modules, 0x12_3456, 64 << 20).unwrap();
        let at: Vec<u64> = modules.iter().map(|m| m.phys).collect();
        assert_eq!(at, [0x20_0000, 0x12_4000, 0x12_5000, 0x12_5000, 0x40_0000]);
        assert_eq!(end, 0x80_0000, "the last 2 MiB are the module's alone");
    }

    #[test]
    fn zeroes_come_last_and_are_not_written() {
        let zeroes = Module::zeroes("z", 8 << 20, 4 << 20);
        assert_eq!(zeroes.room(), 12 << 20);
        let mut modules = [zeroes, of_size(1 << 20)];
        assert_eq!(place(&mut modules, 0x20_0000, 64 << 20).unwrap(), 12 << 20);
        assert_eq!([modules[0].phys, modules[1].phys], [4 << 20, 0x20_0000]);
        let memory = crate::memory::allocate(4 << 20).unwrap();
        assert!(modules[0].load(&memory).is_ok(), "nothing of it is there");
    }

    #[test]
    fn too_little_memory_says_how_much_is_needed() {
        let mut modules = [of_size(3 << 20)];
        let error = place(&mut modules, 0x20_0000, 4 << 20).unwrap_err().to_string();
        assert!(error.contains("need 6 MiB and the guest has 4"), "{error}");
        assert_eq!(place(&mut modules, 0x20_0000, 6 << 20).unwrap(), 6 << 20);
    }

    #[test]
    fn the_number_of_modules_is_limited() {
        let mut modules: Vec<Module> = (0..=MODULES_MAX).map(|_| of_size(1)).collect();
        assert!(matches!(place(&mut modules, 0, 1 << 30), Err(ModuleError::TooMany { count: 33 })));
        assert!(place(&mut modules[1..], 0, 1 << 30).is_ok());
    }

    #[test]
    fn a_module_is_copied_to_its_place() {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        std::fs::write(&path, "content").unwrap();
        let mut modules = [
            Module::bytes("b", *b"bytes"),
            Module::file("f", super::super::file::open("m", &path, "").unwrap()),
        ];
        place(&mut modules, 0x10_0000, 4 << 20).unwrap();
        for (module, expected) in modules.iter_mut().zip(["bytes", "content"]) {
            module.load(&memory).unwrap();
            let mut got = vec![0; expected.len() + 1];
            memory.read_slice(&mut got, GuestAddress(module.phys)).unwrap();
            assert_eq!(got, format!("{expected}\0").as_bytes());
        }
    }

    #[test]
    fn a_file_that_shrinks_is_an_error() {
        let memory = crate::memory::allocate(4 << 20).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("m");
        std::fs::write(&path, "content").unwrap();
        let mut module = Module::file("f", super::super::file::open("m", &path, "").unwrap());
        std::fs::write(&path, "con").unwrap();
        module.phys = 0x10_0000;
        assert!(matches!(module.load(&memory), Err(ModuleError::Read { .. })));
    }
}
