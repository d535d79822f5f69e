//! Kernels' tables of trace points.

use super::Seed;
use ukernel_abi::sites::{MAGIC, SYMBOL, VERSION};
use ukvmm::profile::sites;

#[path = "../../../../vmm/tests/common/elf.rs"]
mod tiny_elf;

use tiny_elf::{BASE, Elf, HIGH};

pub fn run(bytes: &[u8]) {
    let Ok(patches) = sites::patches(bytes, 0x40_0000..0x80_0000) else { return };
    assert!(patches.len() > 1);
    for patch in patches {
        assert_eq!(patch.old.len(), patch.new.len());
        assert!((5..=21).contains(&patch.new.len()));
    }
}

/// A kernel with a table at its beginning, then these sites, and at 0x100 a word and the code.
fn kernel(list: &[[u64; 4]]) -> Vec<u8> {
    const AT: u64 = HIGH + BASE;
    let sites = AT + 9 * 8;
    let end = sites + list.len() as u64 * 32;
    let table =
        [MAGIC, VERSION, sites, end, AT + 0x180, AT + 0x200, AT + 0x100, 0xffff_8880_0000_0000, 1 << 39];
    let list = list.as_flattened().iter().map(|&word| if word == 0 { 0 } else { AT + word });
    let mut image: Vec<u8> = table.into_iter().chain(list).flat_map(u64::to_le_bytes).collect();
    image.resize(0x200, 0x90);
    Elf { symbol: Some(SYMBOL), ..Elf::new(&image) }.bytes()
}

pub fn seeds() -> Vec<Seed> {
    vec![
        ("no-table", Elf::new(&[0x90; 32]).bytes()),
        ("one-way", kernel(&[[0x140, 0x145, 0x180, 0]])),
        ("two", kernel(&[[0x140, 0x14c, 0x180, 0x190], [0x110, 0x115, 0x1b0, 0x1d0]])),
    ]
}
