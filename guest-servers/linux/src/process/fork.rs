//! Making processes and threads: clone(2) and its simpler sisters.

use super::usage::{Times, Usage};
use super::{Pid, Process, State, Thread};
use crate::errno::Errno;
use crate::exec::WaitQueue;
use crate::machine::{MachineError, ThreadState};
use crate::mm::Mm;
use crate::mm::user::UserMemory;
use crate::server::Server;
use crate::signal::set::Signal;
use crate::syscall::Ctx;
use crate::trampoline::Doing;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};
use linux_raw_sys::general as raw;

pub const CLONE_VM: u64 = raw::CLONE_VM as u64;
pub const CLONE_FS: u64 = raw::CLONE_FS as u64;
pub const CLONE_FILES: u64 = raw::CLONE_FILES as u64;
pub const CLONE_SIGHAND: u64 = raw::CLONE_SIGHAND as u64;
pub const CLONE_VFORK: u64 = raw::CLONE_VFORK as u64;
pub const CLONE_PARENT: u64 = raw::CLONE_PARENT as u64;
pub const CLONE_THREAD: u64 = raw::CLONE_THREAD as u64;
pub const CLONE_SYSVSEM: u64 = raw::CLONE_SYSVSEM as u64;
pub const CLONE_SETTLS: u64 = raw::CLONE_SETTLS as u64;
pub const CLONE_PARENT_SETTID: u64 = raw::CLONE_PARENT_SETTID as u64;
pub const CLONE_CHILD_CLEARTID: u64 = raw::CLONE_CHILD_CLEARTID as u64;
pub const CLONE_DETACHED: u64 = raw::CLONE_DETACHED as u64;
pub const CLONE_CHILD_SETTID: u64 = raw::CLONE_CHILD_SETTID as u64;

const EXIT_SIGNAL: u64 = 0xff;
const SUPPORTED: u64 = EXIT_SIGNAL
    | CLONE_VM
    | CLONE_FS
    | CLONE_FILES
    | CLONE_SIGHAND
    | CLONE_VFORK
    | CLONE_PARENT
    | CLONE_THREAD
    | CLONE_SYSVSEM
    | CLONE_SETTLS
    | CLONE_PARENT_SETTID
    | CLONE_CHILD_CLEARTID
    | CLONE_DETACHED
    | CLONE_CHILD_SETTID;

/// Frames that must be free for a process to be made.
const FORK_RESERVE: usize = 64;

/// What clone(2) is asked for.
#[derive(Clone, Copy, Default, Debug)]
pub struct CloneArgs {
    pub flags: u64,
    /// Stack pointer of the child; 0: that of the parent.
    pub stack: u64,
    pub parent_tid: u64,
    pub child_tid: u64,
    pub tls: u64,
}

impl CloneArgs {
    fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    fn check(&self) -> Result<(), Errno> {
        let needs = |a: u64, b: u64| self.has(a) && !self.has(b);
        if self.flags & !SUPPORTED != 0
            || needs(CLONE_THREAD, CLONE_SIGHAND)
            || needs(CLONE_SIGHAND, CLONE_VM)
        {
            return Err(Errno::EINVAL);
        }
        // Sharing handlers between processes is for threads only here.
        if needs(CLONE_SIGHAND, CLONE_THREAD) {
            return Err(Errno::EINVAL);
        }
        Ok(())
    }
}

impl From<MachineError> for Errno {
    fn from(e: MachineError) -> Self {
        match e {
            MachineError::NoMemory => Self::EAGAIN,
            MachineError::Refused => Self::ENOMEM,
        }
    }
}

