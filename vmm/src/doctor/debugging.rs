//! Tries what a debugger relies on, with a guest that counts in user mode.
//!
//! What surprised: a KVM without hardware virtualisation can do all of this. Its debug registers are what cannot be relied upon, there and
//! under QEMU's SVM (`docs/vmm.md`); so nothing here uses them.

use super::guest::{self, CODE, KERNEL_STACK, ON_SYSCALL, SetUpError, USER, USER_DATA, USER_PAGE};
use crate::debug::control::trap::Trap;
use crate::debug::control::watch::{Hit, Kinds};
use crate::debug::control::{Control, NotParked};
use crate::error::Error;
use crate::events::Mailbox;
use crate::kvm::KvmError;
use crate::loader::tables::{self, HIGH_BASE};
use crate::memory::{self, MemoryError};
use crate::slots::{Protection, SlotError, Slots};
use crate::vcpu::excursion::{Destination, Excursion};
use crate::vcpu::group::Group;
use crate::vcpu::kick;
use crate::vcpu::thread::World;
use crate::virtio::attach::Windows;
use crate::vm::Vm;
use devices::PortBus;
use kvm_bindings::{KVM_GUESTDBG_ENABLE, KVM_GUESTDBG_SINGLESTEP, kvm_guest_debug, kvm_regs};
use kvm_ioctls::{Kvm, VcpuFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::sync::Arc;
use std::time::{Duration, Instant};
use vm_memory::{Bytes, GuestAddress};

/// For each thing that is to happen; it takes less than a millisecond.
const PATIENCE: Duration = Duration::from_secs(3);
/// What the handlers of the program write to the debugger's port.
const ERRAND: u8 = 1;
const BREAKPOINT: u8 = 2;
const STEP: u8 = 3;

const TRAP_FLAG: u64 = 1 << 8;
/// No flags but the one that is always set; interrupts are off.
const KERNEL_RFLAGS: u64 = 2;
const USER_RFLAGS: u64 = 0x202;
const INT3: u8 = 0xcc;

core::arch::global_asm!(
    ".pushsection .rodata.ukvmm_debug_probe, \"a\", @progbits",
    ".globl ukvmm_debug_probe_start, ukvmm_debug_probe_end",
    "ukvmm_debug_probe_start:",
    // To user mode, at rsi.
    "push 0x2b",
    "push 0",
    "push 0x202",
    "push 0x33",
    "push rsi",
    "iretq",
    // Where a debugger sends it: two instructions of one byte, and the end.
    ".org ukvmm_debug_probe_start + 0x100, 0xf4",
    "nop",
    "nop",
    "mov al, 1",
    "out 0xf8, al",
    "hlt",
    // Page faults, which do not happen; breakpoints; undefined instructions, which do not either; the trap flag's exceptions.
    ".org ukvmm_debug_probe_start + 0x180, 0xf4",
    "mov al, 2",
    "out 0xf8, al",
    "iretq",
    ".org ukvmm_debug_probe_start + 0x200, 0xf4",
    "mov al, 3",
    "out 0xf8, al",
    "iretq",
    // The user program counts in the page behind it.
    ".org ukvmm_debug_probe_start + 0x1000, 0xf4",
    "2: inc qword ptr [rip + ukvmm_debug_probe_start + 0x2000]",
    "nop",
    "jmp 2b",
    "ukvmm_debug_probe_end:",
    ".popsection",
);
/// Offset of the user program's `nop`.
const NOP: u64 = 7;

unsafe extern "C" {
    static ukvmm_debug_probe_start: u8;
    static ukvmm_debug_probe_end: u8;
}

fn program() -> &'static [u8] {
    let (start, end) = (&raw const ukvmm_debug_probe_start, &raw const ukvmm_debug_probe_end);
    // SAFETY: the two symbols are the ends of one read-only section part, defined above in this order, so the bytes
    // between them are initialised, never written and live as long as the process.
    unsafe { std::slice::from_raw_parts(start, end as usize - start as usize) }
}

