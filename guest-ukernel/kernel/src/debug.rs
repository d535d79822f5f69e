//! Where debuggers find the kernel's data: a constant that the kernel itself never reads. See [`ukernel_abi::debug`].

use core::mem::offset_of;

use ukernel_abi::debug::{self, Addresses, DebugInfo, MAGIC, VERSION};
use ukernel_core::debug as inner;
use ukernel_core::irq::LINES;

use crate::arch::boot::boot_pml4;
use crate::arch::clock::Clock;
use crate::arch::entry::{exception_entries, page_fault_entry, syscall_entry};
use crate::arch::layout::{PAGE, PHYSMAP, PHYSMAP_SIZE, TCB_BASE, TSS_BASE};
use crate::arch::segments::{IDT, TSS_STRIDE};
use crate::cpu::{CPU_CURRENT, CPU_FPU_OWNER, CPU_RSP0};
use crate::events::{COUNT, Entry, Events};
use crate::kernel::{KERNEL, Kernel};
use crate::mem::{MEM, Physmap};
use crate::smp::Smp;
use crate::task::{Task, Tasks};
use crate::tcb::Tcb;

unsafe extern "C" {
    static debug_page: u8;
    // The table that the ways out add their addresses to, from the linker script.
    static exits: u8;
    static exits_end: u8;
}

/// An address that is not known before linking.
#[repr(transparent)]
pub struct Address(*const u8);

// SAFETY: nobody gets at the pointer.
unsafe impl Sync for Address {}

impl Address {
    pub const fn of<T>(place: *const T) -> Self {
        Self(place.cast())
    }
}

// SAFETY: nothing else has this name: it is found by debuggers.
#[unsafe(no_mangle)]
#[used]
#[allow(non_upper_case_globals)]
pub static ukernel_debug_info: DebugInfo<Address> = DebugInfo {
    magic: MAGIC,
    version: VERSION,
    addresses: ADDRESSES,
    spaces: debug::Spaces {
        physmap: PHYSMAP,
        physmap_size: PHYSMAP_SIZE,
        tcbs: TCB_BASE,
        tcb_size: PAGE,
        cpus: TSS_BASE,
        cpu_stride: TSS_STRIDE,
    },
    kernel: KERNEL_FIELDS,
    cpu: debug::Cpu { rsp0: CPU_RSP0 as u64, current: CPU_CURRENT as u64, fpu_owner: CPU_FPU_OWNER as u64 },
    thread: inner::THREAD,
    task: debug::Task {
        task: offset_of!(Tcb, task) as u64,
        number: offset_of!(Task, number) as u64,
        chief: offset_of!(Task, chief) as u64,
        space: offset_of!(Task, space) as u64,
        threads: (offset_of!(Task, threads) + inner::FIRST) as u64,
    },
    mapping: inner::MAPPING,
};

const ADDRESSES: Addresses<Address> = Addresses {
    kernel: Address::of(&raw const KERNEL),
    free_frames: Address::of((&raw const MEM.0).wrapping_byte_add(inner::free_frames::<Physmap>())),
    root: Address::of(&raw const boot_pml4),
    idt: Address::of(&raw const IDT),
    exceptions: Address::of(&raw const exception_entries),
    exits: Address::of(&raw const exits),
    exits_end: Address::of(&raw const exits_end),
    syscall_entry: Address::of(&raw const syscall_entry),
    page_fault_entry: Address::of(&raw const page_fault_entry),
    debug_page: Address::of(&raw const debug_page),
};

const KERNEL_FIELDS: debug::Kernel = {
    const EVENTS: usize = offset_of!(Kernel, events);
    const IRQS: usize = offset_of!(Kernel, irqs);
    debug::Kernel {
        tasks: (offset_of!(Kernel, tasks) + offset_of!(Tasks, used)) as u64,
        events_next: (EVENTS + offset_of!(Events, next)) as u64,
        events: (EVENTS + offset_of!(Events, ring)) as u64,
        event_size: size_of::<Entry>() as u64,
        event_count: COUNT as u64,
        event_kind: offset_of!(Entry, 0) as u64,
        event_thread: offset_of!(Entry, 1) as u64,
        event_value: offset_of!(Entry, 2) as u64,
        lines: (IRQS + inner::LINES) as u64,
        line_size: inner::LINE_SIZE as u64,
        line_count: LINES as u64,
        line_owner: inner::LINE_OWNER as u64,
        line_pending: inner::LINE_PENDING as u64,
        tsc_khz: (offset_of!(Kernel, clock) + offset_of!(Clock, khz)) as u64,
        cpus: (offset_of!(Kernel, smp) + offset_of!(Smp, count)) as u64,
    }
};
