//! The boot parameters of Linux, the "zero page" (`Documentation/arch/x86/zero-page.rst`): the kernel's own setup header,
//! filled in, and the memory map.

use super::module::Module;
use super::start_info::StartInfoError;
use crate::memory::{self, GuestMemory};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use vm_memory::{Bytes, GuestAddress};

/// Where they are put.
pub const ADDRESS: u64 = 0x1_0000;
/// Where the command line is put.
const CMDLINE: u64 = 0x1_1000;
/// "Some other boot loader".
const LOADER_UNKNOWN: u8 = 0xff;
/// The video mode is left as it is.
const VIDEO_NORMAL: u16 = 0xffff;

/// Writes them, and the command line. Returns their address.
pub fn write(
    memory: &GuestMemory,
    header: setup_header,
    initrd: Option<&Module>,
    cmdline: &str,
    rsdp: u64,
) -> Result<u64, StartInfoError> {
    if cmdline.contains('\0') {
        return Err(StartInfoError::CmdlineNul);
    }
    let hdr = setup_header {
        type_of_loader: LOADER_UNKNOWN,
        vid_mode: VIDEO_NORMAL,
        cmd_line_ptr: CMDLINE as u32,
        // Below `initrd_addr_max`, which has 32 bits, as was seen to.
        ramdisk_image: initrd.map_or(0, |initrd| initrd.phys as u32),
        ramdisk_size: initrd.map_or(0, |initrd| initrd.size() as u32),
        setup_data: 0,
        ..header
    };
    let mut params = boot_params { hdr, acpi_rsdp_addr: rsdp, ..Default::default() };
    let map = memory::map(memory);
    // Four at most.
    params.e820_entries = map.len() as u8;
    for (entry, (range, kind)) in params.e820_table.iter_mut().zip(map) {
        *entry = boot_e820_entry { addr: range.start, size: range.end - range.start, r#type: kind };
    }
    memory.write_obj(params, GuestAddress(ADDRESS))?;
    memory.write_slice(&[cmdline.as_bytes(), &[0]].concat(), GuestAddress(CMDLINE))?;
    Ok(ADDRESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_finds_everything_at_its_offset() {
        let memory = memory::allocate(64 << 20).unwrap();
        let mut initrd = Module::bytes("initrd", [7; 5]);
        initrd.phys = 0x200_0000;
        let header = setup_header { header: 0x5372_6448, version: 0x20f, ..Default::default() };
        assert_eq!(write(&memory, header, Some(&initrd), "a b", 0xe_0000).unwrap(), ADDRESS);
        let u32_at = |offset: u64| memory.read_obj::<u32>(GuestAddress(ADDRESS + offset)).unwrap();
        assert_eq!((u32_at(0x070), u32_at(0x202)), (0xe_0000, 0x5372_6448));
        assert_eq!((u32_at(0x218), u32_at(0x21c)), (0x200_0000, 5));
        assert_eq!(memory.read_obj::<u8>(GuestAddress(ADDRESS + 0x210)).unwrap(), 0xff);
        let mut text = [0xff; 4];
        memory.read_slice(&mut text, GuestAddress(u32_at(0x228).into())).unwrap();
        assert_eq!(&text, b"a b\0");
        assert_eq!(memory.read_obj::<u8>(GuestAddress(ADDRESS + 0x1e8)).unwrap(), 3);
        // The third entry of 20 bytes: RAM from 1 MiB.
        assert_eq!((u32_at(0x2d0 + 40), u32_at(0x2d0 + 48), u32_at(0x2d0 + 56)), (0x10_0000, 63 << 20, 1));
        assert!(matches!(write(&memory, header, None, "a\0b", 0), Err(StartInfoError::CmdlineNul)));
    }
}
