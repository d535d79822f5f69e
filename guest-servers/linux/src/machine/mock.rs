//! A machine for tests: threads with registers, tasks with page tables, a clock that stands still until it is told.
//!
//! It checks what the µ-kernel would check (an answer goes to a thread that waits for one, flexpages are aligned) and does
//! what it would do to mappings, so that a test can make a program's memory accesses and see what it would see.

use super::{MAX_ITEMS, Machine, MachineError, ThreadState};
use crate::frames::tests::TestMemory;
use crate::frames::{FRAME_SIZE, FrameMemory};
use crate::signal::set::Signal;
use crate::trampoline;
use crate::tty::Channel;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use ukernel_abi::utcb::{FpuState, Regs, RunState};
use ukernel_abi::{Fpage, MapItem, Rights, ThreadId};
use vmm_abi::trace;

#[derive(Clone)]
pub struct MockThread {
    pub state: ThreadState,
    pub run: RunState,
    pub stopped: bool,
}

type PageTable = BTreeMap<u64, (u64, Rights)>;

pub(crate) struct MockMachine {
    pub memory: Rc<TestMemory>,
    pub threads: RefCell<BTreeMap<ThreadId, MockThread>>,
    pub tasks: RefCell<BTreeMap<u16, PageTable>>,
    pub now: Cell<u64>,
    pub lines: RefCell<Vec<String>>,
    pub printed: RefCell<Vec<u8>>,
    pub exit: Cell<Option<u8>>,
    /// Calls of `unmap` so far, and map items received.
    pub unmaps: Cell<usize>,
    pub items: Cell<usize>,
    /// What tasks are called.
    pub names: RefCell<BTreeMap<u16, String>>,
    /// Tasks of whose programs a debugger was told that they start.
    pub starts: RefCell<Vec<u16>>,
    /// Signals that a debugger was told of, and which one it then wants in place of one.
    pub told: RefCell<Vec<(ThreadId, Signal)>>,
    pub wanted: RefCell<BTreeMap<Signal, Option<Signal>>>,
    /// Whether there is a profile, and its records.
    pub profiled: Cell<bool>,
    pub records: RefCell<Vec<(ThreadId, trace::Event, u64)>>,
    /// Tasks that can still be made.
    pub task_quota: Cell<usize>,
    next: Cell<u16>,
}

/// The memory, as the frame pool wants it.
pub(crate) struct SharedMemory(pub Rc<TestMemory>);

impl FrameMemory for SharedMemory {
    fn size(&self) -> usize {
        self.0.size()
    }
    fn limit(&self) -> usize {
        self.0.limit()
    }
    fn grow(&self) -> bool {
        self.0.grow()
    }
    fn base(&self) -> u64 {
        self.0.base()
    }
    fn cells(&self, offset: usize, len: usize) -> &[Cell<u8>] {
        self.0.cells(offset, len)
    }
}

impl MockMachine {
    /// The server's own thread.
    pub const SERVER: ThreadId = ThreadId::new(5, 0, 1);

    pub fn new(frames: usize) -> Rc<Self> {
        Rc::new(Self {
            memory: Rc::new(TestMemory::new(frames, frames)),
            threads: RefCell::default(),
            tasks: RefCell::default(),
            now: Cell::new(1_000_000_000),
            lines: RefCell::default(),
            printed: RefCell::default(),
            exit: Cell::new(None),
            unmaps: Cell::new(0),
            items: Cell::new(0),
            names: RefCell::default(),
            starts: RefCell::default(),
            told: RefCell::default(),
            wanted: RefCell::default(),
            profiled: Cell::new(false),
            records: RefCell::default(),
            task_quota: Cell::new(usize::MAX),
            next: Cell::new(10),
        })
    }

    pub fn thread(&self, id: ThreadId) -> Option<MockThread> {
        self.threads.borrow().get(&id).cloned()
    }
    pub fn change(&self, id: ThreadId, f: impl FnOnce(&mut MockThread)) {
        f(self.threads.borrow_mut().get_mut(&id).expect("no such thread"));
    }

    /// The frame behind an address of a task, if it may be used so.
    pub fn translate(&self, id: ThreadId, addr: u64, access: Rights) -> Option<u64> {
        let tasks = self.tasks.borrow();
        let (frame, rights) = tasks.get(&id.task())?.get(&(addr & !0xfff))?;
        rights.contains(access).then_some(frame + (addr & 0xfff))
    }

