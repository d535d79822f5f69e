//! The server: the state that everything shares, and what to do about one event.
//!
//! [`Server::handle`], and [`Server::call`] for a system call, is the body of the event loop. It never waits: what has to wait becomes a task of the executor, and is
//! polled again at the end of an event that has woken it. How long the loop may wait for the next event is
//! [`Server::next_deadline`].

use crate::disk::Disk;
use crate::event::{Event, Exception, PageFault};
use crate::exec::{Executor, Timers};
use crate::frames::FramePool;
use crate::fs::Vfs;
use crate::futex::Futexes;
use crate::machine::Machine;
use crate::mm::fault::FaultError;
use crate::process::table::ProcessTable;
use crate::process::threads::Runner;
use crate::process::usage::{Meter, Times, Usage};
use crate::process::{Process, Thread, exit};
use crate::profile::{self, Profile};
use crate::random::Random;
use crate::signal::deliver::Resume;
use crate::signal::frame::LastFault;
use crate::signal::info::{self, SigInfo};
use crate::signal::set::Signal;
use crate::strace::{Mode, Trace};
use crate::syscall::Ctx;
use crate::trampoline::Trampoline;
use crate::tty::Console;
use crate::tty::terminal::WindowSize;
use alloc::format;
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use ukernel_abi::ThreadId;

pub struct Server {
    pub machine: Rc<dyn Machine>,
    pub frames: FramePool,
    pub executor: Executor,
    pub timers: Timers,
    pub processes: ProcessTable,
    pub futexes: Futexes,
    pub vfs: Vfs,
    pub trace: Trace,
    pub(crate) profile: Profile,
    pub random: RefCell<Random>,
    /// The L4 thread whose message is being handled.
    pub(crate) current: Cell<ThreadId>,
    pub meter: Meter,
    /// What system calls come through, if they do not come from the µ-kernel.
    pub trampoline: Option<Trampoline>,
    pub console: Console,
    pub disk: Option<Rc<Disk>>,
    /// Input that the console had no room for yet.
    unread: RefCell<Vec<u8>>,
}

/// Frames that only the server itself may use.
const RESERVE: usize = 256;
/// Pages that make no difference when memory is out.
const ABOUT: u64 = 256;
/// Vector of a page fault (SDM vol. 3, 6.15).
const PAGE_FAULT: u64 = 14;
/// And of a single step.
const DEBUG: u64 = 1;

impl Server {
    pub fn new(
        machine: Rc<dyn Machine>,
        vfs: Vfs,
        console: Console,
        timers: Timers,
        mode: Mode,
        trampoline: Option<Trampoline>,
        disk: Option<Rc<Disk>>,
    ) -> Rc<Self> {
        let frames = vfs.pool().clone();
        frames.set_reserve(RESERVE.min(frames.total() / 8));
        let random = RefCell::new(Random::new(machine.seed()));
        Rc::new(Self {
            frames,
            executor: Executor::new(),
            timers,
            processes: ProcessTable::default(),
            futexes: Futexes::default(),
            vfs,
            trace: Trace::new(mode, machine.clone()),
            profile: Profile::new(machine.clone()),
            random,
            current: Cell::new(ThreadId::NIL),
            meter: Meter::default(),
            trampoline,
            console,
            disk,
            unread: RefCell::default(),
            machine,
        })
    }

    /// Deals with one event, other than a system call ([`Server::call`]), and with everything that it has made ready.
    pub fn handle(self: &Rc<Self>, event: Event<'_>) {
        let received = self.machine.ticks();
        self.timers.advance(self.machine.monotonic_ns_at(received));
        let source = match event {
            Event::PageFault { thread, .. }
            | Event::Exception { thread, .. }
            | Event::MapFailed { thread } => thread,
            _ => ThreadId::NIL,
        };
        let runner = self.processes.threads().get(source).cloned();
        let usage = runner.as_ref().map(|r| &r.process.usage);
        self.meter.received(usage, received);
        self.current.set(source);
        match (event, &runner) {
            (Event::PageFault { fault, .. }, Some(r)) => self.page_fault(r, fault),
            (Event::Exception { exception, .. }, Some(r)) => self.exception(r, exception),
            // If it is still there it has gone on, and will fault again.
            (Event::MapFailed { .. }, Some(r)) => _ = self.out_of_memory(&r.thread),
            // A message that was under way when its thread was ended.
            (Event::PageFault { .. } | Event::Exception { .. } | Event::MapFailed { .. }, None) => {}
            (Event::Input(bytes), _) => self.terminal_input(bytes),
            (Event::InputEnd, _) => self.console.input_ended(),
            (Event::Resize { rows, cols }, _) => self.terminal_resize(rows, cols),
            (Event::Disk { done }, _) => self.disk.iter().for_each(|disk| disk.ended(done)),
            (Event::Tick, _) => {}
        }
        self.settle(usage, received);
    }

    /// What has come at `received` by a process, or by nobody, has been dealt with: now comes what that has made ready.
    #[inline(always)]
    pub(crate) fn settle(&self, by: Option<&Usage>, received: u64) {
        self.current.set(ThreadId::NIL);
        self.executor.run_ready();
        if !self.wants_input() {
            self.terminal_input(&[]);
            self.executor.run_ready();
        }
        self.profile.turn_over();
        self.meter.done(by, received, self.machine.ticks());
    }

