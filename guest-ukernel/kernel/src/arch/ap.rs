//! The other CPUs ("application processors"): how they are started.
//!
//! They wait until the boot CPU sends them INIT and then a start-up IPI with the number of a page below 1 MiB, where they begin in real
//! mode (SDM vol. 3, 10.4.4). The code there is copied from here; it only goes on to the kernel image, into 32-bit and then 64-bit mode. That
//! needs low memory mapped one to one, which no space has: there is a root of page tables for just this, and it is left before
//! global pages are switched on, so that the CPU remembers nothing of it.
//!
//! One CPU is started at a time and takes its turn by an exchange, so each has its own index and stack, and one that comes
//! too late, when the boot CPU has given up waiting, finds no turn and stops. Index and APIC ID are the same.

use core::arch::global_asm;
use core::fmt::Write;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicU32, AtomicU64};

use ukernel_core::mem::Machine;
use vmm_abi::boot::{AP_START, CPUS_MAX};

use super::apic::Apic;
use super::boot::{self, CR4, STACK_SIZE};
use super::clock::Clock;
use super::insn::*;
use super::layout::{KERNEL_BASE, SLOT_KERNEL, phys_to_virt};
use crate::mem::{MEM, PhysAddr, Physmap};
use crate::panic::Debug;

/// Time after which a second start-up IPI is sent (SDM vol. 3, 10.4.4.1). No hypervisor is known to need it.
const SECOND_STARTUP_US: u32 = 200;
/// Time in which a CPU has to come. Under a hypervisor it has to find a host CPU first.
const PATIENCE_US: u32 = 2_000_000;

/// QEMU's configuration device: the selector's port, the data's, and the keys of its signature and of the number of CPUs.
const CONFIG_SELECT: u16 = 0x510;
const CONFIG_DATA: u16 = 0x511;
const CONFIG_SIGNATURE: u16 = 0;
const CONFIG_CPUS: u16 = 5;

/// Index of the CPU that is being started; 0 when it has come.
static TURN: AtomicU32 = AtomicU32::new(0);
/// Index of the last CPU that is set up.
static ARRIVED: AtomicU32 = AtomicU32::new(0);
/// Virtual address of the stacks, beginning with CPU 1's.
static STACKS: AtomicU64 = AtomicU64::new(0);
/// Physical address of the root of page tables that they come by.
static ROOT: AtomicU32 = AtomicU32::new(0);

global_asm!(
    r#"
    .section .rodata.ap, "a"
    .code16
    .globl ap_real_mode
ap_real_mode:
    jmp 1f
    .balign 8
    .word 31
    .long boot_gdt - {base}
    .balign 8
1:  cli
    mov ax, cs
    mov ds, ax
    .byte 0x66                          /* all four bytes of the base */
    lgdt [8]
    mov eax, 0x11                       /* ET, PE */
    mov cr0, eax
    .byte 0x66, 0xea                    /* ljmp $0x8, $ap_start32 */
    .long ap_start32 - {base}
    .word 0x8
    .globl ap_real_mode_end
ap_real_mode_end:
    .code64

    .section .text.entry, "ax"
    .code32
ap_start32:
    mov eax, 0x18
    mov ds, eax
    mov es, eax
    mov ss, eax
    mov edi, offset ap_start64 - {base}
    mov esi, [{root} - {base}]
    jmp long_mode
    .code64
ap_start64:
    mov rax, offset boot_pml4 - {base}
    mov cr3, rax
    mov eax, {cr4}
    mov cr4, rax
    xor edi, edi
    xchg edi, [rip + {turn}]
    test edi, edi
    jz 2f
    mov esi, edi
    imul rsi, rsi, {stack}
    add rsi, [rip + {stacks}]
    mov rsp, rsi
    xor ebp, ebp
    call {main}
2:  cli
    hlt
    jmp 2b
    "#,
    base = const KERNEL_BASE,
    cr4 = const CR4,
    stack = const STACK_SIZE,
    root = sym ROOT,
    turn = sym TURN,
    stacks = sym STACKS,
    main = sym main,
);

