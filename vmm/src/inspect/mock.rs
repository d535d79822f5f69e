//! A machine that is only thought up, for tests and fuzzers of what looks at one: a piece of memory with as much of a kernel in it as can be looked at.

use super::Kernel;
use super::paging::PAGE;
use crate::debug::registers::Registers;
use crate::debug::thread::Thread;
use crate::debug::view::{NoMemory, View};
use ukernel_abi::ThreadId;
use ukernel_abi::debug::{self, Addresses, DebugInfo, MAGIC, VERSION};

/// What the image's addresses are above the physical ones.
const BASE: u64 = 0xffff_ffff_8000_0000;
const TCBS: u64 = 0xffff_c000_0000_0000;
const CPUS: u64 = 0xffff_c080_0000_0000;
const CPU_STRIDE: u64 = 0x4000;
/// Physical addresses of the kernel's data, and of the first free frame.
const ROOT: u64 = 0x1000;
const STATE: u64 = 0x4000;
const EVENTS: u64 = 0x2000;
const LINES: u64 = 0x3000;
const FREE_FRAMES: u64 = 0x9000;
const EXITS: u64 = 0x9100;
const FREE: u64 = 0xa000;
/// Offset of the task in a TCB.
const TASK: u64 = 2048;

/// Present, writable, user.
pub const ALL: u64 = 7;
pub const NO_EXECUTE: u64 = 1 << 63;

pub struct Machine {
    pub memory: Vec<u8>,
    pub registers: Vec<Option<Registers>>,
    pub tsc: u64,
    next: u64,
}

impl View for Machine {
    fn vcpus(&self) -> usize {
        self.registers.len()
    }
    fn registers(&self, index: usize) -> Option<Registers> {
        self.registers.get(index).cloned().flatten()
    }
    fn tsc(&self, index: usize) -> Option<u64> {
        (index < self.registers.len()).then_some(self.tsc)
    }
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory> {
        let from =
            usize::try_from(address).ok().and_then(|start| self.memory.get(start..)?.get(..into.len()));
        into.copy_from_slice(from.ok_or(NoMemory(address))?);
        Ok(())
    }
    fn ram(&self) -> Vec<(u64, u64)> {
        vec![(0, self.memory.len() as u64)]
    }
}

/// Where this kernel has its data.
pub fn info() -> DebugInfo {
    DebugInfo {
        magic: MAGIC,
        version: VERSION,
        addresses: Addresses {
            kernel: BASE + STATE,
            free_frames: BASE + FREE_FRAMES,
            root: BASE + ROOT,
            idt: 0,
            exceptions: 0,
            exits: BASE + EXITS,
            exits_end: BASE + EXITS + 16,
            syscall_entry: BASE + 0x10_0000,
            page_fault_entry: BASE + 0x10_0100,
            debug_page: 0,
        },
        spaces: debug::Spaces {
            physmap: 0,
            physmap_size: 0,
            tcbs: TCBS,
            tcb_size: PAGE,
            cpus: CPUS,
            cpu_stride: CPU_STRIDE,
        },
        kernel: debug::Kernel {
            tasks: 0,
            events_next: EVENTS,
            events: EVENTS + 8,
            event_size: 24,
            event_count: 4,
            event_kind: 16,
            event_thread: 0,
            event_value: 8,
            lines: LINES,
            line_size: 16,
            line_count: 64,
            line_owner: 0,
            line_pending: 8,
            tsc_khz: LINES + 0x800,
            cpus: LINES + 0x808,
        },
        cpu: debug::Cpu { rsp0: 0xf9c, current: 0x100, fpu_owner: 0x108 },
        thread: THREAD,
        task: debug::Task { task: TASK, number: 0, chief: 2, space: 8, threads: 16 },
        mapping: debug::Mapping {
            companion: PAGE,
            parent: 0,
            children: 8,
            next: 16,
            slot: 32,
            page: 40,
            index: 48,
            slab_space: 8,
            root: 16,
            limit: 24,
            used: 32,
            lines: 40,
            ports: 48,
        },
    }
}

const THREAD: debug::Thread = debug::Thread {
    id: 0,
    frame: 8,
    frame_end: 8 + 21 * 8,
    state: 0xb0,
    stopped: 0xb1,
    has_timeout: 0xb2,
    uses_fpu: 0xb3,
    moving: 0xb8,
    cpu: 0xb4,
    partner: 0xc0,
    partner_abroad: 1 << 63,
    cr3: 0xc8,
    chief: 0xd0,
    priority: 0xd2,
    pager: 0xd8,
    handler: 0xe0,
    preempter: 0xe8,
    outgoing: 0xf0,
    outgoing_value: 0xf8,
    outgoing_access: 0x100,
    in_name_of: 0x108,
    senders: 0x110,
    next_sender: 0x118,
    next_in_task: 0x120,
    deadline: 0x128,
    timeslice: 0x130,
    transfer_peer: 0x138,
    transfer_sends: 0x140,
    transfer_rip: 0x148,
    fs_base: 0x150,
    gs_base: 0x158,
    fpu: 0x180,
    vector_frame: 0x160,
};

impl Machine {
    /// A kernel without tasks, with `vcpus` CPUs, all of them idle.
    pub fn new(vcpus: usize) -> Self {
        let mut machine = Self {
            memory: vec![0; 4 << 20],
            registers: vec![Some(Registers::default()); vcpus],
            tsc: 0,
            next: FREE,
        };
        for page in 0..512 {
            machine.map(ROOT, BASE + page * PAGE, page * PAGE, 3);
        }
        for vcpu in 0..vcpus as u64 {
            let frame = machine.frame();
            machine.map(ROOT, CPUS + vcpu * CPU_STRIDE, frame, 3);
        }
        machine.set(STATE + LINES + 0x800, 2_000_000);
        machine.set(STATE + LINES + 0x808, vcpus as u64);
        machine.set(FREE_FRAMES, 77);
        machine
    }

