//! From boot information to the first two servers.
//!
//! - [`info`]: what the boot loader says
//! - [`memory`]: whose memory is whose
//! - [`servers`]: σ0 and root

mod info;
mod memory;
mod servers;

use ukernel_abi::kip::{FLAG_UKVMM, Kip, Module};

use crate::arch::layout::PAGE;
use crate::arch::{ap, boot, clock, entry, segments};
use crate::cpu::Cpu;
use crate::kernel::kernel;
use crate::{kip, mem};
use info::Info;
use memory::Plan;

/// The first Rust that runs; `start_info` is the physical address of the boot information. Interrupts are off, the
/// kernel's own page tables are on.
pub extern "C" fn main(start_info: u64) -> ! {
    let kernel = kernel();
    segments::init_tables();
    let info = Info::read(start_info);
    let count = info.cpus();
    let mut plan = Plan::make(&info, count);
    if let Err(e) = mem::init(plan.pool(), mem::PhysAddr(boot::template_root()), plan.regions(), count) {
        panic!("too little memory for the kernel's tables: {e:?}");
    }
    memory::extend_physmap(&info);
    let cpu = Cpu::make(0, boot::stack_top(), &kernel.queues);
    set_clock(&info);
    cpu.apic.init();
    memory::drop_identity_map();
    if count > 1 {
        kernel.smp.begin(count, || ap::start_others(count, plan.stacks(), &cpu.apic, &kernel.clock));
    }

    let modules = info.modules();
    let started = servers::prepare(&modules, &mut plan);
    kip::publish(|kip| fill(kip, &info, &plan, &modules));
    servers::start(&started);
    entry::enter_user(cpu.leave())
}

fn set_clock(info: &Info) {
    let (khz, tick_ns) = match info.ukvmm() {
        Some(boot) => (boot.tsc_khz, boot.apic_tick_ns),
        // QEMU's APIC timer counts nanoseconds.
        None => (clock::measure_khz(), 1),
    };
    kernel().clock.init(khz, tick_ns);
}

fn fill(kip: &mut Kip, info: &Info, plan: &Plan, modules: &info::Modules) {
    kip.cpus = kernel().smp.count();
    kip.ram_bytes = info.ram_bytes();
    match info.ukvmm() {
        Some(boot) => {
            kip.flags |= FLAG_UKVMM;
            kip.tsc_khz = boot.tsc_khz;
            kip.epoch_tsc = boot.epoch_tsc;
            kip.epoch_ns = boot.epoch_ns;
        }
        None => kip.tsc_khz = kernel().clock.khz(),
    }
    kip.kernel_frames = mem::MEM.frames.free_count();
    (kip.cmdline_phys, kip.cmdline_size) = info.cmdline();
    plan.write_free(&mut kip.free);
    for (slot, module) in kip.modules.iter_mut().zip(modules.iter()) {
        *slot = Module { phys: module.phys, size: module.size, name: module.name };
        kip.module_count += 1;
    }
}

/// `size` rounded up to whole pages.
fn whole_pages(size: u64) -> u64 {
    size.next_multiple_of(PAGE)
}
