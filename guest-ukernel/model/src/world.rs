//! Who exists while the kernel is compared with the model, and what the rest of the kernel would say.
//!
//! A small world, so that threads meet often: a server with two threads, programs that it made, a second server beside it, and a thread
//! two clans down that only its chief's task may talk to. What is here is not under test; kernel and model both ask it.

use ukernel_abi::ThreadId;
use ukernel_abi::msg::MapItem;

/// A place for a thread. The thread at it may die and another take its place.
#[derive(Clone, Copy, Debug)]
pub struct Slot {
    pub task: u16,
    pub lthread: u16,
    pub chief: u16,
    pub priority: u8,
    pub has_utcb: bool,
    pub uses_fpu: bool,
    /// Slots of its first pager and handler.
    pub pager: usize,
    pub handler: usize,
}

impl Slot {
    /// Whether it answers calls for a living.
    pub const fn is_server(&self) -> bool {
        self.chief == 2
    }
}

const fn server(task: u16, lthread: u16, priority: u8) -> Slot {
    Slot { task, lthread, chief: 2, priority, has_utcb: true, uses_fpu: false, pager: 5, handler: 5 }
}

const fn program(task: u16, lthread: u16, has_utcb: bool, uses_fpu: bool) -> Slot {
    Slot { task, lthread, chief: 9, priority: 1, has_utcb, uses_fpu, pager: 0, handler: 0 }
}

pub const SLOTS: [Slot; 8] = [
    server(9, 0, 2),
    server(9, 1, 1),
    program(10, 0, false, true),
    program(10, 1, true, false),
    program(11, 0, false, true),
    server(12, 0, 2),
    // Made by a program: what it sends anywhere but to task 10 goes there.
    Slot {
        task: 13,
        lthread: 0,
        chief: 10,
        priority: 1,
        has_utcb: false,
        uses_fpu: true,
        pager: 2,
        handler: 3,
    },
    // Whose handler is in its own task.
    Slot {
        task: 10,
        lthread: 2,
        chief: 9,
        priority: 1,
        has_utcb: false,
        uses_fpu: true,
        pager: 3,
        handler: 3,
    },
];

/// Number of interrupt lines that are raised.
pub const LINES: u8 = 3;

/// Where interrupts and timeouts are given in microseconds, one is one tick.
pub const TICKS_PER_US: u64 = 1;

/// Tasks with the right to a line: the servers have the first ones, nobody has the last.
pub fn may_attach(id: ThreadId, line: u8) -> bool {
    line + 1 < LINES && (id.task() == 9 || id.task() == 12)
}

/// Whether there is no room for an item.
pub fn map_fails(item: MapItem) -> bool {
    item.base & 0x1000 != 0
}

/// The task that made `task`; 0 if that was the kernel.
pub fn chief_of(task: u16) -> u16 {
    SLOTS.iter().find(|s| s.task == task).map_or(0, |s| s.chief)
}

/// Page-table root of a task.
pub fn cr3(task: u16) -> u64 {
    u64::from(task) << 20
}
