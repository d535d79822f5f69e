//! What the boot loader says: Xen's `hvm_start_info`, version 1, and `ukvmm`'s module beside it (see `vmm-abi::boot`).
//!
//! The boot loader is trusted, as everything that has all of memory is; it is checked only so far that a mistake ends with a
//! message.

use core::ops::Range;

use ukernel_abi::kip::MODULES;
use vmm_abi::boot::{BUNDLE_ENTRY, BUNDLE_MAGIC, BootInfo, INFO_MAGIC, INFO_MODULE, MEMORY_RAM, START_MAGIC};

use crate::arch::ap;
use crate::arch::layout::phys_to_virt;

/// Read a `T` from physical memory that the physmap already covers.
pub fn read<T: Copy>(phys: u64) -> T {
    // SAFETY: `T` is plain integers wherever this is used; the address is RAM by the boot loader's word, covered by the
    // physmap, and nothing writes to it at boot.
    unsafe { (phys_to_virt(phys) as *const T).read_unaligned() }
}

/// `hvm_start_info`.
#[derive(Clone, Copy)]
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    cmdline: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_count: u32,
    _reserved: u32,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct ModuleEntry {
    phys: u64,
    size: u64,
    cmdline: u64,
    _reserved: u64,
}

#[derive(Clone, Copy)]
#[repr(C)]
struct MemoryEntry {
    start: u64,
    size: u64,
    kind: u32,
    _reserved: u32,
}

/// A module by name.
#[derive(Clone, Copy)]
pub struct Module {
    pub phys: u64,
    pub size: u64,
    pub name: [u8; 32],
}

impl Module {
    pub fn is(&self, name: &str) -> bool {
        is_name(&self.name, name)
    }
}

/// Byte by byte: a comparison of arrays would bring a large function with it.
fn is_name(bytes: &[u8; 32], name: &str) -> bool {
    bytes.iter().take_while(|&&byte| byte != 0).eq(name.as_bytes())
}

/// All modules, those in a bundle one by one.
pub struct Modules {
    list: [Module; MODULES],
    count: usize,
}

impl Modules {
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.list[..self.count].iter()
    }
    pub fn find(&self, name: &str) -> Option<&Module> {
        self.iter().find(|m| m.is(name))
    }
    fn push(&mut self, module: Module) {
        match self.list.get_mut(self.count) {
            Some(slot) => *slot = module,
            None => panic!("more than {MODULES} boot modules"),
        }
        self.count += 1;
    }
}

/// The boot information.
pub struct Info {
    start: StartInfo,
    ukvmm: Option<BootInfo>,
}

impl Info {
    pub fn read(phys: u64) -> Self {
        let start: StartInfo = read(phys);
        if start.magic != START_MAGIC || start.version < 1 {
            panic!("no boot information at {phys:#x} (magic {:#x}, version {})", start.magic, start.version);
        }
        let mut info = Self { start, ukvmm: None };
        let found = info
            .entries()
            .find(|e| is_name(&name_of(e.cmdline), INFO_MODULE) && e.size >= BootInfo::SIZE as u64)
            .map(|e| read::<BootInfo>(e.phys))
            .filter(|b| b.magic == INFO_MAGIC);
        info.ukvmm = found;
        info
    }

    fn entries(&self) -> impl Iterator<Item = ModuleEntry> {
        let start = self.start;
        (0..start.module_count as u64).map(move |n| read(start.modules + n * size_of::<ModuleEntry>() as u64))
    }

    pub fn ukvmm(&self) -> Option<&BootInfo> {
        self.ukvmm.as_ref()
    }

    /// CPUs of the machine, as far as the kernel can use them.
    pub fn cpus(&self) -> u32 {
        match self.ukvmm {
            Some(boot) => ap::limit(boot.cpus),
            None => ap::limit(ap::count_from_qemu().into()),
        }
    }

    /// RAM, in the order of the boot loader's map.
    pub fn ram(&self) -> impl Iterator<Item = Range<u64>> {
        let start = self.start;
        (0..start.memory_map_count as u64)
            .map(move |n| read::<MemoryEntry>(start.memory_map + n * size_of::<MemoryEntry>() as u64))
            .filter(|e| e.kind == MEMORY_RAM)
            .map(|e| e.start..e.start.saturating_add(e.size))
    }

    pub fn ram_bytes(&self) -> u64 {
        self.ram().map(|r| r.end - r.start).sum()
    }

    /// Memory that modules take.
    pub fn module_ranges(&self) -> impl Iterator<Item = Range<u64>> {
        self.entries().map(|e| e.phys..e.phys.saturating_add(e.size))
    }

    /// Command line: physical address and length.
    pub fn cmdline(&self) -> (u64, u64) {
        let phys = self.start.cmdline;
        if phys == 0 {
            return (0, 0);
        }
        (phys, (0..4096).take_while(|&n| read::<u8>(phys + n) != 0).count() as u64)
    }

    /// All modules. The physmap must cover all of RAM by now.
    pub fn modules(&self) -> Modules {
        let mut modules = Modules { list: [Module { phys: 0, size: 0, name: [0; 32] }; MODULES], count: 0 };
        for e in self.entries() {
            let is_bundle =
                e.size >= 4096 && e.phys.is_multiple_of(4096) && read::<u64>(e.phys) == BUNDLE_MAGIC;
            if is_bundle {
                unpack(e, &mut modules);
            } else {
                modules.push(Module { phys: e.phys, size: e.size, name: name_of(e.cmdline) });
            }
        }
        modules
    }
}

/// Add the modules in a bundle.
fn unpack(bundle: ModuleEntry, modules: &mut Modules) {
    let count: u64 = read(bundle.phys + 8);
    if count > (4096 - 16) / BUNDLE_ENTRY as u64 {
        panic!("a bundle of {count} modules");
    }
    for n in 0..count {
        let at = bundle.phys + 16 + n * BUNDLE_ENTRY as u64;
        let (offset, size): (u64, u64) = (read(at), read(at + 8));
        if offset.checked_add(size).is_none_or(|end| end > bundle.size) {
            panic!("module {n} of the bundle ends outside of it");
        }
        modules.push(Module { phys: bundle.phys + offset, size, name: read(at + 16) });
    }
}

/// The string at `phys` as a module's name: up to 31 bytes.
fn name_of(phys: u64) -> [u8; 32] {
    let mut bytes = [0; 31];
    if phys != 0 {
        for (n, byte) in bytes.iter_mut().enumerate() {
            match read(phys + n as u64) {
                0u8 => break,
                b => *byte = b,
            }
        }
    }
    name(&bytes)
}

fn name(bytes: &[u8]) -> [u8; 32] {
    let mut name = [0; 32];
    let len = bytes.len().min(31);
    name[..len].copy_from_slice(&bytes[..len]);
    name
}