    /// When [`Event::Tick`] is wanted at the latest, in nanoseconds of the monotonic clock.
    pub fn next_deadline(&self) -> Option<u64> {
        self.timers.next_deadline()
    }

    /// The time that a process has used, without its children's.
    pub fn times(&self, process: &Process) -> Times {
        process.usage.times(&*self.machine)
    }

    /// Time in which no process ran, as far as that is known.
    pub fn idle_ns(&self) -> u64 {
        self.machine.ticks_to_ns(self.meter.idle())
    }

    /// Passes input to the console, and keeps what it has no room for.
    fn terminal_input(&self, bytes: &[u8]) {
        let mut unread = core::mem::take(&mut *self.unread.borrow_mut());
        unread.extend_from_slice(bytes);
        let taken = self.console.input(&unread);
        unread.drain(..taken.min(unread.len()));
        *self.unread.borrow_mut() = unread;
    }

    /// Whether more input may be given to the server: all that it has had so far is where programs can read it. While this is
    /// false the event loop should leave the console's messages unanswered.
    pub fn wants_input(&self) -> bool {
        self.unread.borrow().is_empty()
    }

    fn terminal_resize(&self, rows: u16, cols: u16) {
        self.console.resize(WindowSize { rows, columns: cols, width: 0, height: 0 });
    }

    /// Device number and foreground group of the terminal that controls a process, if one does.
    pub fn terminal_of(self: &Rc<Self>, process: &Rc<Process>) -> Option<(u64, u32)> {
        let thread = process.main_thread()?;
        let c = Ctx { server: self.clone(), thread, proc: process.clone(), args: [0; 6] };
        let group = self.console.terminal()?.foreground(&c).ok()?;
        Some((crate::fs::devices::number::CONSOLE.0, group))
    }

    pub fn is_current(&self, process: &Process) -> bool {
        process.threads.borrow().iter().any(|t| self.is_current_thread(t))
    }
    pub fn is_current_thread(&self, thread: &Thread) -> bool {
        thread.l4.get() == self.current.get()
    }

    fn page_fault(self: &Rc<Self>, Runner { thread, process }: &Runner, fault: PageFault) {
        self.profile.start(thread.l4.get(), profile::fault(PAGE_FAULT));
        let result = process.mm().space.borrow_mut().fault(fault.addr, fault.access);
        self.profile.end(thread.l4.get(), &Ok(0));
        let (signal, code) = match result {
            Ok(items) => {
                self.trace.page_fault(&items);
                return self.go_on(thread, Resume::Fault(items));
            }
            Err(FaultError::NoMapping) => (Signal::SIGSEGV, info::SEGV_MAPERR),
            Err(FaultError::Denied) => (Signal::SIGSEGV, info::SEGV_ACCERR),
            Err(FaultError::Bus) => (Signal::SIGBUS, info::BUS_ADRERR),
            Err(FaultError::NoMemory) => {
                if self.out_of_memory(thread) {
                    self.go_on(thread, Resume::Fault(Vec::new()));
                }
                return;
            }
        };
        thread.last_fault.set(LastFault { vector: PAGE_FAULT, code: fault.code, cr2: fault.addr });
        self.fault_signal(thread, process, SigInfo::fault(signal, code, fault.addr));
    }

    /// There is no memory for a page that a program needs. As with Linux, the process that has the most is ended, and process 1 last; of several with about
    /// as much, the youngest, so that whoever makes too many children loses these. Returns whether the thread is still there, to try again.
    fn out_of_memory(self: &Rc<Self>, thread: &Rc<Thread>) -> bool {
        let living = self.processes.all().into_iter().filter(|p| !p.is_zombie());
        let rank = |p: &Rc<Process>| (p.pid != 1, p.mm().space.borrow().exclusive() / ABOUT, p.pid);
        let Some(largest) = living.max_by_key(rank) else { return false };
        self.machine.log(&format!("linux: out of memory: killed process {}", largest.pid));
        self.exit_process(&largest, exit::killed_by(Signal::SIGKILL));
        thread.process.upgrade().is_some_and(|process| !process.is_zombie())
    }

    fn exception(self: &Rc<Self>, Runner { thread, process }: &Runner, e: Exception) {
        if e.vector == DEBUG && self.trampoline.as_ref().is_some_and(|t| t.holds(e.ip)) {
            // A program that steps through itself does not see these steps; the next one that it sees is behind its system call.
            return self.go_on(thread, Resume::Fault(Vec::new()));
        }
        self.profile.start(thread.l4.get(), profile::fault(e.vector));
        thread.last_fault.set(LastFault { vector: e.vector, code: e.code, cr2: 0 });
        let signal =
            crate::signal::fault::signal_for(&e, || self.machine.state(thread.l4.get()).ok().map(|s| s.fpu));
        self.profile.end(thread.l4.get(), &Ok(0));
        self.fault_signal(thread, process, signal);
    }

    /// What a thread has done gets it this signal; or another, or none, if a debugger wants it so.
    fn fault_signal(self: &Rc<Self>, thread: &Rc<Thread>, process: &Rc<Process>, info: SigInfo) {
        match self.machine.program_signal(thread.l4.get(), info.signal) {
            Some(signal) if signal == info.signal => self.force_signal(thread, process, info),
            Some(other) => self.force_signal(thread, process, SigInfo::kernel(other)),
            None => {}
        }
        self.go_on(thread, Resume::Fault(Vec::new()));
    }
}
