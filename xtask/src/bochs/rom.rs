//! The ROM: kernel, server set, boot information, and the way to the kernel.
//!
//! ```text
//! address      the memory image: what is to lie from 1 MiB on
//! 4 GiB - 64K  16-bit code, 32-bit code, a GDT
//! 4 GiB - 16   a jump, where the processor starts
//! ```

use crate::elf;
use anyhow::{Result, ensure};
use vmm_abi::boot::{MEMORY_RAM, START_MAGIC};

/// Most that Bochs takes.
const SIZE_MAX: usize = 2 << 20;
/// The part with the code: the last segment of real mode.
const CODE_SIZE: usize = 64 << 10;
const CODE_ADDRESS: u32 = 0u32.wrapping_sub(CODE_SIZE as u32);
const PAGE: usize = 4096;
/// RAM below the video memory of a PC.
const LOW_RAM: u64 = 0xa_0000;
/// Places in the code's part: the GDT, what LGDT takes, the first instruction.
const GDT: usize = 0x100;
const GDT_POINTER: usize = 0x120;
const RESET: usize = 0xfff0;
const CODE_SELECTOR: u16 = 8;
const DATA_SELECTOR: u16 = 0x10;

/// Makes the ROM for a machine with `memory` bytes.
pub fn build(kernel: &[u8], bundle: &[u8], memory: u64) -> Result<Vec<u8>> {
    let image = elf::physical_image(kernel)?;
    let mut memory_image = image.bytes;
    pad(&mut memory_image, PAGE);
    let modules = image.base + memory_image.len() as u64;
    memory_image.extend_from_slice(bundle);
    pad(&mut memory_image, PAGE);
    let info = image.base + memory_image.len() as u64;
    memory_image.extend(start_info(info, modules, bundle.len() as u64, image.base, memory));
    pad(&mut memory_image, CODE_SIZE);
    let size = memory_image.len() + CODE_SIZE;
    ensure!(size <= SIZE_MAX, "kernel and servers need {size} bytes of ROM, and Bochs takes {SIZE_MAX}");
    let copy = Copy {
        from: 0u32.wrapping_sub(size as u32),
        to: u32::try_from(image.base)?,
        words: u32::try_from(memory_image.len() / 4)?,
    };
    let code = code(&copy, u32::try_from(info)?, u32::try_from(elf::pvh_entry(kernel)?)?);
    memory_image.extend(code);
    Ok(memory_image)
}