    /// A byte of the server's memory.
    pub fn cell(&self, addr: u64) -> &Cell<u8> {
        &self.memory.cells((addr - self.memory.base()) as usize, 1)[0]
    }

    fn spawn(&self, id: ThreadId, state: &ThreadState) {
        let thread = MockThread { state: *state, run: RunState::Ready, stopped: false };
        self.threads.borrow_mut().insert(id, thread);
    }

    fn map(&self, id: ThreadId, item: &MapItem) {
        assert!(item.snd.is_valid() && item.base & (item.snd.size() - 1) == 0, "bad item {item:?}");
        assert!(item.snd.base() >= self.memory.base());
        let mut tasks = self.tasks.borrow_mut();
        let table = tasks.get_mut(&id.task()).expect("no such task");
        for offset in (0..item.snd.size()).step_by(FRAME_SIZE) {
            let frame = item.snd.base() + offset;
            let entry = table.entry(item.base + offset).or_insert((frame, Rights::NONE));
            // As the µ-kernel: the same frame gains rights, another one takes its place.
            let gained = if entry.0 == frame { entry.1 } else { Rights::NONE };
            *entry = (frame, gained.union(item.snd.rights()));
        }
    }

    fn resume_with(&self, id: ThreadId, f: impl FnOnce(&mut MockThread)) -> Result<(), MachineError> {
        let mut threads = self.threads.borrow_mut();
        let thread = threads.get_mut(&id).ok_or(MachineError::Refused)?;
        f(thread);
        thread.run = RunState::Ready;
        thread.stopped = false;
        Ok(())
    }
}

impl Machine for MockMachine {
    fn new_task(&self, state: &ThreadState) -> Result<ThreadId, MachineError> {
        let left = self.task_quota.get().checked_sub(1).ok_or(MachineError::NoMemory)?;
        self.task_quota.set(left);
        let number = self.next.replace(self.next.get() + 1);
        let id = ThreadId::new(number, 0, 1);
        self.tasks.borrow_mut().insert(number, PageTable::new());
        self.spawn(id, state);
        Ok(id)
    }
    fn delete_task(&self, thread: ThreadId) {
        assert!(self.threads.borrow().contains_key(&thread), "stale thread {thread:?}");
        self.task_quota.set(self.task_quota.get().saturating_add(1));
        self.tasks.borrow_mut().remove(&thread.task());
        self.names.borrow_mut().remove(&thread.task());
        self.threads.borrow_mut().retain(|id, _| id.task() != thread.task());
    }
    fn new_thread(
        &self,
        sibling: ThreadId,
        number: u16,
        state: &ThreadState,
    ) -> Result<ThreadId, MachineError> {
        assert!(self.threads.borrow().contains_key(&sibling), "stale thread {sibling:?}");
        let version = self.next.replace(self.next.get() + 1);
        let id = ThreadId::new(sibling.task(), number, version.into());
        let taken = self.threads.borrow().keys().any(|t| (t.task(), t.lthread()) == (id.task(), number));
        assert!(number != 0 && !taken, "bad lthread {number}");
        self.spawn(id, state);
        Ok(id)
    }
    fn destroy_thread(&self, thread: ThreadId) {
        assert!(self.threads.borrow_mut().remove(&thread).is_some(), "stale thread {thread:?}");
    }

    fn regs(&self, thread: ThreadId) -> Result<(RunState, Regs), MachineError> {
        let thread = self.thread(thread).ok_or(MachineError::Refused)?;
        Ok((thread.run, thread.state.regs))
    }
    fn state(&self, thread: ThreadId) -> Result<Box<ThreadState>, MachineError> {
        Ok(Box::new(self.thread(thread).ok_or(MachineError::Refused)?.state))
    }
    fn set_regs(&self, thread: ThreadId, regs: &Regs) -> Result<(), MachineError> {
        self.resume_with(thread, |t| t.state.regs = *regs)
    }
    fn set_regs_fpu(&self, thread: ThreadId, regs: &Regs, fpu: &FpuState) -> Result<(), MachineError> {
        self.resume_with(thread, |t| (t.state.regs, t.state.fpu) = (*regs, *fpu))
    }
    fn restart(&self, thread: ThreadId, regs: &Regs) -> Result<(), MachineError> {
        self.resume_with(thread, |t| t.state = ThreadState::new(*regs))
    }
    fn set_fs_base(&self, thread: ThreadId, base: u64) -> Result<(), MachineError> {
        self.change(thread, |t| t.state.fs_base = base);
        Ok(())
    }
    fn name_task(&self, thread: ThreadId, name: &[u8]) {
        let name = String::from_utf8_lossy(name).into_owned();
        self.names.borrow_mut().insert(thread.task(), name);
    }
    fn program_starts(&self, thread: ThreadId) {
        self.starts.borrow_mut().push(thread.task());
    }
    fn program_signal(&self, thread: ThreadId, signal: Signal) -> Option<Signal> {
        self.told.borrow_mut().push((thread, signal));
        self.wanted.borrow().get(&signal).copied().unwrap_or(Some(signal))
    }
    fn stop(&self, thread: ThreadId) {
        self.change(thread, |t| t.stopped = true);
    }
    fn resume(&self, thread: ThreadId) {
        self.change(thread, |t| t.stopped = false);
    }

