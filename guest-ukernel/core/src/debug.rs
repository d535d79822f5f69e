//! What debuggers have to know of the core's data, in the terms of [`ukernel_abi::debug`]. Offsets only: nothing here is of use to the kernel.

use core::mem::offset_of;

use ukernel_abi::debug;
use ukernel_abi::layout::PAGE;

use crate::ipc::strings::Transfer;
use crate::irq::{Irqs, Line};
use crate::mem::node::{field, slab};
use crate::mem::space::word;
use crate::mem::{Frames, Machine, Mem};
use crate::queue::{Link, Queue};
use crate::sched::Sched;
use crate::thread::{FRAME_END, Outgoing, Thread};

pub const THREAD: debug::Thread = {
    const TRANSFER: usize = offset_of!(Thread, transfer);
    const NEXT: usize = offset_of!(Link, next);
    debug::Thread {
        id: offset_of!(Thread, id) as u64,
        frame: offset_of!(Thread, frame) as u64,
        frame_end: FRAME_END as u64,
        state: offset_of!(Thread, state) as u64,
        stopped: offset_of!(Thread, stopped) as u64,
        has_timeout: offset_of!(Thread, timeout_queued) as u64,
        uses_fpu: offset_of!(Thread, uses_fpu) as u64,
        moving: offset_of!(Thread, moving) as u64,
        cpu: offset_of!(Thread, cpu) as u64,
        partner: offset_of!(Thread, partner) as u64,
        partner_abroad: Thread::ABROAD,
        cr3: offset_of!(Thread, cr3) as u64,
        chief: offset_of!(Thread, chief) as u64,
        priority: offset_of!(Thread, priority) as u64,
        pager: offset_of!(Thread, pager) as u64,
        handler: offset_of!(Thread, handler) as u64,
        preempter: offset_of!(Thread, preempter) as u64,
        outgoing: offset_of!(Thread, outgoing) as u64,
        outgoing_value: offset_of!(Thread, outgoing) as u64 + 8,
        outgoing_access: offset_of!(Thread, outgoing) as u64 + 16,
        in_name_of: offset_of!(Thread, in_name_of) as u64,
        senders: (offset_of!(Thread, senders) + FIRST) as u64,
        next_sender: (offset_of!(Thread, send_link) + NEXT) as u64,
        next_in_task: (offset_of!(Thread, task_link) + NEXT) as u64,
        deadline: offset_of!(Thread, deadline) as u64,
        timeslice: offset_of!(Thread, timeslice) as u64,
        transfer_peer: (TRANSFER + offset_of!(Transfer, peer)) as u64,
        transfer_sends: (TRANSFER + offset_of!(Transfer, sends)) as u64,
        transfer_rip: (TRANSFER + offset_of!(Transfer, rip)) as u64,
        fs_base: offset_of!(Thread, fs_base) as u64,
        gs_base: offset_of!(Thread, gs_base) as u64,
        fpu: offset_of!(Thread, fpu) as u64,
        vector_frame: offset_of!(Thread, vector_frame) as u64,
    }
};

/// The kind of [`Outgoing`] and two words. (With `repr(u64)` it is laid out as structures in C that begin with that kind.)
const _: () = assert!(size_of::<Outgoing>() == 24);

pub const MAPPING: debug::Mapping = debug::Mapping {
    companion: PAGE,
    parent: field::PARENT,
    children: field::CHILDREN,
    next: field::NEXT,
    slot: field::SLOT,
    page: field::PAGE,
    index: field::INDEX,
    slab_space: slab::SPACE,
    root: word::CR3,
    limit: word::LIMIT,
    used: word::USED,
    lines: word::IRQS,
    ports: word::PORTS,
};

/// Offset of the first thread in a [`Queue`].
pub const FIRST: usize = offset_of!(Queue, head);
/// Of the running thread in a [`Sched`].
pub const CURRENT: usize = offset_of!(Sched, current);
/// Of the first line in [`Irqs`], and of two things in a line.
pub const LINES: usize = offset_of!(Irqs, lines);
pub const LINE_SIZE: usize = size_of::<Line>();
pub const LINE_OWNER: usize = offset_of!(Line, owner);
pub const LINE_PENDING: usize = offset_of!(Line, pending);

/// Offset of the number of free frames in a [`Mem`].
pub const fn free_frames<M: Machine>() -> usize {
    offset_of!(Mem<M>, frames) + offset_of!(Frames<M>, free)
}
