//! What to do about each way into the kernel.

use ukernel_abi::call::is_l4_call;
use ukernel_abi::utcb::RunState;
use ukernel_abi::{Rights, layout};
use ukernel_core::ipc;
use ukernel_core::thread::{Frame, Outgoing, ThreadRef};

use crate::arch::entry::{IRQ_COUNT, VECTOR_IRQ, VECTOR_TIMER};
use crate::arch::{entry, insn};
use crate::cpu::cpu;
use crate::events::Event;
use crate::kernel::kernel;
use crate::{kip, regs, syscall};

const BREAKPOINT: u32 = 3;
const GENERAL_PROTECTION: u32 = 13;

/// Where a thread goes on copying strings.
const COPYING: u64 = layout::GATE + layout::CONTINUE;

/// Page-fault error code (SDM vol. 3, 4.7).
const FAULT_WRITE: u64 = 1 << 1;
const FAULT_USER: u64 = 1 << 2;
const FAULT_FETCH: u64 = 1 << 4;

/// Flags that are taken from R11 after SYSCALL. RF is not one: the processor clears it there.
const SYSCALL_FLAGS: u64 = 0x24_0dd5;

/// A page fault in user mode.
pub extern "C" fn page_fault_trap() -> *const Frame {
    let cpu = cpu();
    if cpu.fpu.in_stub() {
        return cpu.stub_done(false);
    }
    let me = cpu.entered();
    let (addr, error) = (insn::cr2(), me.frame.entry.get());
    if addr == entry::syscall_address() && is_syscall(me, error) {
        enter_by_syscall(me);
    } else if kernel().smp.enter(cpu, me, 0) {
        page_fault(me, addr, error);
    }
    cpu.leave()
}

/// Another exception in user mode.
pub extern "C" fn exception_trap(vector: u32) -> *const Frame {
    let cpu = cpu();
    if cpu.fpu.in_stub() {
        return cpu.stub_done(vector == BREAKPOINT);
    }
    let me = cpu.entered();
    if vector == BREAKPOINT && me.frame.rip.get() == COPYING + 1 && me.state.get() == RunState::Copying {
        // If another CPU is first and ends the transfer, it sets another ip.
        me.frame.rip.set(COPYING);
        if kernel().smp.enter(cpu, me, 0) {
            ipc::go_on(kernel(), me);
        }
        return cpu.leave();
    }
    // Of the exceptions that come after their instruction, INT3's is the one that would not come again.
    let rewind = u64::from(vector == BREAKPOINT);
    if kernel().smp.enter(cpu, me, rewind) {
        if vector == BREAKPOINT && me.frame.rip.get() == layout::GATE + 1 {
            system_call(me);
        } else {
            exception(me, vector);
        }
    }
    cpu.leave()
}

/// An interrupt in user mode. It does not come while the stub runs.
pub extern "C" fn interrupt_trap(vector: u32) -> *const Frame {
    let cpu = cpu();
    let me = cpu.entered();
    // Whatever has become of the thread.
    kernel().smp.enter(cpu, me, 0);
    interrupt(vector);
    cpu.leave()
}

/// SYSCALL, where it leads to kernel mode.
pub extern "C" fn syscall_trap() -> *const Frame {
    let cpu = cpu();
    enter_by_syscall(cpu.entered());
    cpu.leave()
}

/// The first SYSCALL of all has led to kernel mode. It is then done as any other.
pub extern "C" fn first_syscall() {
    kernel().smp.kernel_mode_is_native();
}

/// IRETQ has faulted on the frame of the current thread.
pub extern "C" fn iret_fault() -> *const Frame {
    let cpu = cpu();
    let me = cpu.entered();
    if kernel().smp.enter(cpu, me, 0) {
        exception(me, GENERAL_PROTECTION);
    }
    cpu.leave()
}

/// An interrupt while idle, or a bug.
pub extern "C" fn kernel_trap(vector: u32, frame: &Frame) {
    if vector >= 32 {
        return kernel().smp.while_idle(cpu(), || interrupt(vector));
    }
    panic!(
        "exception {vector} in the kernel: ip {:#x}, sp {:#x}, error {:#x}, cr2 {:#x}",
        frame.rip.get(),
        frame.rsp.get(),
        frame.entry.get(),
        insn::cr2(),
    );
}

/// A system call of either kind. The frame is complete, its rip checked or the gate's.
fn system_call(me: ThreadRef) {
    if is_l4_call(me.frame.rax.get()) {
        syscall::l4_call(me);
    } else if me.trampoline.get() != 0 {
        // As after SYSCALL, whatever the way in was.
        me.frame.rcx.set(me.frame.rip.get());
        me.frame.r11.set(me.frame.rflags.get());
        me.frame.rip.set(me.trampoline.get());
    } else {
        ipc::fault(kernel(), me, Outgoing::Foreign);
    }
}

/// SYSCALL takes two bytes, wherever it leads.
const SYSCALL_LENGTH: u64 = 2;

/// After SYSCALL: RCX holds the return address and R11 the flags, wherever that has led.
fn enter_by_syscall(me: ThreadRef) {
    let smp = &kernel().smp;
    let frame = &me.frame;
    let rip = frame.rcx.get();
    frame.entry.set(0);
    frame.rflags.set(regs::user_flags(frame.r11.get() & SYSCALL_FLAGS));
    if !regs::rip_is_valid(rip) {
        // Where SYSCALL faults, a program can jump to LSTAR with any RCX. Otherwise: SYSCALL at the very end of user
        // space. Linux delivers a general-protection fault for it.
        if smp.enter(cpu(), me, 0) {
            exception(me, GENERAL_PROTECTION);
        }
        return;
    }
    frame.rip.set(rip);
    if smp.enter(cpu(), me, SYSCALL_LENGTH) {
        system_call(me);
    }
}

/// Whether a page fault at the address in LSTAR is a SYSCALL that did not change the privilege level: the program "continues" there.
fn is_syscall(me: ThreadRef, error: u64) -> bool {
    let is = me.frame.rip.get() == entry::syscall_address()
        && error & (FAULT_FETCH | FAULT_USER) == FAULT_FETCH | FAULT_USER;
    if is && me.frame.rcx.get() == layout::GATE + 2 {
        kip::use_int3_gate();
    }
    is
}

fn page_fault(me: ThreadRef, addr: u64, error: u64) {
    let access = if error & FAULT_FETCH != 0 {
        Rights::X
    } else if error & FAULT_WRITE != 0 {
        Rights::W
    } else {
        Rights::R
    };
    ipc::fault(kernel(), me, Outgoing::PageFault { addr, access: access.0 as u64 });
}

fn exception(me: ThreadRef, vector: u32) {
    kernel().events.record(Event::Exception, me.id.get(), vector as u64);
    ipc::fault(kernel(), me, Outgoing::Exception { vector: vector as u64 });
}

fn interrupt(vector: u32) {
    let cpu = cpu();
    cpu.apic.end_of_interrupt();
    if vector == VECTOR_TIMER as u32 {
        cpu.apic.disarmed();
        // The timer may have fired a little early, with nothing due yet: it has to be set again all the same.
        cpu.sched.touch();
        let now = insn::rdtsc();
        ipc::expire(kernel(), now);
        if cpu.slice_used_up(now) {
            cpu.sched.end_slice();
            if let Some(t) = cpu.sched.current() {
                ipc::slice_ended(kernel(), t, now);
            }
        }
    } else if let Some(line) = vector.checked_sub(VECTOR_IRQ as u32).filter(|&l| l < IRQ_COUNT as u32) {
        ipc::interrupt(kernel(), line as u8);
    }
}
