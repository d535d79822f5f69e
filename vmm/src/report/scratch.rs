//! The virtual machine in which a server's function is run: one vCPU, user mode from the first instruction to the last.
//!
//! There is no kernel in it, and no descriptor table. So an exception of any kind is a triple fault, and that is an answer: the server cannot be
//! asked now.

use super::image::ImageError;
use super::space::{DOOR_GATE, DOOR_RETURNED, REQUEST_MAX, Server, Space, Start};
use crate::kvm::{self, KvmError, failed};
use crate::vcpu::kick::Kicker;
use kvm_bindings::{
    KVM_MAX_CPUID_ENTRIES, KVM_MEM_READONLY, Msrs, kvm_dtable, kvm_msr_entry, kvm_regs, kvm_segment,
    kvm_userspace_memory_region,
};
use kvm_ioctls::{Kvm, VcpuExit, VcpuFd, VmFd};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use vm_memory::{GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// Longest that all runs on one copy may take together: what a server answers may be an attack, and lead to ever more questions. Some milliseconds are usual.
const LIMIT: Duration = Duration::from_secs(20);
const CODE_SELECTOR: u16 = 0x33;
const DATA_SELECTOR: u16 = 0x2b;
const MSR_TSC: u32 = 0x10;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error("cannot be asked now: its own code does not find its way in its memory ({0})")]
    Lost(&'static str),
    /// It has made a system call: to say that it panics, to wait for a lock, or to have more memory.
    #[error("cannot be asked now: it is in the middle of something, or its heap is full")]
    Called,
    #[error("cannot be asked now: it has not answered within {} s", LIMIT.as_secs())]
    Late,
    #[error("cannot be asked: {REQUEST_MAX} bytes are the longest request")]
    TooLong,
    #[error("cannot be asked: {0}")]
    Space(#[from] ImageError),
    #[error("cannot be asked: {0}")]
    Kvm(#[from] KvmError),
}

/// A server's memory at one moment, and a vCPU to run its code on. Whoever asks more than once sees what the server's code has done to the copy before.
pub struct Scratch<'a> {
    vcpu: VcpuFd,
    _vm: VmFd,
    space: Space,
    tsc: Option<u64>,
    deadline: Instant,
    _ram: &'a GuestMemoryMmap<()>,
}

impl<'a> Scratch<'a> {
    pub fn new(server: &Server<'a>) -> Result<Self, AskError> {
        let space = Space::new(server)?;
        let kvm = kvm::open()?;
        let vm = kvm::create_vm(&kvm)?;
        vm.set_tss_address(crate::vm::TSS_ADDRESS).map_err(failed("KVM_SET_TSS_ADDR"))?;
        give(&vm, 0, space.image.memory(), 0)?;
        give(&vm, 1, server.ram, KVM_MEM_READONLY)?;
        let vcpu = vm.create_vcpu(0).map_err(failed("making a vCPU (KVM_CREATE_VCPU)"))?;
        set_up(&kvm, &vcpu, space.image.root())?;
        let tsc = server.view.tsc(0);
        Ok(Self { vcpu, _vm: vm, space, tsc, deadline: Instant::now() + LIMIT, _ram: server.ram })
    }

    /// Runs the server's function at `function` on `request`, and returns its answer.
    pub fn ask(&mut self, function: u64, request: &[u8]) -> Result<Vec<u8>, AskError> {
        if request.len() > REQUEST_MAX {
            return Err(AskError::TooLong);
        }
        let start = self.space.start(function, request)?;
        self.vcpu.set_regs(&registers(&start)).map_err(failed("KVM_SET_REGS"))?;
        if let Some(tsc) = self.tsc {
            set_tsc(&self.vcpu, tsc)?;
        }
        let len = run(&mut self.vcpu, self.deadline)?;
        Ok(self.space.answer(len)?)
    }
}

/// Gives the machine memory, in slots from `first` on.
fn give(vm: &VmFd, first: u32, memory: &GuestMemoryMmap<()>, flags: u32) -> Result<(), KvmError> {
    for (slot, region) in (first..).zip(memory.iter()) {
        let slot = kvm_userspace_memory_region {
            slot,
            flags,
            guest_phys_addr: region.start_addr().0,
            memory_size: region.len(),
            userspace_addr: region.as_ptr() as u64,
        };
        // SAFETY: the slot is a region of `memory`, which the `Scratch` that `vm` belongs to keeps or borrows, so the mapping is there as long as the
        // machine can run. The regions of the two memories do not overlap: the image lies behind all RAM.
        unsafe { vm.set_user_memory_region(slot) }
            .map_err(failed("giving it memory (KVM_SET_USER_MEMORY_REGION)"))?;
    }
    Ok(())
}

fn set_up(kvm: &Kvm, vcpu: &VcpuFd, root: u64) -> Result<(), KvmError> {
    let cpuid = kvm.get_supported_cpuid(KVM_MAX_CPUID_ENTRIES).map_err(failed("KVM_GET_SUPPORTED_CPUID"))?;
    vcpu.set_cpuid2(&cpuid).map_err(failed("KVM_SET_CPUID2"))?;
    let mut sregs = vcpu.get_sregs().map_err(failed("KVM_GET_SREGS"))?;
    let segment = |selector, type_| kvm_segment {
        selector,
        limit: u32::MAX,
        type_,
        present: 1,
        dpl: 3,
        s: 1,
        g: 1,
        ..Default::default()
    };
    // SDM vol. 3, 3.4.5.1: code, executed and readable; data, writable; both accessed.
    sregs.cs = kvm_segment { l: 1, ..segment(CODE_SELECTOR, 0b1011) };
    let data = kvm_segment { db: 1, ..segment(DATA_SELECTOR, 0b0011) };
    (sregs.ds, sregs.es, sregs.fs, sregs.gs, sregs.ss) = (data, data, data, data, data);
    // A busy TSS, whatever is in it.
    sregs.tr = kvm_segment { limit: 0x67, type_: 0b1011, present: 1, ..Default::default() };
    (sregs.gdt, sregs.idt) = (kvm_dtable::default(), kvm_dtable::default());
    sregs.cr0 = CR0;
    sregs.cr3 = root;
    sregs.cr4 = CR4_PAE;
    sregs.efer = EFER;
    vcpu.set_sregs(&sregs).map_err(failed("KVM_SET_SREGS"))
}

// SDM vol. 3, 2.5: PG, WP, NE, ET, MP, PE; vol. 4, MSR C000_0080H: NXE, LMA, LME.
const CR0: u64 = 1 << 31 | 1 << 16 | 1 << 5 | 1 << 4 | 1 << 1 | 1;
const CR4_PAE: u64 = 1 << 5;
const EFER: u64 = 1 << 11 | 1 << 10 | 1 << 8;

fn registers(start: &Start) -> kvm_regs {
    const INTERRUPTS: u64 = 1 << 9;
    kvm_regs {
        rip: start.rip,
        rsp: start.rsp,
        rax: start.rax,
        rbx: start.rbx,
        rdi: start.rdi,
        rsi: start.rsi,
        rdx: start.rdx,
        rcx: start.rcx,
        rflags: INTERRUPTS | 2,
        ..Default::default()
    }
}

/// Sets the clock by which the server tells the time. Where KVM does not allow that, it is the machine's own anyway.
fn set_tsc(vcpu: &VcpuFd, tsc: u64) -> Result<(), KvmError> {
    let what = failed("KVM_SET_MSRS");
    let entry = kvm_msr_entry { index: MSR_TSC, data: tsc, ..Default::default() };
    let msrs = Msrs::from_entries(&[entry]).map_err(|_| kvm_ioctls::Error::new(libc::E2BIG));
    msrs.and_then(|msrs| vcpu.set_msrs(&msrs)).map(|_| ()).map_err(what)
}

/// Runs until the function has returned. What it returned.
fn run(vcpu: &mut VcpuFd, deadline: Instant) -> Result<u64, AskError> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(AskError::Late);
    }
    let kicker = Kicker::new(vcpu)?;
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::scope(|scope| {
        let kicker = &kicker;
        scope.spawn(move || {
            if is_done.recv_timeout(left) == Err(mpsc::RecvTimeoutError::Timeout) {
                kicker.kick();
            }
        });
        let _entered = kicker.enter();
        let result = until_door(vcpu, kicker);
        drop(done);
        result
    })
}

fn until_door(vcpu: &mut VcpuFd, kicker: &Kicker) -> Result<u64, AskError> {
    loop {
        if kicker.is_kicked() {
            return Err(AskError::Late);
        }
        match vcpu.run() {
            Ok(VcpuExit::MmioWrite(DOOR_RETURNED, data)) => {
                let value = <[u8; 8]>::try_from(data).map_err(|_| AskError::Lost("a strange end"))?;
                return Ok(u64::from_le_bytes(value));
            }
            Ok(VcpuExit::MmioWrite(DOOR_GATE, _)) => return Err(AskError::Called),
            Ok(VcpuExit::Shutdown) => return Err(AskError::Lost("an exception")),
            Ok(VcpuExit::InternalError | VcpuExit::FailEntry(..)) => {
                return Err(AskError::Lost("an instruction that KVM does not execute"));
            }
            Ok(VcpuExit::Intr) => {}
            Ok(_) => return Err(AskError::Lost("a device that is not there")),
            Err(e) if [libc::EINTR, libc::EAGAIN].contains(&e.errno()) => {}
            Err(e) => return Err(failed("running a vCPU (KVM_RUN)")(e).into()),
        }
    }
}

#[cfg(test)]
mod tests;
