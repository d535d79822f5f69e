//! The virtual machine: memory slots, interrupt controllers, vCPUs. Everything about KVM that happens before a guest
//! runs.

use crate::kvm::{self, KvmError, failed};
use crate::memory::GuestMemory;
use crate::vcpu::cpuid::{self, Extras, Place};
use crate::xcr0;
use core::arch::x86_64::_rdtsc;
use kvm_bindings::{
    KVM_CAP_X86_APIC_BUS_CYCLES_NS, KVM_MAX_CPUID_ENTRIES, KVM_MEM_READONLY, KVM_PIT_SPEAKER_DUMMY, Msrs,
    kvm_msr_entry, kvm_pit_config, kvm_userspace_memory_region,
};
use kvm_ioctls::{Cap, IoEventAddress, Kvm, NoDatamatch, VcpuFd, VmFd};
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};
use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryRegion};
use vmm_abi::boot::{BootInfo, INFO_MAGIC};
use vmm_abi::ports;
use vmm_sys_util::eventfd::EventFd;

/// Three pages that Intel's VMX without "unrestricted guest" needs, and the page of its identity map below them. Both
/// are in the hole from 3 to 4 GiB, away from the APICs.
pub(crate) const TSS_ADDRESS: usize = 0xfffb_d000;
const IDENTITY_MAP: u64 = 0xfffb_c000;
const MSR_TSC: u32 = 0x10;
/// What firmware sets (SDM vol. 4, table 2-2): all memory is cached, and string instructions are fast.
const MSR_MTRR_DEF_TYPE: u32 = 0x2ff;
const MTRR_ENABLED: u64 = 1 << 11;
const MTRR_WRITE_BACK: u64 = 6;
const MSR_MISC_ENABLE: u32 = 0x1a0;
const MISC_FAST_STRINGS: u64 = 1;
/// Local APIC timer's frequency where KVM does not tell: one tick a nanosecond (KVM's `APIC_BUS_CYCLE_NS`).
const APIC_TICK_NS: u64 = 1;

/// A virtual machine that has not run yet.
pub struct Vm {
    fd: VmFd,
    memory: GuestMemory,
}

impl Vm {
    /// RAM has one or two slots, the first ones.
    pub const FIRST_FREE_SLOT: u32 = 2;

    /// Makes a machine with `memory` and interrupt controllers (two PICs, IOAPIC, local APICs) in KVM.
    pub fn new(kvm: &Kvm, memory: GuestMemory) -> Result<Self, KvmError> {
        let fd = kvm::create_vm(kvm)?;
        fd.set_identity_map_address(IDENTITY_MAP).map_err(failed("KVM_SET_IDENTITY_MAP_ADDR"))?;
        fd.set_tss_address(TSS_ADDRESS).map_err(failed("KVM_SET_TSS_ADDR"))?;
        let this = Self { fd, memory };
        for (slot, region) in (0..).zip(this.memory.iter()) {
            let start = region.start_addr().0;
            this.set_slot(slot, &this.memory, start..start + region.len(), false)?;
        }
        this.fd.create_irq_chip().map_err(failed("making interrupt controllers (KVM_CREATE_IRQCHIP)"))?;
        Ok(this)
    }

    /// Maps `range` of `memory`, which is in one region of it, for the guest, at the same addresses. The slot is not in use,
    /// and no other covers the range.
    pub fn set_slot(
        &self,
        slot: u32,
        memory: &GuestMemory,
        range: Range<u64>,
        read_only: bool,
    ) -> Result<(), KvmError> {
        let what = "giving it memory (KVM_SET_USER_MEMORY_REGION)";
        let size = range.end - range.start;
        let host = memory.get_slice(GuestAddress(range.start), size as usize);
        let host = host.map_err(|_| failed(what)(kvm_ioctls::Error::new(libc::EFAULT)))?;
        let region = kvm_userspace_memory_region {
            slot,
            flags: if read_only { KVM_MEM_READONLY } else { 0 },
            guest_phys_addr: range.start,
            memory_size: size,
            userspace_addr: host.ptr_guard_mut().as_ptr() as u64,
        };
        // SAFETY: the slot is `host`, a part of `memory`, whose mapping is never undone (`memory::allocate`).
        unsafe { self.fd.set_user_memory_region(region) }.map_err(failed(what))
    }

    /// Takes what [`Vm::set_slot`] has mapped away from the guest.
    pub fn remove_slot(&self, slot: u32) -> Result<(), KvmError> {
        let region = kvm_userspace_memory_region { slot, ..Default::default() };
        // SAFETY: a slot of size 0 refers to no memory.
        unsafe { self.fd.set_user_memory_region(region) }
            .map_err(failed("taking memory away (KVM_SET_USER_MEMORY_REGION)"))
    }

    /// Whether slots may be read-only.
    pub fn has_read_only_memory(&self) -> bool {
        self.fd.check_extension(Cap::ReadonlyMem)
    }

    pub fn memory(&self) -> &GuestMemory {
        &self.memory
    }