impl Server {
    /// Makes a process or thread for the caller. Returns its number, and the process if it is one.
    pub fn clone_process(
        self: &Rc<Self>,
        c: &Ctx,
        args: CloneArgs,
    ) -> Result<(Pid, Option<Rc<Process>>), Errno> {
        args.check()?;
        if self.frames.free_frames() < FORK_RESERVE {
            return Err(Errno::EAGAIN);
        }
        let pid = self.processes.new_pid()?;
        let mut state = self.program_state(&c.thread, &c.proc, Doing::Call)?;
        state.regs.rax = 0;
        if args.stack != 0 {
            state.regs.rsp = args.stack;
        }
        if args.has(CLONE_SETTLS) {
            state.fs_base = args.tls;
        }
        if args.has(CLONE_PARENT_SETTID) {
            c.user().write_u32(args.parent_tid, pid as u32)?;
        }
        if args.has(CLONE_THREAD) {
            self.clone_thread(c, args, pid, &state)?;
            return Ok((pid, None));
        }
        let mm = if args.has(CLONE_VM) {
            c.proc.mm()
        } else {
            Mm::from_space(c.proc.mm().space.borrow_mut().fork()?)
        };
        if args.has(CLONE_CHILD_SETTID) {
            UserMemory::of(mm.clone()).write_u32(args.child_tid, pid as u32)?;
        }
        let l4 = if args.has(CLONE_VM) {
            self.new_thread_in(&mm, c, &state)?
        } else {
            self.machine.new_task(&state)?
        };
        mm.enter();
        mm.set_task(l4);
        let child = self.child_of(c, args, pid, mm);
        let thread = Thread::new(pid, Rc::downgrade(&child), l4, c.thread.mask.get());
        if args.has(CLONE_CHILD_CLEARTID) {
            thread.clear_child_tid.set(args.child_tid);
        }
        // As Linux: the alternate stack is kept, but where stack and memory are new ones for a shared space.
        if !args.has(CLONE_VM) || args.has(CLONE_VFORK) {
            thread.alt_stack.set(c.thread.alt_stack.get());
        }
        self.tell_name(&child, &thread);
        child.threads.borrow_mut().push(thread.clone());
        self.processes.add_thread(thread.clone(), child.clone());
        self.processes.add(child.clone());
        if let Some(parent) = child.parent() {
            parent.children.borrow_mut().push(child.clone());
        }
        self.tell_start(&child, &thread);
        Ok((pid, Some(child)))
    }

    fn new_thread_in(&self, mm: &Mm, c: &Ctx, state: &ThreadState) -> Result<ukernel_abi::ThreadId, Errno> {
        let number = mm.take_lthread().ok_or(Errno::EAGAIN)?;
        self.machine.new_thread(c.thread.l4.get(), number, state).map_err(|e| {
            mm.release_lthread(number);
            e.into()
        })
    }

    fn clone_thread(&self, c: &Ctx, args: CloneArgs, tid: Pid, state: &ThreadState) -> Result<(), Errno> {
        if args.has(CLONE_CHILD_SETTID) {
            c.user().write_u32(args.child_tid, tid as u32)?;
        }
        let l4 = self.new_thread_in(&c.proc.mm(), c, state)?;
        let thread = Thread::new(tid, Rc::downgrade(&c.proc), l4, c.thread.mask.get());
        if args.has(CLONE_CHILD_CLEARTID) {
            thread.clear_child_tid.set(args.child_tid);
        }
        c.proc.threads.borrow_mut().push(thread.clone());
        self.processes.add_thread(thread, c.proc.clone());
        Ok(())
    }

    fn child_of(&self, c: &Ctx, args: CloneArgs, pid: Pid, mm: Rc<Mm>) -> Rc<Process> {
        let p = &c.proc;
        let parent = if args.has(CLONE_PARENT) { p.parent.borrow().clone() } else { Rc::downgrade(p) };
        let files = if args.has(CLONE_FILES) { p.files() } else { Rc::new(p.files().copy()) };
        let fs = if args.has(CLONE_FS) { p.fs() } else { Rc::new(p.fs().copy()) };
        Rc::new(Process {
            pid,
            parent: RefCell::new(parent),
            children: RefCell::default(),
            pgid: p.pgid.clone(),
            sid: p.sid.clone(),
            state: Cell::new(State::Running),
            report: Cell::new(None),
            has_execed: Cell::new(false),
            threads: RefCell::default(),
            mm: RefCell::new(mm),
            files: RefCell::new(files),
            fs: RefCell::new(fs),
            credentials: p.credentials.clone(),
            limits: p.limits.clone(),
            actions: p.actions.clone(),
            pending: RefCell::default(),
            signal_sent: WaitQueue::new(),
            exit_signal: Signal::new(args.flags & EXIT_SIGNAL),
            death_signal: Cell::new(None),
            child_changed: WaitQueue::new(),
            released_mm: WaitQueue::new(),
            borrows_mm: Cell::new(args.has(CLONE_VM)),
            comm: p.comm.clone(),
            cmdline: p.cmdline.clone(),
            environ: p.environ.clone(),
            auxv: p.auxv.clone(),
            exe: p.exe.clone(),
            start_ns: self.timers.now(),
            usage: Usage::default(),
            child_times: Cell::new(Times::default()),
            real_timer: RefCell::default(),
        })
    }
}
