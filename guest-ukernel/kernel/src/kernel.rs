//! The kernel's state, and what the IPC state machine needs of it.

use ukernel_abi::layout::PAGE;
use ukernel_abi::msg::MapItem;
use ukernel_abi::{FpageKind, ThreadId};
use ukernel_core::ipc::{self, Env, Lacking, NotMapped, Windows};
use ukernel_core::irq::Irqs;
use ukernel_core::sched::Queues;
use ukernel_core::thread::{Outgoing, Thread, ThreadRef};
use ukernel_core::timeout::Timeouts;

use crate::arch::{apic, clock::Clock};
use crate::cpu::cpu;
use crate::events::{Event, Events};
use crate::mem::tags::Tags;
use crate::mem::{self, MEM, Unreachable, VirtAddr};
use crate::panic::Plain;
use crate::smp::Smp;
use crate::task::Tasks;
use crate::tcb;

pub struct Kernel {
    /// Ready queues of the first CPU.
    pub queues: Queues,
    pub timeouts: Timeouts,
    pub irqs: Irqs,
    pub clock: Clock,
    pub tasks: Tasks,
    pub events: Events,
    pub smp: Smp,
    pub tags: Tags,
}

// SAFETY: all of it is only accessed by the holder of the lock in `smp`, which is itself made for several CPUs, with interrupts off; nothing is
// ever accessed from two sides. Until `Smp::begin` one CPU runs.
unsafe impl Sync for Kernel {}

pub static KERNEL: Kernel = Kernel {
    queues: Queues::new(),
    timeouts: Timeouts::new(),
    irqs: Irqs::new(),
    clock: Clock::new(),
    tasks: Tasks::new(),
    events: Events::new(),
    smp: Smp::new(),
    tags: Tags::new(),
};

#[inline(always)]
pub fn kernel() -> &'static Kernel {
    &KERNEL
}

impl Kernel {
    /// Rights may have been taken from tasks: by unmapping, by a grant, by the end of a task.
    pub fn rights_taken(&self) {
        let lines = MEM.take_lost_lines();
        if lines != 0 {
            ipc::lose_lines(self, lines);
        }
    }
}

impl Env for Kernel {
    fn own(&self, t: ThreadRef) {
        self.smp.own(t);
    }
    #[inline]
    fn wake(&self, t: ThreadRef) {
        self.smp.wake(t);
    }
    fn timeout_changed(&self) {
        cpu().sched.touch();
    }
    fn forget(&self, t: ThreadRef) {
        self.smp.own(t).sched.forget(t);
    }
    fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }
    fn irqs(&self) -> &Irqs {
        &self.irqs
    }
    #[inline]
    fn thread(&self, id: ThreadId) -> Option<ThreadRef> {
        tcb::find(id).inspect(|t| {
            self.smp.own(t);
        })
    }
    fn chief_of(&self, task: u16) -> u16 {
        self.tasks.find(task).map_or(0, |task| task.chief())
    }
    fn first_thread(&self, task: u16) -> Option<ThreadRef> {
        tcb::find_any_version(ThreadId::new(task, 0, 0)).inspect(|t| self.own(t))
    }
    fn for_each_thread(&self, f: &mut dyn FnMut(ThreadRef)) {
        self.tasks.for_each_thread(f);
    }
    fn deadline(&self, us: u32) -> u64 {
        self.clock.deadline(us)
    }

    // In a loop over items, which are seldom more than one, what is common to them would be worked out before.
    #[inline(never)]
    fn map(&self, from: ThreadRef, item: MapItem, to: ThreadRef, windows: Windows) -> Result<(), NotMapped> {
        let (from, to) = (tcb::space_of(from), tcb::space_of(to));
        let mapped = if item.snd.kind() == Some(FpageKind::Memory) {
            MEM.map(from, item, to, windows.memory)
        } else {
            let mapped = MEM.map(from, item, to, windows.io);
            self.rights_taken();
            mapped
        };
        mapped.map_err(|_| NotMapped)
    }

    #[inline(never)]
    fn copy(&self, from: ThreadRef, src: u64, to: ThreadRef, dst: u64, len: u64) -> Result<u64, Lacking> {
        let lacking = |fault| move |u| if u == Unreachable::Fault { fault } else { Lacking::Kind };
        let source = MEM.reach(tcb::space_of(from), VirtAddr(src), false);
        let source = source.map_err(lacking(Lacking::Source))?;
        let target = MEM.reach(tcb::space_of(to), VirtAddr(dst), true);
        let target = target.map_err(lacking(Lacking::Target))?;
        let len = len.min(PAGE - src % PAGE).min(PAGE - dst % PAGE);
        // SAFETY: leaves that programs can use lead to RAM that is not the kernel's, or to devices, which `reach` does not give out. Both
        // ranges end within their pages. Under the kernel's lock nobody can take the pages away meanwhile.
        unsafe { mem::copy(target, source, len) };
        Ok(len)
    }

    fn may_attach(&self, t: ThreadRef, line: u8) -> bool {
        MEM.has_irq(tcb::space_of(t), line)
    }

    fn irq_attached(&self, line: u8, attached: bool) {
        apic::route(line, cpu().index(), attached);
    }

    fn orphaned(&self, t: ThreadRef) {
        self.events.record(Event::Orphan, t.id.get(), t.frame.rip.get());
        if matches!(t.id.get(), ThreadId::SIGMA0 | ThreadId::ROOT) {
            die_with(t);
        }
    }
}

/// The system cannot go on without `t`, which nobody can help.
fn die_with(t: &Thread) -> ! {
    let (what, value) = match t.outgoing.get() {
        Outgoing::PageFault { addr, .. } => ("page fault at", addr),
        Outgoing::Exception { vector } => ("exception", vector),
        _ => ("system call", t.frame.rax.get()),
    };
    let (ip, sp, error) = (t.frame.rip.get(), t.frame.rsp.get(), t.frame.entry.get());
    panic!(
        "{:?} has nobody to turn to: {what} {value:#x}, ip {ip:#x}, sp {sp:#x}, error {error:#x}",
        t.id.get(),
        what = Plain(what),
    );
}