/// What has not worked.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    #[error(transparent)]
    Host(#[from] Error),
    #[error(transparent)]
    Kvm(#[from] KvmError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
    #[error(transparent)]
    SetUp(#[from] SetUpError),
    #[error(transparent)]
    Slot(#[from] SlotError),
    #[error(transparent)]
    NotParked(#[from] NotParked),
    #[error("KVM: {0}")]
    Vcpu(#[from] kvm_ioctls::Error),
    #[error("{0}: nothing has happened")]
    Nothing(&'static str),
    #[error("{0}: not what was expected, {1}")]
    Wrong(&'static str, String),
}

/// Tries everything.
pub fn run(kvm: Kvm) -> Result<(), Fault> {
    kick::install()?;
    let vm = Arc::new(Vm::new(&kvm, memory::allocate(guest::MEMORY)?)?);
    let vcpus = vm.create_vcpus(&kvm, 1, false)?;
    for vcpu in &vcpus {
        guest::set_up(vm.memory(), vcpu, program())?;
    }
    let control = Control::new(&vcpus, true, Mailbox::new()?.0)?;
    control.attach();
    let world =
        World::new(PortBus::default(), Windows::default(), vm.memory().clone(), Some(control.clone()));
    let group = Group::start(vcpus, world, |_| {})?;
    let patient = Patient { vm, control };
    let result = patient.try_all();
    group.kick();
    group.join(&[0]);
    result
}

/// A guest that counts, and stands still between the trials.
struct Patient {
    vm: Arc<Vm>,
    control: Arc<Control>,
}

impl Patient {
    fn try_all(&self) -> Result<(), Fault> {
        self.go_on_an_errand()?;
        self.step_in_kernel_mode()?;
        self.meet_a_breakpoint()?;
        self.step()?;
        self.touch_a_watched_page()
    }

    /// A vCPU that is stopped in user mode does something else in kernel mode, and counts on.
    fn go_on_an_errand(&self) -> Result<(), Fault> {
        let what = "running other code in kernel mode";
        self.stop_in_user_mode(what)?;
        let excursion = self.with(|vcpu| Excursion::begin(vcpu, errand()))?;
        self.expect(what, Trap::Port(ERRAND))?;
        self.with(|vcpu| excursion.end(vcpu))?;
        self.counts(what)
    }

    /// KVM steps it in kernel mode.
    fn step_in_kernel_mode(&self) -> Result<(), Fault> {
        let what = "single steps in kernel mode";
        self.stop_in_user_mode(what)?;
        let excursion = self.with(|vcpu| {
            let excursion = Excursion::begin(vcpu, errand())?;
            let step = kvm_guest_debug {
                control: KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
                ..Default::default()
            };
            vcpu.set_guest_debug(&step)?;
            Ok(excursion)
        })?;
        let stepped = self.trap(what)?;
        let rip = self.with(|vcpu| vcpu.get_regs())?.rip;
        if !matches!(stepped, Trap::Debug(_)) || rip != errand().regs.rip + 1 {
            return Err(Fault::Wrong(what, format!("{stepped:x?} at {rip:#x}")));
        }
        self.with(|vcpu| {
            vcpu.set_guest_debug(&kvm_guest_debug::default())?;
            excursion.end(vcpu)
        })?;
        self.counts(what)
    }

    /// A breakpoint instruction that is put into the user program arrives in its kernel.
    fn meet_a_breakpoint(&self) -> Result<(), Fault> {
        let what = "breakpoints in user mode";
        self.stop_in_user_mode(what)?;
        let place = GuestAddress(USER_PAGE + NOP);
        let replaced = self.exchange(what, place, INT3)?;
        self.expect(what, Trap::Port(BREAKPOINT))?;
        self.exchange(what, place, replaced)?;
        self.expect_frame(what, USER + NOP + 1)?;
        self.counts(what)
    }

    /// The trap flag lets it do one instruction.
    fn step(&self) -> Result<(), Fault> {
        let what = "single steps in user mode";
        let mut regs = self.stop_in_user_mode(what)?;
        (regs.rip, regs.rflags) = (USER + NOP, regs.rflags | TRAP_FLAG);
        self.with(move |vcpu| vcpu.set_regs(&regs))?;
        self.expect(what, Trap::Port(STEP))?;
        let flags = self.expect_frame(what, USER + NOP + 1)? + 16;
        self.vm
            .memory()
            .write_obj(USER_RFLAGS, GuestAddress(flags))
            .map_err(|e| Fault::Wrong(what, e.to_string()))?;
        self.counts(what)
    }

    /// A write to a page that is made read-only is seen.
    fn touch_a_watched_page(&self) -> Result<(), Fault> {
        let what = "watchpoints";
        self.stop_in_user_mode(what)?;
        let mut slots = Slots::new(self.vm.clone());
        slots.protect([(USER_DATA, Protection::Writes)].into())?;
        let writes = Kinds { read: false, write: true };
        self.control.watches().set(vec![USER_DATA], vec![(USER_DATA..USER_DATA + 8, writes)]);
        let met = self.trap(what)?;
        if !matches!(met, Trap::Watch(Hit { address: USER_DATA, write: true, .. })) {
            return Err(Fault::Wrong(what, format!("{met:x?}")));
        }
        self.control.watches().clear();
        slots.protect([].into())?;
        self.counts(what)
    }

    /// Has it run until it is in user mode when it is stopped.
    fn stop_in_user_mode(&self, what: &'static str) -> Result<kvm_regs, Fault> {
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            self.control.pause()?;
            let (regs, sregs) = self.with(|vcpu| Ok((vcpu.get_regs()?, vcpu.get_sregs()?)))?;
            if sregs.cs.selector & 3 == 3 {
                return Ok(regs);
            }
            self.control.resume(&[0]);
            std::thread::yield_now();
        }
        Err(Fault::Nothing(what))
    }

    /// Has it run until it parks by itself, and says why.
    fn trap(&self, what: &'static str) -> Result<Trap, Fault> {
        self.control.resume(&[0]);
        let mut ready = [PollFd::from_borrowed_fd(self.control.ready(), PollFlags::IN)];
        let limit = Timespec { tv_sec: PATIENCE.as_secs() as i64, tv_nsec: 0 };
        let _ = poll(&mut ready, Some(&limit));
        self.control.traps().into_iter().next().map(|(_, trap)| trap).ok_or(Fault::Nothing(what))
    }

    fn expect(&self, what: &'static str, trap: Trap) -> Result<(), Fault> {
        let met = self.trap(what)?;
        if met == trap { Ok(()) } else { Err(Fault::Wrong(what, format!("{met:x?}"))) }
    }

    /// Where the frame of the exception is that it is in: in physical memory. It came from `rip`.
    fn expect_frame(&self, what: &'static str, rip: u64) -> Result<u64, Fault> {
        let frame = self.with(|vcpu| vcpu.get_regs())?.rsp.wrapping_sub(HIGH_BASE);
        let from: u64 = self.vm.memory().read_obj(GuestAddress(frame)).unwrap_or_default();
        if from == rip { Ok(frame) } else { Err(Fault::Wrong(what, format!("an exception at {from:#x}"))) }
    }

    /// Writes a byte, and says which one was there.
    fn exchange(&self, what: &'static str, at: GuestAddress, new: u8) -> Result<u8, Fault> {
        let memory = self.vm.memory();
        let exchanged = memory.read_obj(at).and_then(|old| memory.write_obj(new, at).map(|()| old));
        exchanged.map_err(|e| Fault::Wrong(what, e.to_string()))
    }

    /// Has it run, and sees to it that it counts.
    fn counts(&self, what: &'static str) -> Result<(), Fault> {
        let count = || self.vm.memory().read_obj::<u64>(GuestAddress(USER_DATA)).unwrap_or_default();
        let (before, began) = (count(), Instant::now());
        self.control.resume(&[0]);
        while count() == before {
            if began.elapsed() > PATIENCE {
                return Err(Fault::Nothing(what));
            }
            std::thread::yield_now();
        }
        Ok(())
    }

    fn with<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut VcpuFd) -> Result<R, kvm_ioctls::Error> + Send + 'static,
    ) -> Result<R, Fault> {
        Ok(self.control.with(0, work)??)
    }
}

/// To kernel mode, with interrupts off.
fn errand() -> Destination {
    Destination {
        cs: tables::CODE_SELECTOR,
        ss: tables::DATA_SELECTOR,
        cr3: tables::PML4,
        regs: kvm_regs {
            rip: HIGH_BASE + CODE + ON_SYSCALL,
            rsp: HIGH_BASE + KERNEL_STACK,
            rflags: KERNEL_RFLAGS,
            ..Default::default()
        },
    }
}
