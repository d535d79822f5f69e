//! Stock kernels in the form `bzImage`.

use super::Seed;
use devices::virtio::Memory;
use std::cell::RefCell;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use tempfile::NamedTempFile;
use ukvmm::acpi;
use ukvmm::loader::Entry;
use ukvmm::loader::file::{self, Input};
use ukvmm::loader::format::Format;
use ukvmm::loader::linux::{self, Stock};
use ukvmm::loader::module::Module;
use ukvmm::memory::low_end;
use vm_memory::GuestAddress;

/// RAM that kernels are loaded into.
const RAM: usize = 8 << 20;

/// A file with an input in it.
pub struct Image(NamedTempFile);

impl Image {
    pub fn new(bytes: &[u8]) -> Self {
        let mut file = NamedTempFile::new().expect("a temporary file");
        file.write_all(bytes)
            .and_then(|()| file.seek(SeekFrom::Start(0)))
            .expect("room for a temporary file");
        Self(file)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub fn input(&self) -> Input {
        file::open("kernel", self.path(), "").expect("the file is there")
    }
}

/// Calls `job` with RAM, which is the same each time.
pub fn memory(job: impl FnOnce(&Memory)) {
    thread_local! {
        static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
    }
    MEMORY.with_borrow_mut(|memory| {
        job(memory.get_or_insert_with(|| Memory::from_ranges(&[(GuestAddress(0), RAM)]).expect("memory")));
    });
}

pub fn run(bytes: &[u8]) {
    let image = Image::new(bytes);
    memory(|memory| {
        let Ok(format) = Format::of(&image.input(), false) else { return };
        let ram = low_end(memory);
        let Ok(mut kernel) = Stock::check(image.input(), format, ram) else { return };
        let mut initrd = Some(Module::bytes("initrd", vec![7; 5000]));
        let loaded = linux::load(memory, &mut kernel, &mut initrd, "console=ttyS0", &acpi::Tables::new(2, 1));
        if let Ok(Entry::Linux { rip, boot_params }) = loaded {
            assert!(rip < ram && boot_params < ram, "entered outside of RAM");
        }
    });
}

/// A kernel with a setup header that is right; `change` makes it what it is to be.
fn kernel(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut bytes = vec![0; 1024 + 0x400];
    let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    put(0x1f1, &[1]);
    put(0x1f4, &(0x400u32 / 16).to_le_bytes());
    put(0x1fe, &0xaa55u16.to_le_bytes());
    put(0x200, &[0xeb, 0x66]);
    put(0x202, b"HdrS");
    put(0x206, &0x20fu16.to_le_bytes());
    put(0x211, &[1]);
    put(0x214, &0x10_0000u32.to_le_bytes());
    put(0x22c, &0x7fff_ffffu32.to_le_bytes());
    put(0x230, &0x20_0000u32.to_le_bytes());
    put(0x234, &[1, 21]);
    put(0x236, &3u16.to_le_bytes());
    put(0x238, &2047u32.to_le_bytes());
    put(0x258, &0x10_0000u64.to_le_bytes());
    put(0x260, &0x10_0000u32.to_le_bytes());
    change(&mut bytes);
    bytes
}

pub fn seeds() -> Vec<Seed> {
    vec![
        ("relocatable", kernel(|_| {})),
        ("fixed", kernel(|bytes| bytes[0x234] = 0)),
        ("old", kernel(|bytes| bytes[0x206] = 12)),
        ("large", kernel(|bytes| bytes[0x260..0x264].copy_from_slice(&u32::MAX.to_le_bytes()))),
    ]
}
