//! What runs on which vCPU.
//!
//! The kernel keeps the running thread where the processor itself has it: the stack pointer for entries from user mode is the end of that thread's
//! frame. The scheduler's own note is older, but tells whether the CPU is idle.

use super::kernel::Kernel;
use super::record::Record;
use super::thread::Tcb;
use crate::debug::registers::Registers;
use crate::debug::thread::Thread;
use crate::debug::view::View;
use ukernel_abi::ThreadId;

/// Bytes of a CPU's structure, with its TSS at the end.
const SIZE: usize = 4096;

/// What a vCPU does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Running {
    pub vcpu: usize,
    pub thread: Thread,
    /// In user mode is not the thread itself, but code of the kernel's that saves or restores vector registers before it.
    pub in_stub: bool,
}

impl Kernel {
    /// The thread that vCPU `vcpu` runs, or for which it is in the kernel. `None`: it is idle, or has not come so far.
    pub fn current(&self, view: &dyn View, vcpu: usize) -> Option<Thread> {
        Some(self.running(view, vcpu)?.thread)
    }

    /// As [`Self::current`], with more about it.
    pub fn running(&self, view: &dyn View, vcpu: usize) -> Option<Running> {
        let cpu = self.cpu(view, vcpu)?;
        let fields = &self.info().cpu;
        let chosen = self.tcb_id(cpu.u64(fields.current))?;
        let frame_end = cpu.u64(fields.rsp0);
        let entered = self.tcb_id(frame_end.wrapping_sub(self.info().thread.frame_end));
        let thread = self.living(view, entered.unwrap_or(chosen))?;
        Some(Running { vcpu, thread, in_stub: entered.is_none() })
    }

    /// The same of the vCPU that runs `thread`.
    pub fn runner(&self, view: &dyn View, thread: Thread) -> Option<Running> {
        (0..self.cpus(view)).find_map(|vcpu| self.running(view, vcpu).filter(|r| r.thread == thread))
    }

    /// The vCPU that runs `thread`.
    pub fn vcpu_of(&self, view: &dyn View, thread: Thread) -> Option<usize> {
        Some(self.runner(view, thread)?.vcpu)
    }

    /// The thread whose vector registers, FS base and GS base are in the registers of vCPU `vcpu`.
    pub fn fpu_owner(&self, view: &dyn View, vcpu: usize) -> Option<Thread> {
        let owner = self.tcb_id(self.cpu(view, vcpu)?.u64(self.info().cpu.fpu_owner))?;
        self.living(view, owner)
    }

    /// Where the structure of CPU `vcpu` is: GS base in kernel mode.
    pub fn cpu_address(&self, vcpu: usize) -> u64 {
        let spaces = &self.info().spaces;
        spaces.cpus.wrapping_add((vcpu as u64).wrapping_mul(spaces.cpu_stride))
    }

    /// The user's GS base on vCPU `vcpu`, whose registers these are: in the kernel it is put aside, but for some instructions at the borders.
    pub fn user_gs_base(&self, vcpu: usize, registers: &Registers) -> u64 {
        let in_kernel = registers.gs_base == self.cpu_address(vcpu);
        if in_kernel { registers.kernel_gs_base } else { registers.gs_base }
    }

    /// CPUs that have not been started have no structure.
    fn cpu(&self, view: &dyn View, vcpu: usize) -> Option<Record> {
        if vcpu >= self.cpus(view) {
            return None;
        }
        self.record(view, self.cpu_address(vcpu), SIZE)
    }

    fn living(&self, view: &dyn View, id: ThreadId) -> Option<Thread> {
        let record = self.tcb_record(view, self.tcb_address(id.task(), id.lthread()))?;
        let tcb = Tcb::read(self, record)?;
        (tcb.id.index() == id.index()).then(|| tcb.thread())
    }
}
