//! ELF kernels, with our entry and with that of PVH, and their symbols.

use super::Seed;
use super::bzimage::{Image, memory};
use ukvmm::loader::format::Format;
use ukvmm::loader::kernel::{Entrance, Kernel};
use ukvmm::loader::linux::{self, Stock};
use ukvmm::loader::module::Module;
use ukvmm::memory::low_end;
use ukvmm::{acpi, loader, symbols};

pub fn run(bytes: &[u8]) {
    let image = Image::new(bytes);
    memory(|memory| {
        let ram = low_end(memory);
        if let Ok(mut kernel) = Kernel::check(image.input(), Entrance::Long, ram) {
            assert!(kernel.end() <= ram);
            let mut modules = [Module::bytes("set", "")];
            if loader::load(memory, &mut kernel, &mut modules, "a command line").is_ok() {
                assert!(modules[0].phys >= kernel.end());
            }
            symbols::lookup(image.path(), kernel.entry());
        }
        if let Ok(mut kernel) = Stock::check(image.input(), Format::Pvh, ram) {
            let mut initrd = Some(Module::bytes("initrd", vec![7; 5000]));
            // An error, or fine.
            let _ = linux::load(memory, &mut kernel, &mut initrd, "", &acpi::Tables::new(1, 1));
        }
    });
    let _ = Format::of(&image.input(), false);
    symbols::lookup(image.path(), 0x10_0000);
}

/// An ELF file with these program headers: type, offset, address, size in the file, size in memory. `tail` follows them.
fn elf(entry: u64, segments: &[(u32, u64, u64, u64, u64)], tail: &[u8]) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    out.extend([2u16, 62].map(u16::to_le_bytes).concat());
    out.extend(1u32.to_le_bytes());
    out.extend([entry, 64, 0].map(u64::to_le_bytes).concat());
    out.extend(0u32.to_le_bytes());
    out.extend([64, 56, segments.len() as u16, 64, 0, 0].map(u16::to_le_bytes).concat());
    for &(kind, offset, at, file_size, size) in segments {
        out.extend([kind, 7].map(u32::to_le_bytes).concat());
        out.extend([offset, at, at, file_size, size, 0x1000].map(u64::to_le_bytes).concat());
    }
    out.extend(tail);
    out
}

pub fn seeds() -> Vec<Seed> {
    let one = 64 + 56;
    let two = 64 + 2 * 56;
    // A note of Xen's with the 32-bit entry.
    let note = [
        &[4u32, 4, 18].map(u32::to_le_bytes).concat()[..],
        b"Xen\0",
        &0x10_0000u32.to_le_bytes(),
        &[0x90; 16],
    ]
    .concat();
    let pvh = [(1, two + 20, 0x10_0000, 16, 0x2000), (4, two, 0, 20, 20)];
    vec![
        ("one-segment", elf(0x10_0000, &[(1, one, 0x10_0000, 16, 0x3000)], &[0x90; 16])),
        (
            "two-segments",
            elf(0x20_0000, &[(1, two, 0x10_0000, 16, 16), (1, two, 0x20_0000, 32, 64)], &[0x90; 32]),
        ),
        ("pvh", elf(0x10_0000, &pvh, &note)),
    ]
}