    /// σ0, root, a server of root's with two threads, and a program of the server's: tasks 1 to 4.
    pub fn small() -> Self {
        let mut machine = Self::new(2);
        machine.task(1, 0);
        machine.task(2, 0);
        machine.task(3, 2);
        machine.thread(3, 1);
        machine.task(4, 3);
        machine
    }

    /// End of the memory that is in use.
    pub fn end(&self) -> u64 {
        self.next
    }

    pub fn kernel(&self) -> Kernel {
        Kernel::new(info(), BASE.wrapping_neg())
    }

    pub fn frame(&mut self) -> u64 {
        self.next += PAGE;
        self.next - PAGE
    }

    pub fn set(&mut self, at: u64, value: u64) {
        self.memory[at as usize..][..8].copy_from_slice(&value.to_le_bytes());
    }

    pub fn set_u8(&mut self, at: u64, value: u8) {
        self.memory[at as usize] = value;
    }

    /// Maps a page and returns the address of its entry. Tables that hold leaves have a companion behind them.
    pub fn map(&mut self, root: u64, va: u64, frame: u64, bits: u64) -> u64 {
        let mut table = root;
        for shift in [39, 30, 21] {
            let entry = table + (va >> shift & 0x1ff) * 8;
            table = self.read_u64(entry).unwrap() & !0xfff;
            if table == 0 {
                table = self.frame();
                self.frame();
                self.set(entry, table | 7);
            }
        }
        let entry = table + (va >> 12 & 0x1ff) * 8;
        self.set(entry, frame | bits);
        entry
    }

    /// Makes a task with its first thread, and returns the physical address of its TCB.
    pub fn task(&mut self, number: u16, chief: u16) -> u64 {
        let bit = STATE + u64::from(number / 8);
        self.memory[bit as usize] |= 1 << (number % 8);
        let (control, root) = (self.frame(), self.frame());
        let tcb = self.tcb(number, 0, 1);
        self.set(control + 16, root);
        self.set(control + 24, 100);
        self.set(control + 32, 9);
        self.set(tcb + TASK, u64::from(number) | u64::from(chief) << 16);
        self.set(tcb + TASK + 8, control);
        self.set(tcb + TASK + 16, TCBS + u64::from(number) * PAGE);
        self.set(tcb + THREAD.cr3, root);
        tcb
    }

    /// Makes a TCB that is on no list.
    pub fn tcb(&mut self, task: u16, lthread: u16, version: u32) -> u64 {
        let frame = self.frame();
        self.map(ROOT, address(task, lthread), frame, 3);
        self.set(frame, ThreadId::new(task, lthread, version).0);
        frame
    }

    /// Makes a thread of a task that has only its first.
    pub fn thread(&mut self, task: u16, lthread: u16) -> u64 {
        let tcb = self.tcb(task, lthread, 1);
        let first = self.tcb_of(task, 0);
        self.set(first + THREAD.next_in_task, address(task, lthread));
        let cr3 = self.read_u64(first + THREAD.cr3).unwrap();
        self.set(tcb + THREAD.cr3, cr3);
        tcb
    }

    pub fn tcb_of(&self, task: u16, lthread: u16) -> u64 {
        self.kernel().tcb_physical(self, task, lthread).unwrap()
    }

    /// Lets a thread wait for another.
    pub fn block(&mut self, tcb: u64, state: u8, partner: ThreadId) {
        self.set_u8(tcb + THREAD.state, state);
        self.set(tcb + THREAD.partner, partner.0);
    }

    /// Lets a vCPU run a thread.
    pub fn run(&mut self, vcpu: usize, task: u16, lthread: u16) {
        let cpu = self.cpu(vcpu);
        self.set(cpu + info().cpu.current, address(task, lthread));
        self.set(cpu + info().cpu.rsp0, address(task, lthread) + THREAD.frame_end);
    }

    pub fn cpu(&self, vcpu: usize) -> u64 {
        let address = CPUS + vcpu as u64 * CPU_STRIDE;
        self.kernel().page(self, address).unwrap().physical(address)
    }

    pub fn attach(&mut self, line: u8, task: u16, pending: u64) {
        self.set(STATE + LINES + u64::from(line) * 16, address(task, 0));
        self.set(STATE + LINES + u64::from(line) * 16 + 8, pending);
    }

    /// Writes event number `n`.
    pub fn event(&mut self, n: u64, kind: u8, thread: ThreadId, value: u64) {
        let at = STATE + EVENTS + 8 + n % 4 * 24;
        self.set(at, thread.0);
        self.set(at + 8, value);
        self.set(at + 16, kind.into());
        self.set(STATE + EVENTS, (n + 1) % 4);
    }

    pub fn set_exits(&mut self, addresses: [u64; 2]) {
        self.set(EXITS, addresses[0]);
        self.set(EXITS + 8, addresses[1]);
    }
}

pub fn address(task: u16, lthread: u16) -> u64 {
    TCBS + ThreadId::new(task, lthread, 0).index() as u64 * PAGE
}

/// A debugger's name for it.
pub fn l4(task: u16, lthread: u16) -> Thread {
    Thread::l4(task, lthread)
}