    /// Makes `count` vCPUs, with CPUID set. The first is the boot CPU; the others wait for INIT and SIPI, as KVM has it with its
    /// own interrupt controllers. `hypervisor`: they are told that they are virtual.
    pub fn create_vcpus(&self, kvm: &Kvm, count: u8, hypervisor: bool) -> Result<Vec<VcpuFd>, KvmError> {
        let supported =
            kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(failed("KVM_GET_SUPPORTED_CPUID"))?;
        let extras = Extras { tsc_deadline: kvm.check_extension(Cap::TscDeadlineTimer), hypervisor };
        let create = |id: u8| {
            let vcpu = self.fd.create_vcpu(id.into()).map_err(failed("making a vCPU (KVM_CREATE_VCPU)"))?;
            let cpuid = cpuid::adapt(&supported, Place { id, count }, extras)?;
            vcpu.set_cpuid2(&cpuid).map_err(failed("KVM_SET_CPUID2"))?;
            xcr0::preset(kvm, &vcpu, &cpuid)?;
            Ok(vcpu)
        };
        (0..count).map(create).collect()
    }

    /// Adds what a stock kernel takes for granted in a PC: the interval timer, and CPUs whose firmware has set them up.
    pub fn make_pc(&self, vcpus: &[VcpuFd]) -> Result<(), KvmError> {
        let pit = kvm_pit_config { flags: KVM_PIT_SPEAKER_DUMMY, ..Default::default() };
        self.fd.create_pit2(pit).map_err(failed("making an interval timer (KVM_CREATE_PIT2)"))?;
        for vcpu in vcpus {
            let set = |index, data| {
                let entry = kvm_msr_entry { index, data, ..Default::default() };
                let msrs = Msrs::from_entries(&[entry]).map_err(|_| kvm_ioctls::Error::new(libc::E2BIG));
                // One that this CPU does not have is left out.
                msrs.and_then(|msrs| vcpu.set_msrs(&msrs)).map_err(failed("KVM_SET_MSRS"))
            };
            set(MSR_MTRR_DEF_TYPE, MTRR_ENABLED | MTRR_WRITE_BACK)?;
            set(MSR_MISC_ENABLE, MISC_FAST_STRINGS)?;
        }
        Ok(())
    }

    /// An eventfd that raises interrupt line `line` (edge) when it is written.
    pub fn interrupt_line(&self, line: u8) -> Result<EventFd, KvmError> {
        let event = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC).map_err(|e| KvmError::Call {
            what: "eventfd",
            source: kvm_ioctls::Error::new(e.raw_os_error().unwrap_or(0)),
        })?;
        self.fd.register_irqfd(&event, line.into()).map_err(failed("KVM_IRQFD"))?;
        Ok(event)
    }

    /// Has the guest's writes of `value`, 32 bits, to `address` write `event`, without an exit.
    pub fn doorbell(&self, event: &EventFd, address: u64, value: u32) -> Result<(), KvmError> {
        let address = IoEventAddress::Mmio(address);
        self.fd.register_ioevent(event, &address, value).map_err(failed("a doorbell (KVM_IOEVENTFD)"))
    }

    /// Has the guest's writes to the TSC channel's port write `event`, without an exit.
    pub fn trace_doorbell(&self, event: &EventFd) -> Result<(), KvmError> {
        let port = IoEventAddress::Pio(ports::TRACE.into());
        self.fd.register_ioevent(event, &port, NoDatamatch).map_err(failed("a doorbell (KVM_IOEVENTFD)"))
    }

    /// What the guest is told about its clocks and its CPUs.
    pub fn boot_info(&self, vcpus: &[VcpuFd]) -> Result<BootInfo, KvmError> {
        let no_vcpu = || failed("starting a guest without a vCPU")(kvm_ioctls::Error::new(libc::EINVAL));
        let vcpu = vcpus.first().ok_or_else(no_vcpu)?;
        let khz = vcpu.get_tsc_khz().map_err(failed("asking for the TSC's frequency (KVM_GET_TSC_KHZ)"))?;
        let before = read_tsc(vcpu)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let after = read_tsc(vcpu)?;
        let tick = self.fd.check_extension_raw(KVM_CAP_X86_APIC_BUS_CYCLES_NS.into());
        Ok(BootInfo {
            magic: INFO_MAGIC,
            tsc_khz: khz.into(),
            epoch_tsc: before + after.saturating_sub(before) / 2,
            epoch_ns: now.as_nanos() as u64,
            apic_tick_ns: u64::try_from(tick).ok().filter(|&ns| ns > 0).unwrap_or(APIC_TICK_NS),
            cpus: vcpus.len() as u64,
            _reserved: [0; 2],
        })
    }
}

/// The TSC as we read it.
pub fn host_tsc() -> u64 {
    // SAFETY: RDTSC is in every x86-64, and Linux leaves it to user mode.
    unsafe { _rdtsc() }
}

/// The TSC as the guest reads it.
pub fn read_tsc(vcpu: &VcpuFd) -> Result<u64, KvmError> {
    let what = "reading the guest's TSC (KVM_GET_MSRS)";
    let entry = kvm_msr_entry { index: MSR_TSC, ..Default::default() };
    let no_msr = || failed(what)(kvm_ioctls::Error::new(libc::ENXIO));
    let mut msrs = Msrs::from_entries(&[entry]).map_err(|_| no_msr())?;
    match vcpu.get_msrs(&mut msrs).map_err(failed(what))? {
        1 => Ok(msrs.as_slice()[0].data),
        _ => Err(no_msr()),
    }
}
