//! What a debugger has to know in order to understand the memory of a kernel that stands still.
//!
//! The kernel has no code for debuggers. It says where things are, in one constant, [`DebugInfo`], which is found by the symbol [`SYMBOL`] of its ELF
//! file; the rest is the debugger's work, outside. So none of it is part of the system-call interface: programs cannot see it, and the layouts that it describes
//! change freely from one kernel to the next.
//!
//! It consists of 64-bit words, and its fields are in the order in which they are here. Virtual addresses are the kernel's; all others are
//! offsets in bytes. A reference to a thread is the address of its control block (TCB) in the array of them, 0 for none.

/// The symbol of the [`DebugInfo`].
pub const SYMBOL: &str = "ukernel_debug_info";
pub const MAGIC: u64 = u64::from_le_bytes(*b"L4uKdbg\x01");
/// Of the layout below.
pub const VERSION: u64 = 1;

/// Defines structures of words, and how to read them.
macro_rules! words {
    ($($(#[$doc:meta])* pub struct $name:ident { $($(#[$field_doc:meta])* $field:ident,)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(C)]
        pub struct $name<W = u64> {
            $($(#[$field_doc])* pub $field: W,)*
        }

        impl $name {
            fn read(words: &mut impl Iterator<Item = u64>) -> Option<Self> {
                Some(Self { $($field: words.next()?,)* })
            }
        }
    )*};
}

/// All of it. `A` is what an address is to the kernel, where it is made: a pointer, which its linker resolves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C)]
pub struct DebugInfo<A = u64> {
    pub magic: u64,
    pub version: u64,
    pub addresses: Addresses<A>,
    pub spaces: Spaces,
    pub kernel: Kernel,
    pub cpu: Cpu,
    pub thread: Thread,
    pub task: Task,
    pub mapping: Mapping,
}

words! {
    /// Addresses in the kernel's image.
    pub struct Addresses {
        /// The kernel's state: see [`Kernel`].
        kernel,
        /// Number of free kernel frames (8 bytes).
        free_frames,
        /// A root of page tables that maps the kernel's half of the address space.
        root,
        /// The interrupt descriptor table, of all CPUs.
        idt,
        /// Code for the exceptions: that for vector n is 16 n bytes on.
        exceptions,
        /// A table of the addresses of all instructions, SYSRETQ or IRETQ, by which threads go on in user mode, and its end.
        exits,
        exits_end,
        /// From here to the second address a thread's registers are still (or already) in the processor and not in its frame, which has only rip, rflags
        /// and rsp.
        syscall_entry,
        page_fault_entry,
        /// A page for the debugger's own code.
        debug_page,
    }

    /// How the kernel's half of the address space is divided.
    pub struct Spaces {
        /// Where physical memory is mapped, and how much there is room for.
        physmap,
        physmap_size,
        /// The TCB array and the size of an element: the thread of identifier `id` is element `id.index()`. Where there is no thread it reads as zeroes.
        tcbs,
        tcb_size,
        /// The structures of the CPUs, and the distance from one to the next.
        cpus,
        cpu_stride,
    }

    /// What the kernel's state consists of.
    pub struct Kernel {
        /// Bitmap of the task numbers in use.
        tasks,
        /// Ring of events: number of the next one to be written (8 bytes), first, distance of two, how many there are.
        events_next,
        events,
        event_size,
        event_count,
        /// In an event: kind (1 byte; see [`event`]), thread, a value.
        event_kind,
        event_thread,
        event_value,
        /// First interrupt line, distance of two, how many there are.
        lines,
        line_size,
        line_count,
        /// In a line: the thread that is attached, and how many interrupts it has not received.
        line_owner,
        line_pending,
        /// kHz of the TSC.
        tsc_khz,
        /// Number of CPUs (4 bytes).
        cpus,
    }

    /// What the structure of a CPU consists of.
    pub struct Cpu {
        /// The stack pointer for entries from user mode, which is the end of the running thread's frame; or of that of the code that saves vector registers.
        rsp0,
        /// The thread that the scheduler has chosen; none while the CPU is idle.
        current,
        /// The thread whose FPU state, FS base and GS base the processor has.
        fpu_owner,
    }

    /// What a TCB consists of. Identifiers are [`crate::ThreadId`].
    pub struct Thread {
        id,
        /// Registers, as [`crate::utcb::Regs`]; where they end.
        frame,
        frame_end,
        /// [`crate::utcb::RunState`] (1 byte).
        state,
        /// Booleans, a byte each.
        stopped,
        has_timeout,
        uses_fpu,
        moving,
        /// 4 bytes.
        cpu,
        /// Identifier of whom it sends to or waits for. If it waits for somebody of another clan, this bit is set in it.
        partner,
        partner_abroad,
        /// As CR3 takes it: a tag in the low 12 bits, bit 63.
        cr3,
        /// Task, 2 bytes.
        chief,
        /// 1 byte.
        priority,
        /// Identifiers.
        pager,
        handler,
        preempter,
        /// What it has sent: see [`outgoing`], and two words about it.
        outgoing,
        outgoing_value,
        outgoing_access,
        /// Identifier in whose name it sends, or nil.
        in_name_of,
        /// The first of those who wait to send to it, and the next one who waits for the same thread.
        senders,
        next_sender,
        /// The next thread of the task.
        next_in_task,
        /// TSC reading at which its timeout is due.
        deadline,
        /// Ticks of the TSC.
        timeslice,
        /// While strings are copied: the other side; whether this one sends (1 byte); and where its program is then.
        transfer_peer,
        transfer_sends,
        transfer_rip,
        /// Saved state of one that uses the FPU: FS base, GS base, x87 and SSE in the format of FXSAVE64. If there is a physical address of a frame, vector registers
        /// are there, in the standard format of XSAVE; and x87 and SSE too, unless it is mapped at [`crate::layout::vector_area`].
        fs_base,
        gs_base,
        fpu,
        vector_frame,
    }

    /// What a task consists of, which lies in the TCB of the task's first thread. Numbers of tasks have two bytes.
    pub struct Task {
        /// From the beginning of the TCB.
        task,
        /// The rest from there. 0 if there is no task.
        number,
        chief,
        /// Physical address of its space's control frame.
        space,
        /// The first thread.
        threads,
    }

    /// The mapping database. Physical addresses.
    pub struct Mapping {
        /// From a page-table entry that maps a page to the word with the address of its node.
        companion,
        /// In a node: the node it comes from, the first that comes from it, the next one that comes from the same, the page-table entry, the page (bit 0: it is
        /// a superpage), and of a superpage the frame with the 512 first nodes of those who have single pages of it.
        parent,
        children,
        next,
        slot,
        page,
        index,
        /// In the frame that a node lies in: the control frame of the space that has the page.
        slab_space,
        /// In a control frame: root of page tables; frames of kernel memory that may be used and are in use; interrupt lines it may attach to, as a bitmap;
        /// bitmap of ports (8 KiB, ones are denied), or 0.
        root,
        limit,
        used,
        lines,
        ports,
    }
}

/// Kinds of events.
pub mod event {
    /// The ring has never been as full as that.
    pub const NONE: u8 = 0;
    /// Value: vector.
    pub const EXCEPTION: u8 = 1;
    /// Value: first ip.
    pub const TASK_NEW: u8 = 2;
    pub const TASK_DELETE: u8 = 3;
    /// Value: first ip.
    pub const THREAD_NEW: u8 = 4;
    pub const THREAD_DELETE: u8 = 5;
    /// Nobody could help it with a fault, and it has been stopped.
    pub const ORPHAN: u8 = 6;
}

/// What a thread has sent or is about to send.
pub mod outgoing {
    /// The message of its `ipc`.
    pub const IPC: u64 = 0;
    /// Value: address; access: a [`crate::Rights`] value.
    pub const PAGE_FAULT: u64 = 1;
    /// Value: vector.
    pub const EXCEPTION: u64 = 2;
    pub const FOREIGN: u64 = 3;
    /// Value: TSC.
    pub const PREEMPTION: u64 = 4;
}

impl DebugInfo {
    pub const SIZE: usize = size_of::<Self>();

    /// Reads it from the beginning of `bytes`. `None` if that is no `DebugInfo`, or one of another version.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().map(|word| u64::from_le_bytes(*word));
        let (magic, version) = (words.next()?, words.next()?);
        if (magic, version) != (MAGIC, VERSION) {
            return None;
        }
        let words = &mut words;
        Some(Self {
            magic,
            version,
            addresses: Addresses::read(words)?,
            spaces: Spaces::read(words)?,
            kernel: Kernel::read(words)?,
            cpu: Cpu::read(words)?,
            thread: Thread::read(words)?,
            task: Task::read(words)?,
            mapping: Mapping::read(words)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Word n is n, but for the first two.
    fn numbered() -> [u8; DebugInfo::SIZE] {
        let mut bytes = [0; DebugInfo::SIZE];
        for (n, word) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            *word = (n as u64).to_le_bytes();
        }
        bytes[..8].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[8..16].copy_from_slice(&VERSION.to_le_bytes());
        bytes
    }

    #[test]
    fn fields_are_read_from_where_they_are() {
        let info = DebugInfo::read(&numbered()).unwrap();
        let at = |offset: usize| offset as u64 / 8;
        let thread = core::mem::offset_of!(DebugInfo, thread);
        assert_eq!(info.addresses.kernel, 2);
        assert_eq!(info.thread.vector_frame, at(thread + core::mem::offset_of!(Thread, vector_frame)));
        assert_eq!(info.mapping.ports, at(DebugInfo::SIZE) - 1);
    }

    #[test]
    fn what_is_none_is_not_taken_for_one() {
        let mut bytes = numbered();
        assert_eq!(DebugInfo::read(&bytes[..DebugInfo::SIZE - 1]), None);
        bytes[8] += 1;
        assert_eq!(DebugInfo::read(&bytes), None);
        assert_eq!(DebugInfo::read(&[]), None);
    }
}