    fn unmap(&self, thread: ThreadId, page: Fpage) {
        assert!(page.is_valid(), "{page:?}");
        assert!(self.threads.borrow().contains_key(&thread), "stale thread {thread:?}");
        self.unmaps.set(self.unmaps.get() + 1);
        let mut tasks = self.tasks.borrow_mut();
        let table = tasks.get_mut(&thread.task()).expect("no such task");
        table.retain(|addr, (_, rights)| {
            if page.contains(*addr) {
                *rights = rights.without(page.rights());
            }
            rights.contains(Rights::R)
        });
    }

    fn reply_call(&self, thread: ThreadId, value: u64) {
        let saved = |n: usize| {
            let at = trampoline::save_area(thread.lthread()) + 8 * n as u64;
            let at = self.translate(thread, at, Rights::R).expect("it has saved its registers");
            (0..8).fold(0, |word, byte| word | u64::from(self.cell(at + byte).get()) << (8 * byte))
        };
        self.change(thread, |t| {
            match t.run {
                RunState::Foreign => {}
                // As the trampoline does.
                RunState::Receiving => {
                    for (n, register) in trampoline::SAVED.into_iter().enumerate() {
                        *trampoline::register_of(&mut t.state.regs, register) = saved(n);
                    }
                    t.state.regs.rip = t.state.regs.rcx;
                }
                other => panic!("nobody waits for an answer: {other:?}"),
            }
            t.state.regs.rax = value;
            t.run = RunState::Ready;
        });
    }
    fn reply_fault(&self, thread: ThreadId, items: &[MapItem]) {
        assert!(items.len() <= MAX_ITEMS);
        self.items.set(self.items.get() + items.len());
        self.change(thread, |t| {
            assert!(matches!(t.run, RunState::PageFault | RunState::Exception), "nobody waits for an answer");
            t.run = RunState::Ready;
        });
        for item in items {
            self.map(thread, item);
        }
    }

    fn is_profiled(&self) -> bool {
        self.profiled.get()
    }
    fn record(&self, event: trace::Event, argument: u64) {
        assert!(self.profiled.get(), "a record without a profile");
        self.record_for(Self::SERVER, event, argument);
    }
    fn record_for(&self, thread: ThreadId, event: trace::Event, argument: u64) {
        if self.profiled.get() {
            self.records.borrow_mut().push((thread, event, argument));
        }
    }

    fn own_id(&self) -> ThreadId {
        Self::SERVER
    }
    fn ticks(&self) -> u64 {
        self.now.get()
    }
    fn ticks_to_ns(&self, ticks: u64) -> u64 {
        ticks
    }
    fn monotonic_ns_at(&self, ticks: u64) -> u64 {
        ticks
    }
    fn wall_ns(&self) -> u64 {
        1_700_000_000_000_000_000 + self.now.get()
    }
    fn seed(&self) -> [u8; 32] {
        [7; 32]
    }
    fn hwcap(&self) -> u64 {
        0x0f8b_fbff
    }
    fn cpu_model(&self) -> String {
        "mock".into()
    }
    fn cpu_khz(&self) -> u64 {
        1_000_000
    }
    fn print(&self, _channel: Channel, bytes: &[u8]) {
        self.printed.borrow_mut().extend_from_slice(bytes);
    }
    fn log(&self, line: &str) {
        self.lines.borrow_mut().push(line.into());
    }
    fn exit(&self, status: u8) {
        self.exit.set(Some(status));
    }
}