/// Where the ROM is: at the end of 4 GiB.
pub fn address(rom: &[u8]) -> u32 {
    0u32.wrapping_sub(rom.len() as u32)
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

/// `hvm_start_info` at `at`, with one module and a memory map behind it.
fn start_info(at: u64, module: u64, size: u64, high: u64, memory: u64) -> Vec<u8> {
    let (modules, map) = (at + 64, at + 96);
    let mut out = Vec::new();
    let header = [START_MAGIC, 1, 0, 1];
    out.extend(header.into_iter().flat_map(u32::to_le_bytes));
    out.extend([modules, 0, 0, map].into_iter().flat_map(u64::to_le_bytes));
    out.extend([2u32, 0].into_iter().flat_map(u32::to_le_bytes));
    out.resize(64, 0);
    out.extend([module, size, 0, 0].into_iter().flat_map(u64::to_le_bytes));
    for (start, end) in [(0, LOW_RAM), (high, memory)] {
        out.extend([start, end - start, MEMORY_RAM.into()].into_iter().flat_map(u64::to_le_bytes));
    }
    out
}

/// What is to be copied from the ROM into memory.
struct Copy {
    from: u32,
    to: u32,
    words: u32,
}

/// The last 64 KiB: from the reset in real mode to the kernel's entry in protected mode.
fn code(copy: &Copy, info: u32, entry: u32) -> Vec<u8> {
    let mut out = vec![0; CODE_SIZE];
    let mut at = 0;
    let mut emit = |bytes: &[u8]| {
        out[at..at + bytes.len()].copy_from_slice(bytes);
        at += bytes.len();
        at
    };
    emit(&[0xfa]); // cli
    emit(&[0x2e, 0x66, 0x0f, 0x01, 0x16]); // lgdt cs:[GDT_POINTER]
    emit(&(GDT_POINTER as u16).to_le_bytes());
    emit(&[0x0f, 0x20, 0xc0]); // mov eax, cr0
    emit(&[0x0c, 0x01]); // or al, 1
    emit(&[0x0f, 0x22, 0xc0]); // mov cr0, eax
    let far_jump = emit(&[0x66, 0xea]); // jmp CODE_SELECTOR:(behind it)
    emit(&(CODE_ADDRESS + far_jump as u32 + 6).to_le_bytes());
    emit(&CODE_SELECTOR.to_le_bytes());
    emit(&[0x66, 0xb8]); // mov ax, DATA_SELECTOR
    emit(&DATA_SELECTOR.to_le_bytes());
    emit(&[0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0xfc]); // mov ds, ax; mov es, ax; mov ss, ax; cld
    for (opcode, value) in [(0xbe, copy.from), (0xbf, copy.to), (0xb9, copy.words)] {
        emit(&[opcode]); // mov esi | edi | ecx, value
        emit(&value.to_le_bytes());
    }
    emit(&[0xf3, 0xa5]); // rep movsd
    for (opcode, value) in [(0xbb, info), (0xb8, entry)] {
        emit(&[opcode]); // mov ebx | eax, value
        emit(&value.to_le_bytes());
    }
    let end = emit(&[0xff, 0xe0]); // jmp eax
    assert!(end <= GDT);
    let gdt = [0u64, 0x00cf_9b00_0000_ffff, 0x00cf_9300_0000_ffff];
    for (n, descriptor) in gdt.into_iter().enumerate() {
        out[GDT + 8 * n..][..8].copy_from_slice(&descriptor.to_le_bytes());
    }
    out[GDT_POINTER..][..2].copy_from_slice(&(8 * gdt.len() as u16 - 1).to_le_bytes());
    out[GDT_POINTER + 2..][..4].copy_from_slice(&(CODE_ADDRESS + GDT as u32).to_le_bytes());
    out[RESET] = 0xe9; // jmp 0
    out[RESET + 1..][..2].copy_from_slice(&0u16.wrapping_sub(RESET as u16 + 3).to_le_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_boot_information_is_where_it_says() {
        let info = start_info(0x10_0000, 0x20_0000, 77, 0x10_0000, 64 << 20);
        let word = |at: usize| u64::from_le_bytes(info[at..at + 8].try_into().unwrap());
        assert_eq!(word(0) as u32, START_MAGIC);
        let (module, map) = (word(16) as usize - 0x10_0000, word(40) as usize - 0x10_0000);
        assert_eq!((word(module), word(module + 8)), (0x20_0000, 77));
        assert_eq!(word(48), 2);
        assert_eq!([0, 8, 16].map(|at| word(map + at)), [0, LOW_RAM, 1]);
        assert_eq!([24, 32, 40].map(|at| word(map + at)), [0x10_0000, 63 << 20, 1]);
        assert_eq!(info.len(), map + 48);
    }

    #[test]
    fn the_processor_finds_its_way() {
        let code = code(&Copy { from: 1, to: 2, words: 3 }, 4, 5);
        assert_eq!(code.len(), CODE_SIZE);
        // The jump at the reset vector leads to the first byte of the segment.
        let distance = u16::from_le_bytes([code[RESET + 1], code[RESET + 2]]);
        assert_eq!((RESET as u16 + 3).wrapping_add(distance), 0);
        // The far jump leads behind itself.
        let jump = code.windows(2).position(|bytes| bytes == [0x66, 0xea]).unwrap();
        let target = u32::from_le_bytes(code[jump + 2..jump + 6].try_into().unwrap());
        assert_eq!(target - CODE_ADDRESS, jump as u32 + 8);
    }

    #[test]
    fn what_is_no_kernel_is_refused() {
        assert!(build(b"no kernel", &[], 1 << 28).is_err());
    }
}
