//! What a core begins with: ELF header, program headers, notes. Everything but the RAM, whose place it says.

use super::manifest::{Manifest, Range};
use super::note::Notes;
use super::space::Mapping;
use super::vcpu::Vcpu;
use super::{HEAD_MAX, MANIFEST, NAME, PAGE, VCPU, linux, space};
use crate::debug::registers::Registers;
use crate::debug::thread::Thread;
use crate::debug::view::View;

const HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// Readable, writable, executable: what of it was so is not told.
const ALL: u32 = 7;
/// Threads that a core has at most; with so many it is the memory that matters.
pub const THREADS_MAX: usize = 4096;
/// An offset that is written with more digits than any that there is.
const LONG_OFFSET: u64 = i64::MAX as u64;

/// What a core is to be about.
pub struct Contents<'a> {
    pub view: &'a dyn View,
    /// As which signal a debugger shows the end.
    pub signal: u8,
    /// L4 threads.
    pub threads: Vec<(Thread, Registers)>,
    /// What the kernel sees if no vCPU's page tables are known.
    pub space: Vec<Mapping>,
    /// Its `vcpus` and `ram` are filled in. The vCPU that it says died first comes first, and so a debugger begins with it.
    pub manifest: Manifest,
}

/// The bytes before the RAM, and where its ranges are.
pub struct Layout {
    pub head: Vec<u8>,
    pub ram: Vec<Range>,
}

impl Layout {
    pub fn of(contents: &Contents<'_>) -> Self {
        let ram = contents.view.ram();
        let mappings = mappings(contents);
        // Where the RAM begins depends on how long the notes are, which say where it begins.
        let draft = notes(contents, &ranges(&ram, LONG_OFFSET)).bytes().len() as u64;
        let headers = HEADER + PROGRAM_HEADER * (1 + mappings.len() as u64);
        let ram = ranges(&ram, (headers + draft).next_multiple_of(PAGE));
        let notes = notes(contents, &ram);
        let notes = notes.bytes();

        let mut head = header(1 + mappings.len() as u16);
        head.extend(program_header(PT_NOTE, 0, headers, None, notes.len() as u64));
        for mapping in mappings {
            let offset = ram.iter().find_map(|range| range.offset_of(mapping.phys));
            head.extend(program_header(PT_LOAD, ALL, offset.unwrap_or(0), Some(mapping), mapping.length));
        }
        head.extend(notes);
        debug_assert!(head.len() as u64 <= HEAD_MAX);
        Self { head, ram }
    }
}

impl Range {
    /// Where in the file the byte at `phys` is.
    pub fn offset_of(&self, phys: u64) -> Option<u64> {
        let into = phys.checked_sub(self.start).filter(|&into| into < self.length)?;
        self.offset.checked_add(into)
    }
}

/// One after the other in the file, from `offset` on.
fn ranges(ram: &[(u64, u64)], offset: u64) -> Vec<Range> {
    let place = |next: &mut u64, &(start, length): &(u64, u64)| {
        let offset = *next;
        *next = offset.saturating_add(length).checked_next_multiple_of(PAGE).unwrap_or(LONG_OFFSET);
        Some(Range { start, length, offset })
    };
    ram.iter().scan(offset, place).collect()
}

/// By the page tables of the vCPU that died, or of another one; preferably of one that was in the kernel, since a kernel may hide itself from its
/// programs.
fn mappings(contents: &Contents<'_>) -> Vec<Mapping> {
    let view = contents.view;
    let all = contents.manifest.culprit.into_iter().chain(0..view.vcpus());
    let mut known: Vec<_> = all.filter_map(|index| view.registers(index)).collect();
    known.sort_by_key(Registers::in_user_mode);
    let by_tables = known.iter().find_map(|registers| space::of(view, registers));
    by_tables.unwrap_or_else(|| contents.space.clone())
}

fn notes(contents: &Contents<'_>, ram: &[Range]) -> Notes {
    let Contents { view, signal, threads, manifest, .. } = contents;
    let mut notes = Notes::default();
    let name = manifest.kernel.file_name().to_string_lossy();
    linux::add_process(&mut notes, &name, &manifest.kernel.path.to_string_lossy());
    let others = (0..view.vcpus()).filter(|index| Some(*index) != manifest.culprit);
    for index in manifest.culprit.into_iter().chain(others) {
        if let Some(registers) = view.registers(index) {
            linux::add_thread(&mut notes, Thread::vcpu(index), *signal, &registers);
        }
    }
    for (thread, registers) in threads {
        linux::add_thread(&mut notes, *thread, *signal, registers);
    }
    for index in 0..view.vcpus() {
        let vcpu = Vcpu { registers: view.registers(index), tsc: view.tsc(index) };
        notes.add(NAME, VCPU, &vcpu.to_bytes(index));
    }
    let manifest = Manifest { vcpus: view.vcpus(), ram: ram.to_vec(), ..manifest.clone() };
    // Nothing in it is what TOML cannot express: numbers are below 2^63, paths are text.
    notes.add(NAME, MANIFEST, toml::to_string(&manifest).unwrap_or_default().as_bytes());
    notes
}

fn header(program_headers: u16) -> Vec<u8> {
    const CLASS_64: u8 = 2;
    const LITTLE_ENDIAN: u8 = 1;
    const VERSION: u8 = 1;
    const ET_CORE: u16 = 4;
    const EM_X86_64: u16 = 62;
    let mut out = vec![0x7f, b'E', b'L', b'F', CLASS_64, LITTLE_ENDIAN, VERSION, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    out.extend([ET_CORE, EM_X86_64].map(u16::to_le_bytes).concat());
    out.extend(u32::from(VERSION).to_le_bytes());
    let (entry, sections, flags) = (0, 0, 0u32);
    out.extend([entry, HEADER, sections].map(u64::to_le_bytes).concat());
    out.extend(flags.to_le_bytes());
    out.extend(
        [HEADER as u16, PROGRAM_HEADER as u16, program_headers, 0, 0, 0].map(u16::to_le_bytes).concat(),
    );
    out
}

fn program_header(kind: u32, flags: u32, offset: u64, at: Option<Mapping>, size: u64) -> Vec<u8> {
    let (virt, phys, in_memory, align) = at.map_or((0, 0, 0, 4), |at| (at.virt, at.phys, size, PAGE));
    let mut out = [kind, flags].map(u32::to_le_bytes).concat();
    out.extend([offset, virt, phys, size, in_memory, align].map(u64::to_le_bytes).concat());
    out
}
