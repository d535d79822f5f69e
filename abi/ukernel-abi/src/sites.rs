//! Where the host finds the kernel's trace points.
//!
//! The kernel records nothing by itself, and has no instruction for it on any of its ways. It has *sites*: instructions, of [`JUMP`] bytes at least, that nothing
//! jumps into the middle of, and that do the same wherever they are. For each it has a *stub*, aside from its text: code that records an event. Who wants records
//! (see `vmm_abi::trace`) does this before the kernel's first instruction: over every site it writes a jump to the stub; to the stub's *tail*, for which there is room,
//! what was at the site, and a jump to what follows the site; and the virtual address of the rings to a word that the stubs read.
//!
//! All of that is described by one constant, [`SiteTable`], which is found by the symbol [`SYMBOL`] of the kernel's ELF file. As what debuggers are told
//! ([`crate::debug`]), it is no part of the system-call interface.

/// The symbol of the [`SiteTable`].
pub const SYMBOL: &str = "ukernel_trace_sites";
pub const MAGIC: u64 = u64::from_le_bytes(*b"L4uKtrc\x01");
/// Of the layout below, and of the rings' as the stubs know it.
pub const VERSION: u64 = 1;

/// Bytes of the jump that is written over a site: an opcode, and the distance from the jump's end.
pub const JUMP: usize = 5;
pub const JUMP_OPCODE: u8 = 0xe9;
/// Most bytes of a site. A tail has room for as many, and for a jump.
pub const SITE_MAX: usize = 16;
/// What the rest of a site, or of a tail, is filled with: never executed.
pub const FILL: u8 = 0xcc;

/// All of it: 64-bit words. `A` is what an address is to the kernel, where it is made: a pointer, which its linker resolves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct SiteTable<A = u64> {
    pub magic: u64,
    pub version: u64,
    /// The [`Site`]s, and where they end.
    pub sites: A,
    pub sites_end: A,
    /// The stubs, and where they end.
    pub stubs: A,
    pub stubs_end: A,
    /// The word for the address of the rings.
    pub rings: A,
    /// Where the kernel maps physical memory, and for how much there is room.
    pub physmap: u64,
    pub physmap_size: u64,
}

/// A site. Addresses are virtual ones in the kernel's image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct Site {
    pub start: u64,
    pub end: u64,
    pub stub: u64,
    /// Zero: the stub has a way of its own on.
    pub tail: u64,
}

impl SiteTable {
    pub const SIZE: usize = size_of::<Self>();

    /// Reads it from the beginning of `bytes`. `None` if that is no `SiteTable`, or one of another version.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [magic, version, sites, sites_end, stubs, stubs_end, rings, physmap, physmap_size] =
            words(bytes)?;
        let table = Self { magic, version, sites, sites_end, stubs, stubs_end, rings, physmap, physmap_size };
        ((magic, version) == (MAGIC, VERSION)).then_some(table)
    }
}

impl Site {
    pub const SIZE: usize = size_of::<Self>();

    /// Reads one from the beginning of `bytes`.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let [start, end, stub, tail] = words(bytes)?;
        Some(Self { start, end, stub, tail })
    }
}

fn words<const N: usize>(bytes: &[u8]) -> Option<[u64; N]> {
    let words: &[[u8; 8]; N] = bytes.as_chunks().0.first_chunk()?;
    Some(words.map(u64::from_le_bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nine words.
    fn bytes(words: &[u64]) -> [u8; SiteTable::SIZE] {
        let mut bytes = [0; SiteTable::SIZE];
        for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *to = word.to_le_bytes();
        }
        bytes
    }

    #[test]
    fn fields_are_read_from_where_they_are() {
        let table = bytes(&[MAGIC, VERSION, 2, 3, 4, 5, 6, 7, 8]);
        let read = SiteTable::read(&table).unwrap();
        assert_eq!((read.sites, read.sites_end, read.stubs, read.stubs_end), (2, 3, 4, 5));
        assert_eq!((read.rings, read.physmap, read.physmap_size), (6, 7, 8));
        assert_eq!(core::mem::offset_of!(SiteTable, physmap_size), 8 * 8);
        assert_eq!(Site::read(&bytes(&[1, 2, 3, 4])), Some(Site { start: 1, end: 2, stub: 3, tail: 4 }));
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        let table = bytes(&[MAGIC, VERSION, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(SiteTable::read(&table[..SiteTable::SIZE - 1]), None);
        assert_eq!(SiteTable::read(&bytes(&[MAGIC, VERSION + 1, 2, 3, 4, 5, 6, 7, 8])), None);
        assert_eq!(SiteTable::read(&[]), None);
        assert_eq!(Site::read(&[0; Site::SIZE - 1]), None);
    }
}
