use super::*;
use crate::loader::file::open;
use crate::tiny_elf::{self as elf, Elf};

const RAM: u64 = 64 << 20;

fn check(bytes: &[u8]) -> Result<Kernel, Defect> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kernel");
    std::fs::write(&path, bytes).unwrap();
    Kernel::check(open("kernel", &path, "").unwrap(), Entrance::Long, RAM).map_err(|e| e.what)
}

#[test]
fn a_right_kernel_is_loaded_where_it_wants_to_be() {
    let memory = memory::allocate(RAM).unwrap();
    let elf = Elf { memsz: Some(0x3000), ..Elf::new(b"code") };
    let mut kernel = check(&elf.bytes()).unwrap();
    assert_eq!((kernel.entry(), kernel.end()), (elf::HIGH + elf::BASE, elf::BASE + 0x3000));
    kernel.load(&memory).unwrap();
    let mut got = [0xff; 5];
    vm_memory::Bytes::read_slice(&memory, &mut got, vm_memory::GuestAddress(elf::BASE)).unwrap();
    assert_eq!(&got, b"code\0");
}

#[test]
fn an_entry_may_be_low_but_must_be_mapped() {
    let good = Elf::new(&[0; 16]);
    let low = Elf { vaddr: elf::BASE, entry: elf::BASE + 15, ..good.clone() };
    assert!(check(&low.bytes()).is_ok());
    let unmapped = Elf { vaddr: 0x4000_0000, entry: 0x4000_0000, ..good.clone() };
    assert_eq!(check(&unmapped.bytes()).unwrap_err(), Defect::BadEntry(0x4000_0000));
    assert_eq!(check(&Elf { entry: 1, ..good }.bytes()).unwrap_err(), Defect::BadEntry(1));
}

#[test]
fn every_cut_of_a_kernel_is_refused() {
    let bytes = Elf::new(&[0x90; 40]).bytes();
    for len in 0..bytes.len() {
        let what = check(&bytes[..len]).unwrap_err();
        assert!(matches!(what, Defect::NoKernel(_) | Defect::Truncated { .. }), "{len}: {what}");
    }
}

#[test]
fn no_change_of_a_byte_makes_it_panic() {
    let bytes = Elf::new(&[0x90; 8]).bytes();
    for index in 0..64 + 56 {
        for value in [0, 1, 0x7f, 0x80, 0xff] {
            let mut bytes = bytes.clone();
            bytes[index] = value;
            let memory = memory::allocate(4 << 20).unwrap();
            if let Ok(mut kernel) = check(&bytes)
                && kernel.end() <= memory::low_end(&memory)
            {
                kernel.load(&memory).unwrap();
            }
        }
    }
}
