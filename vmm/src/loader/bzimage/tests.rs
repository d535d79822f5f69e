use super::*;
use crate::loader::file;
use vm_memory::Bytes;

const RAM: u64 = 64 << 20;
const CODE: u8 = 0x90;

/// A right header, of protocol 2.15.
fn header() -> setup_header {
    setup_header {
        setup_sects: 1,
        syssize: 0x40,
        boot_flag: BOOT_FLAG,
        header: u32::from_le_bytes(*MAGIC),
        version: 0x20f,
        loadflags: LOADED_HIGH,
        code32_start: 0x10_0000,
        initrd_addr_max: 0x7fff_ffff,
        kernel_alignment: 0x20_0000,
        relocatable_kernel: 1,
        xloadflags: XLF_KERNEL_64,
        cmdline_size: 2047,
        pref_address: 0x100_0000,
        init_size: 0x10_0000,
        ..Default::default()
    }
}

/// An image with this header and 1 KiB of code.
fn image(header: &setup_header) -> Vec<u8> {
    let mut bytes = vec![0; 1024];
    bytes[HEADER as usize..][..size_of::<setup_header>()].copy_from_slice(header.as_slice());
    bytes.extend([CODE; 1024]);
    bytes
}

fn check(bytes: &[u8]) -> Result<BzImage, Defect> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kernel");
    std::fs::write(&path, bytes).unwrap();
    BzImage::check(file::open("kernel", &path, "").unwrap(), RAM).map_err(|e| e.what)
}

fn refused(header: setup_header) -> Defect {
    check(&image(&header)).unwrap_err()
}

#[test]
fn a_right_image_goes_where_it_wants_to_be() {
    let memory = crate::memory::allocate(RAM).unwrap();
    let mut kernel = check(&image(&header())).unwrap();
    assert_eq!((kernel.entry(), kernel.range()), (0x100_0200, 0x100_0000..0x110_0000));
    let loaded = kernel.load(&memory).unwrap();
    assert_eq!({ loaded.code32_start }, 0x100_0000);
    let mut got = [0; 1025];
    memory.read_slice(&mut got, GuestAddress(0x100_0000)).unwrap();
    assert!(got[..1024].iter().all(|&byte| byte == CODE) && got[1024] == 0);
}

#[test]
fn one_that_cannot_be_relocated_goes_where_it_says_and_needs_memory_where_it_moves() {
    let kernel = check(&image(&setup_header { relocatable_kernel: 0, ..header() })).unwrap();
    assert_eq!((kernel.entry(), kernel.range()), (0x10_0200, 0x10_0000..0x110_0000));
}

#[test]
fn old_and_foreign_ones_are_told_apart() {
    let old = refused(setup_header { version: 0x20b, ..header() });
    assert!(old.to_string().contains("protocol 2.11"), "{old}");
    assert_eq!(refused(setup_header { xloadflags: 0, ..header() }), Defect::No64BitEntry);
    for (wrong, text) in [
        (setup_header { boot_flag: 0, ..header() }, "boot flag"),
        (setup_header { loadflags: 0, ..header() }, "zImage"),
        (setup_header { init_size: 0, ..header() }, "init_size"),
    ] {
        assert!(matches!(refused(wrong), Defect::SetupHeader(what) if what.contains(text)), "{text}");
    }
}

#[test]
fn it_has_to_fit_into_memory() {
    assert!(matches!(
        refused(setup_header { init_size: u32::MAX, ..header() }),
        Defect::TooBig { ram: RAM, .. }
    ));
    assert!(matches!(refused(setup_header { pref_address: u64::MAX, ..header() }), Defect::TooBig { .. }));
    assert!(matches!(refused(setup_header { pref_address: 0xf_ffff, ..header() }), Defect::TooLow { .. }));
    assert!(matches!(refused(setup_header { code32_start: 0, ..header() }), Defect::TooLow { .. }));
    let moves = setup_header { relocatable_kernel: 0, pref_address: RAM, ..header() };
    assert!(matches!(refused(moves), Defect::TooBig { .. }));
}

#[test]
fn every_cut_of_it_is_refused() {
    let bytes = image(&header());
    // The last paragraph need not be whole.
    for len in 0..=bytes.len() - PARAGRAPH as usize {
        assert!(matches!(check(&bytes[..len]), Err(Defect::Truncated { .. })), "{len}");
    }
    let long = setup_header { syssize: u32::MAX, ..header() };
    assert!(matches!(refused(long), Defect::Truncated { .. }));
    assert!(matches!(refused(setup_header { setup_sects: 255, ..header() }), Defect::Truncated { .. }));
}

#[test]
fn no_change_of_a_byte_makes_it_panic() {
    let memory = crate::memory::allocate(RAM).unwrap();
    for at in 0..size_of::<setup_header>() {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = image(&header());
            bytes[HEADER as usize + at] = value;
            // The magic number is `Format`'s to look at.
            if let (Ok(mut kernel), true) = (check(&bytes), is_one(&bytes)) {
                kernel.load(&memory).unwrap();
            }
        }
    }
}