unsafe extern "C" {
    static ap_real_mode: u8;
    static ap_real_mode_end: u8;
}

/// The first Rust that runs on CPU `index`, on its own stack, which ends at `stack_top`.
extern "C" fn main(index: u32, stack_top: u64) -> ! {
    crate::cpu::start_ap(index, stack_top)
}

/// Start the CPUs from 1 to `count` - 1. Their stacks, of [`STACK_SIZE`] each, begin at physical address `stacks`. Returns how many CPUs there
/// are now, this one included. Memory management must be there, and low memory no longer mapped in the template of all spaces.
pub fn start_others(count: u32, stacks: u64, apic: &Apic, clock: &Clock) -> u32 {
    STACKS.store(phys_to_virt(stacks), Relaxed);
    let root = make_root();
    ROOT.store(root.0 as u32, Relaxed);
    copy_code();
    for index in 1..count {
        if !start(index, apic, clock) {
            // Writing to a port does not fail.
            let _ = writeln!(Debug, "CPU {index} of {count} does not start; going on with {index}");
            // It may be on its way still, so the root stays.
            return index;
        }
    }
    MEM.frames.free_dirty(root);
    count
}

/// A root of page tables that maps the kernel image, also where it lies in physical memory, and low memory with it.
fn make_root() -> PhysAddr {
    let Ok(root) = MEM.frames.alloc() else { panic!("too little memory to start other CPUs") };
    let slot = |root: PhysAddr, slot: usize| root.plus(slot as u64 * 8);
    let image = Physmap.load(slot(PhysAddr(boot::template_root()), SLOT_KERNEL));
    Physmap.store(slot(root, SLOT_KERNEL), image);
    Physmap.store(slot(root, 0), boot::identity_entry());
    root
}

/// Start CPU `index`. False if it does not come.
fn start(index: u32, apic: &Apic, clock: &Clock) -> bool {
    TURN.store(index, Release);
    apic.send_init(index);
    let page = (AP_START >> 12) as u8;
    apic.send_startup(index, page);
    if !comes_within(index, SECOND_STARTUP_US, clock) {
        apic.send_startup(index, page);
    }
    if comes_within(index, PATIENCE_US, clock) {
        return true;
    }
    if TURN.swap(0, Relaxed) == 0 {
        // It has come, but is not set up yet. A hypervisor that has little time for it may have more later.
        if comes_within(index, 5 * PATIENCE_US, clock) {
            return true;
        }
        panic!("CPU {index} has started, but does not get through its initialisation");
    }
    // Back to where it was, wherever it is on its way: the memory with its code may become somebody's.
    apic.send_init(index);
    false
}

fn comes_within(index: u32, us: u32, clock: &Clock) -> bool {
    let deadline = clock.deadline(us);
    while ARRIVED.load(Acquire) != index {
        if rdtsc() > deadline {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

/// Put the code for real mode where start-up IPIs lead.
fn copy_code() {
    let (from, end) = (&raw const ap_real_mode, &raw const ap_real_mode_end);
    for n in 0..end as usize - from as usize {
        // SAFETY: the source is the code above; the target is a page of RAM that by the boot contract nobody uses, in the physmap.
        unsafe { ((phys_to_virt(AP_START) as *mut u8).add(n)).write_volatile(from.add(n).read()) };
    }
}

/// CPU `index`, which calls this, is set up: the boot CPU need not wait any longer.
pub fn arrived(index: u32) {
    ARRIVED.store(index, Release);
}

/// Number of CPUs where no boot loader tells it: QEMU's configuration device does (QEMU, `docs/specs/fw_cfg`).
pub fn count_from_qemu() -> u32 {
    outw(CONFIG_SELECT, CONFIG_SIGNATURE);
    if [(); 4].map(|()| inb(CONFIG_DATA)) != *b"QEMU" {
        return 1;
    }
    outw(CONFIG_SELECT, CONFIG_CPUS);
    u16::from_le_bytes([(); 2].map(|()| inb(CONFIG_DATA))).into()
}

/// `count` as the kernel takes it.
pub fn limit(count: u64) -> u32 {
    count.clamp(1, CPUS_MAX.into()) as u32
}
