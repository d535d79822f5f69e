//! Threads: what is in a thread's control block (TCB).

use super::kernel::Kernel;
use super::record::Record;
use crate::debug::thread::Thread;
use crate::debug::view::View;
use ukernel_abi::ThreadId;
use ukernel_abi::utcb::RunState;

/// Bytes of a TCB that are of interest. With the task of a first thread, it is a page.
const SIZE: usize = 4096;

/// A thread, as the kernel has written it down.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tcb {
    pub id: ThreadId,
    pub state: RunState,
    pub stopped: bool,
    pub uses_fpu: bool,
    /// It has been given to another CPU, but its old one has to save registers of its.
    pub is_moving: bool,
    /// Number of its CPU.
    pub cpu: u32,
    /// Whom it sends to or waits for.
    pub partner: ThreadId,
    pub cr3: u64,
    pub priority: u8,
    pub pager: ThreadId,
    /// In whose name it sends; nil: its own.
    pub in_name_of: ThreadId,
    /// Kind of what it has sent ([`ukernel_abi::debug::outgoing`]), and two words about it.
    pub outgoing: (u64, u64, u64),
    /// TSC reading at which its wait ends.
    pub deadline: Option<u64>,
    /// The other side of a transfer of strings.
    pub transfer_peer: Option<ThreadId>,
    pub(super) record: Record,
}

impl Tcb {
    /// From a copy of a TCB's memory. `None` if there is no thread.
    pub(super) fn read(kernel: &Kernel, record: Record) -> Option<Self> {
        let at = &kernel.info().thread;
        let id = ThreadId(record.u64(at.id));
        let (state, _) = RunState::from_raw(record.u8(at.state).into())?;
        let partner = record.u64(at.partner);
        let tcb = Self {
            id,
            state,
            stopped: record.bool(at.stopped),
            uses_fpu: record.bool(at.uses_fpu),
            is_moving: record.bool(at.moving),
            cpu: record.u32(at.cpu),
            // All bits set mean anybody.
            partner: ThreadId(if partner == u64::MAX { partner } else { partner & !at.partner_abroad }),
            cr3: record.u64(at.cr3),
            priority: record.u8(at.priority),
            pager: ThreadId(record.u64(at.pager)),
            in_name_of: ThreadId(record.u64(at.in_name_of)),
            outgoing: (
                record.u64(at.outgoing),
                record.u64(at.outgoing_value),
                record.u64(at.outgoing_access),
            ),
            deadline: record.bool(at.has_timeout).then(|| record.u64(at.deadline)),
            transfer_peer: kernel.tcb_id(record.u64(at.transfer_peer)),
            record,
        };
        tcb.id.is_valid().then_some(tcb)
    }

    /// Its name for a debugger.
    pub fn thread(&self) -> Thread {
        Thread::l4(self.id.task(), self.id.lthread())
    }
}

impl Kernel {
    /// The control block of `thread`, if it is an L4 thread that exists.
    pub fn thread(&self, view: &dyn View, thread: Thread) -> Option<Tcb> {
        let (task, lthread) = thread.as_l4()?;
        if task == 0 || usize::from(lthread) >= ThreadId::LTHREADS {
            return None;
        }
        let tcb = Tcb::read(self, self.tcb_record(view, self.tcb_address(task, lthread))?)?;
        (tcb.thread() == thread).then_some(tcb)
    }

    /// Virtual address of a thread's TCB.
    pub fn tcb_address(&self, task: u16, lthread: u16) -> u64 {
        let spaces = &self.info().spaces;
        let index = ThreadId::new(task, lthread, 0).index() as u64;
        spaces.tcbs.wrapping_add(index.wrapping_mul(spaces.tcb_size))
    }

    /// Physical address of a thread's TCB.
    pub fn tcb_physical(&self, view: &dyn View, task: u16, lthread: u16) -> Option<u64> {
        let address = self.tcb_address(task, lthread);
        Some(self.page(view, address)?.physical(address))
    }

    /// The thread, without version, whose TCB would be at `address`; `None` if no TCB begins there.
    pub(super) fn tcb_id(&self, address: u64) -> Option<ThreadId> {
        let spaces = &self.info().spaces;
        let offset = address.checked_sub(spaces.tcbs)?;
        let index = offset.checked_div(spaces.tcb_size)?;
        let is_one = offset % spaces.tcb_size == 0 && index < (ThreadId::TASKS * ThreadId::LTHREADS) as u64;
        is_one.then_some(ThreadId(index))
    }

    pub(super) fn tcb_record(&self, view: &dyn View, address: u64) -> Option<Record> {
        self.record(view, address, SIZE)
    }
}
