//! Names of tasks, as servers publish them for a debugger.
//!
//! Only the server that makes a task knows what runs in it: root its servers, the Linux server its processes. Each keeps a table in its own
//! memory, under the ELF symbol [`SYMBOL`], and does nothing else with it; a debugger that stands outside reads it. So a name costs a few
//! stores, and nobody has to be asked.

use core::sync::atomic::AtomicU64;

/// ELF symbol of a server's [`Names`].
pub const SYMBOL: &str = "ukvmm_names";
/// Tasks that a table has room for. Those beyond have no name.
pub const CAPACITY: usize = 128;
/// Bytes of a name; longer ones are cut.
pub const LENGTH: usize = 32;
const WORD: usize = size_of::<u64>();

#[repr(C)]
pub struct Names {
    pub entries: [Entry; CAPACITY],
}

/// The name of one task. A reader who comes in between the writer's stores finds no task here, never half a name.
#[repr(C)]
pub struct Entry {
    /// The task's number; 0: the entry is free.
    pub task: AtomicU64,
    /// UTF-8 as a rule, padded with NULs.
    pub name: [AtomicU64; LENGTH / WORD],
}

impl Names {
    /// A table without names.
    #[expect(clippy::new_without_default, reason = "a static's value, which Default cannot make")]
    pub const fn new() -> Self {
        Self { entries: [const { Entry::free() }; CAPACITY] }
    }
}

impl Entry {
    const fn free() -> Self {
        Self { task: AtomicU64::new(0), name: [const { AtomicU64::new(0) }; LENGTH / WORD] }
    }
}

/// The names in a copy of a table: task and name, without padding.
pub fn decode(table: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    table.as_chunks::<{ size_of::<Entry>() }>().0.iter().filter_map(|entry| {
        let (task, name) = entry.split_first_chunk::<WORD>()?;
        let task = u16::try_from(u64::from_le_bytes(*task)).ok().filter(|task| *task != 0)?;
        let end = name.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        Some((task, &name[..end]))
    })
}

const _: () =
    assert!(size_of::<Entry>() == WORD + LENGTH && size_of::<Names>() == CAPACITY * (WORD + LENGTH));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_entries_and_rubbish_are_passed_over() {
        let mut table = [0; size_of::<Names>() + 3];
        let entry = size_of::<Entry>();
        table[entry] = 7;
        table[entry + WORD..][..4].copy_from_slice(b"a\0b\0");
        table[3 * entry..][..WORD].fill(0xff);
        table[4 * entry] = 9;
        assert!(decode(&table).eq([(7, &b"a\0b"[..]), (9, b"")]));
        assert_eq!(decode(&[1, 2, 3]).count(), 0);
    }
}
