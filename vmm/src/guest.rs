//! The guest as a whole: its kernel, what goes along with it, and how that gets into the machine.

use crate::acpi;
use crate::error::Error;
use crate::loader::file::Input;
use crate::loader::format::Format;
use crate::loader::kernel::{Entrance, Kernel};
use crate::loader::linux::{self, Stock};
use crate::loader::module::Module;
use crate::loader::{self, Entry, LoadError};
use crate::memory::GuestMemory;
use crate::vcpu::entry;
use crate::virtio::attach;
use crate::vm::Vm;
use kvm_ioctls::VcpuFd;
use std::path::{Path, PathBuf};
use vmm_abi::boot::{BootInfo, INFO_MODULE};

/// A guest whose kernel has been checked.
#[derive(Debug)]
pub enum Guest {
    /// A kernel that was made for `ukvmm`.
    Native(Kernel),
    /// A kernel that was made for a PC.
    Stock(Stock),
}

impl Guest {
    /// Checks a kernel for a machine with `ram` bytes of RAM below the hole.
    pub fn check(kernel: Input, format: Format, ram: u64) -> Result<Self, LoadError> {
        Ok(if format.is_stock() {
            Self::Stock(Stock::check(kernel, format, ram)?)
        } else {
            Self::Native(Kernel::check(kernel, Entrance::Long, ram)?)
        })
    }

    pub fn is_stock(&self) -> bool {
        matches!(self, Self::Stock(_))
    }

    /// Loads it with its modules into a machine that has not run yet and has so many virtio devices. The boot CPU is to
    /// begin there. Returns the modules, with their places.
    pub fn load(
        self,
        vm: &Vm,
        vcpus: &[VcpuFd],
        modules: Vec<Module>,
        cmdline: &str,
        virtio: usize,
    ) -> Result<Vec<Module>, Error> {
        let info = if self.is_stock() {
            vm.make_pc(vcpus)?;
            BootInfo::default()
        } else {
            vm.boot_info(vcpus)?
        };
        // As many as there may be CPUs: 64.
        let devices = Devices { cpus: vcpus.len() as u8, virtio };
        let Loaded { entry, modules, kernel } =
            self.load_into(vm.memory(), info, modules, cmdline, devices)?;
        report(&kernel, entry, &modules);
        if let Some(boot_cpu) = vcpus.first() {
            entry::set_registers(boot_cpu, entry)?;
        }
        Ok(modules)
    }

    /// Loads it with its modules into memory that may be a machine's. `info` is what a kernel that was made for `ukvmm` is told about clocks and CPUs.
    pub fn load_into(
        self,
        memory: &GuestMemory,
        info: BootInfo,
        modules: Vec<Module>,
        cmdline: &str,
        devices: Devices,
    ) -> Result<Loaded, Error> {
        let Devices { cpus, virtio } = devices;
        Ok(match self {
            Self::Native(mut kernel) => {
                let info = Module::bytes(INFO_MODULE, info.to_bytes());
                let mut modules: Vec<_> = [info].into_iter().chain(modules).collect();
                let cmdline = attach::command_line(cmdline, virtio);
                let entry = loader::load(memory, &mut kernel, &mut modules, &cmdline)?;
                Loaded { entry, modules, kernel: kernel.path().into() }
            }
            Self::Stock(mut kernel) => {
                let tables = acpi::Tables::new(cpus, virtio);
                let mut initrd = modules.into_iter().next();
                let entry = linux::load(memory, &mut kernel, &mut initrd, cmdline, &tables)?;
                Loaded { entry, modules: initrd.into_iter().collect(), kernel: kernel.path().into() }
            }
        })
    }
}

/// What the guest is told of its machine.
#[derive(Clone, Copy)]
pub struct Devices {
    pub cpus: u8,
    /// Virtio devices.
    pub virtio: usize,
}

/// A guest in memory.
pub struct Loaded {
    pub entry: Entry,
    /// With their places.
    pub modules: Vec<Module>,
    pub kernel: PathBuf,
}

fn report(kernel: &Path, entry: Entry, modules: &[Module]) {
    tracing::debug!("kernel {}, to be entered at {entry:x?}", kernel.display());
    for module in modules {
        tracing::debug!("module {} at {:#x}, {} bytes", module.name, module.phys, module.size());
    }
}
