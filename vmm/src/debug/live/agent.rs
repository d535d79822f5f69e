//! Has the guest's kernel mode store a page-table entry.
//!
//! We must not do it ourselves: a KVM that keeps shadow page tables would not notice. So every vCPU runs the few instructions of [`page::STORE`]. The first
//! store changes the entry; that the others do the same again is what has them forget the translation.

use super::machine::Machine;
use super::page;
use crate::debug::debuggee::Error;
use crate::debug::view::View;
use crate::vcpu::excursion::{Destination, Excursion};
use kvm_bindings::kvm_regs;
use kvm_ioctls::{VcpuExit, VcpuFd};
use vmm_abi::ports::DEBUGGER;

/// Some ten instructions: exits that they may take, of which all but one are somebody's signals.
const EXITS_MAX: u32 = 1000;
/// Selectors of the kernel's.
const KERNEL_CS: u16 = 0x10;
const KERNEL_SS: u16 = 0x18;
/// No interrupts.
const RFLAGS: u64 = 2;

/// Stores `value` at the kernel's address `slot`. `code` is where the page is.
pub fn store(machine: &Machine, code: u64, slot: u64, value: u64) -> Result<(), Error> {
    for vcpu in 0..machine.vcpus() {
        // One that has not been started has nothing to forget.
        let Some(registers) = machine.registers(vcpu) else { continue };
        let regs =
            kvm_regs { rip: code + page::STORE, rdi: slot, rsi: value, rflags: RFLAGS, ..Default::default() };
        let to = Destination { cs: KERNEL_CS, ss: KERNEL_SS, cr3: registers.cr3, regs };
        let done = machine.with(vcpu, move |fd| run(fd, to, code + page::AFTER_STORE))?;
        done.map_err(|error| Error::Other(format!("vCPU {vcpu} cannot change a page table: {error}")))?;
    }
    Ok(())
}

fn run(fd: &mut VcpuFd, to: Destination, end: u64) -> Result<(), String> {
    let text = |e: kvm_ioctls::Error| e.to_string();
    let excursion = Excursion::begin(fd, to).map_err(text)?;
    let done = until_written(fd, end);
    excursion.end(fd).map_err(text)?;
    done
}

/// Runs until the page's code has written to the debugger's port and is at `end`.
fn until_written(fd: &mut VcpuFd, end: u64) -> Result<(), String> {
    fd.set_kvm_immediate_exit(0);
    let mut written = false;
    for _ in 0..EXITS_MAX {
        match fd.run() {
            Ok(VcpuExit::IoOut(DEBUGGER, _)) => {
                // Nothing of the write may be left to be completed when the registers are set.
                written = true;
                fd.set_kvm_immediate_exit(1);
            }
            Ok(VcpuExit::Intr) => {}
            Ok(other) => return Err(format!("{other:?}")),
            Err(error) if error.errno() == libc::EINTR => {
                fd.set_kvm_immediate_exit(0);
                if written {
                    let rip = fd.get_regs().map_err(|e| e.to_string())?.rip;
                    return if rip == end { Ok(()) } else { Err(format!("it is at {rip:#x}")) };
                }
            }
            Err(error) => return Err(error.to_string()),
        }
    }
    Err("it does not end".into())
}
