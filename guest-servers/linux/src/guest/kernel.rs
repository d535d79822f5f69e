//! `Machine` by L4 calls.
//!
//! One answer is held back, for the event loop to send with its next wait. It is sent early when another follows, or when
//! something else is done to the same task: an answer that came after that would undo it, or go to a thread that is in another state.

use core::cell::{Cell, RefCell};
use linux::machine::{Machine, MachineError, ThreadState};
use linux::signal::set::Signal;
use linux::trampoline::{self, Entry};
use linux::tty::Channel;
use proto::Message;
use ukernel_abi::call::{ex_regs, task_new};
use ukernel_abi::utcb::{FpuState, Regs, RunState};
use ukernel_abi::{Fpage, Label, MapItem, Status, ThreadId};
use userlib::clock::{Clock, tsc};
use userlib::console::Console;
use userlib::thread::{Before, ExRegs, set_schedule};
use userlib::utcb::Utcb;
use userlib::{Me, cpu, debug, ipc, kip, names, root, task, trace};

use alloc::boxed::Box;
use alloc::string::{String, ToString};

/// Priority of programs: below that of every server.
const PRIORITY: u8 = 50;
/// Kernel memory that a program may use, in frames: page tables and mappings of some hundred megabytes.
const KERNEL_FRAMES: u64 = 8192;

/// An answer that has not been sent yet.
pub struct Held {
    pub to: ThreadId,
    pub message: Message,
}

pub struct Kernel {
    me: ThreadId,
    utcb: Utcb,
    console: Console,
    entry: Entry,
    clock: Clock,
    /// The answer to a system call, or to anything else: one of the two at most. The first is the usual one, and short.
    result: Cell<Option<(ThreadId, u64)>>,
    held: RefCell<Option<Held>>,
    ended: Cell<bool>,
}

impl Kernel {
    pub fn new(me: Me, console: Console, entry: Entry) -> Self {
        let clock = Clock::of(kip::kip());
        Self {
            me: me.id,
            utcb: me.utcb,
            console,
            entry,
            clock,
            result: Cell::new(None),
            held: RefCell::new(None),
            ended: Cell::new(false),
        }
    }

    /// Reading of the TSC from which on it is `ns` nanoseconds since the machine started.
    pub fn tsc_at(&self, ns: u64) -> u64 {
        self.clock.tsc_at(ns)
    }

    pub fn utcb(&self) -> Utcb {
        self.utcb
    }

    /// Whether an answer is held back.
    #[inline]
    pub fn is_holding(&self) -> bool {
        self.result.get().is_some() || self.held.borrow().is_some()
    }

    /// The result of a system call that was held back, to be sent now.
    pub fn take_result(&self) -> Option<(ThreadId, u64)> {
        self.result.take()
    }

    /// Any other answer that was held back.
    pub fn take_held(&self) -> Option<Held> {
        self.held.borrow_mut().take()
    }

    /// Holds an answer back; one that is held already is sent.
    pub fn hold(&self, to: ThreadId, message: Message) {
        self.flush();
        *self.held.borrow_mut() = Some(Held { to, message });
    }

    #[inline]
    fn flush(&self) {
        if self.is_holding() {
            self.send_held();
        }
    }

    #[inline(never)]
    fn send_held(&self) {
        let send = |to: ThreadId, message: &Message| {
            self.record(trace::Event::REPLY, to.0);
            // A thread that does not wait is a thread that has been ended.
            let _ = ipc::send(to, message, ipc::NOW);
        };
        if let Some((to, value)) = self.take_result() {
            send(to, &answer(value));
        } else if let Some(held) = self.take_held() {
            send(held.to, &held.message);
        }
    }

    /// Sends the held answer if it is for the task of `thread`.
    fn flush_task(&self, thread: ThreadId) {
        let result = self.result.get().map(|(to, _)| to);
        let held = || self.held.borrow().as_ref().map(|h| h.to);
        if result.or_else(held).is_some_and(|to| to.task() == thread.task()) {
            self.flush();
        }
    }

    fn exchange(&self, thread: ThreadId, request: ExRegs) -> Result<Before, MachineError> {
        self.flush_task(thread);
        request.apply(thread).map_err(error)
    }

    fn put_state(&self, state: &ThreadState) {
        self.utcb.set_regs(&state.regs);
        self.utcb.set_fpu(&state.fpu);
        self.utcb.set_bases(state.fs_base, state.gs_base);
    }
}

/// The answer to a system call, whichever way it came.
pub fn answer(value: u64) -> Message {
    Message::new(Label(0), [value])
}

fn error(status: Status) -> MachineError {
    if status == Status::NoMemory { MachineError::NoMemory } else { MachineError::Refused }
}

impl Machine for Kernel {
    fn new_task(&self, state: &ThreadState) -> Result<ThreadId, MachineError> {
        self.put_state(state);
        let new = task::NewTask {
            flags: task_new::SET_REGS | task_new::SET_FPU | task_new::USES_FPU,
            ip: state.regs.rip,
            sp: state.regs.rsp,
            pager: self.me,
            handler: self.me,
            kernel_frames: KERNEL_FRAMES,
            priority: PRIORITY,
        };
        let made = match self.entry {
            Entry::Forwarded => new.make(),
            Entry::Trampoline => new.make_reflecting(trampoline::entry(0)),
        };
        made.map_err(error)
    }
    fn delete_task(&self, thread: ThreadId) {
        self.flush_task(thread);
        names::clear(thread.task());
        let _gone_already = task::delete(thread);
    }
    fn new_thread(
        &self,
        sibling: ThreadId,
        number: u16,
        state: &ThreadState,
    ) -> Result<ThreadId, MachineError> {
        self.flush_task(sibling);
        self.put_state(state);
        let flags = ex_regs::CREATE | ex_regs::SET_REGS | ex_regs::SET_FPU | ex_regs::USES_FPU;
        let thread = ThreadId::new(sibling.task(), number, sibling.version());
        let mut request = ExRegs::new(flags).pager(self.me).handler(self.me);
        if self.entry == Entry::Trampoline {
            request = request.trampoline(trampoline::entry(number));
        }
        let made = request.apply(thread).map_err(error)?.thread;
        // It is made with the priority of its maker, and must not run with that.
        let lowered = set_schedule(made, Some(PRIORITY), None);
        if let Err(status) = lowered.and_then(|_| ExRegs::new(ex_regs::RESUME).apply(made)) {
            self.destroy_thread(made);
            return Err(error(status));
        }
        Ok(made)
    }
    fn destroy_thread(&self, thread: ThreadId) {
        let _gone_already = self.exchange(thread, ExRegs::new(ex_regs::DESTROY));
    }

    fn regs(&self, thread: ThreadId) -> Result<(RunState, Regs), MachineError> {
        let before = self.exchange(thread, ExRegs::new(ex_regs::GET_REGS))?;
        Ok((before.state, self.utcb.regs()))
    }
    fn state(&self, thread: ThreadId) -> Result<Box<ThreadState>, MachineError> {
        self.exchange(thread, ExRegs::new(ex_regs::GET_REGS | ex_regs::GET_FPU))?;
        let (fs_base, gs_base) = self.utcb.bases();
        Ok(Box::new(ThreadState { regs: self.utcb.regs(), fpu: self.utcb.fpu(), fs_base, gs_base }))
    }
    fn set_regs(&self, thread: ThreadId, regs: &Regs) -> Result<(), MachineError> {
        self.utcb.set_regs(regs);
        self.exchange(thread, ExRegs::new(ex_regs::SET_REGS | ex_regs::RESUME)).map(|_| ())
    }
    fn set_regs_fpu(&self, thread: ThreadId, regs: &Regs, fpu: &FpuState) -> Result<(), MachineError> {
        self.utcb.set_regs(regs);
        self.utcb.set_fpu(fpu);
        let flags = ex_regs::SET_REGS | ex_regs::SET_FPU | ex_regs::RESUME;
        self.exchange(thread, ExRegs::new(flags)).map(|_| ())
    }
    fn restart(&self, thread: ThreadId, regs: &Regs) -> Result<(), MachineError> {
        self.utcb.set_regs(regs);
        let flags = ex_regs::SET_REGS | ex_regs::RESET_FPU | ex_regs::RESUME;
        self.exchange(thread, ExRegs::new(flags)).map(|_| ())
    }
    fn set_fs_base(&self, thread: ThreadId, base: u64) -> Result<(), MachineError> {
        self.exchange(thread, ExRegs::new(0).fs_base(base)).map(|_| ())
    }
    fn name_task(&self, thread: ThreadId, name: &[u8]) {
        names::set(thread.task(), name);
    }
    fn program_starts(&self, thread: ThreadId) {
        debug::program_starts(thread);
    }
    fn program_signal(&self, thread: ThreadId, signal: Signal) -> Option<Signal> {
        Signal::new(debug::program_signal(thread, signal.number().into()))
    }
    fn stop(&self, thread: ThreadId) {
        let _gone = self.exchange(thread, ExRegs::new(ex_regs::STOP));
    }
    fn resume(&self, thread: ThreadId) {
        let _gone = self.exchange(thread, ExRegs::new(ex_regs::RESUME));
    }

    fn unmap(&self, thread: ThreadId, page: Fpage) {
        self.flush_task(thread);
        if let Err(status) = task::unmap_in(thread, page) {
            userlib::log!("linux: cannot unmap {page:?} of {thread:?}: {status:?}");
        }
    }

    fn reply_call(&self, thread: ThreadId, value: u64) {
        self.flush();
        self.result.set(Some((thread, value)));
    }
    fn reply_fault(&self, thread: ThreadId, items: &[MapItem]) {
        // Items beyond the registers are put into the UTCB, from where the message before must have gone.
        self.flush();
        let mut message = Message::new(Label(0), []);
        for item in items {
            if !self.utcb.push_item(&mut message, *item) {
                break;
            }
        }
        self.hold(thread, message);
    }

    fn is_profiled(&self) -> bool {
        trace::is_on()
    }
    fn record(&self, event: trace::Event, argument: u64) {
        trace::event_of(self.me, event, argument);
    }
    fn record_for(&self, thread: ThreadId, event: trace::Event, argument: u64) {
        trace::event_of(thread, event, argument);
    }

    fn own_id(&self) -> ThreadId {
        self.me
    }
    fn ticks(&self) -> u64 {
        tsc()
    }
    fn ticks_to_ns(&self, ticks: u64) -> u64 {
        self.clock.ticks_to_ns(ticks)
    }
    fn monotonic_ns_at(&self, ticks: u64) -> u64 {
        self.clock.monotonic_ns(ticks)
    }
    fn wall_ns(&self) -> u64 {
        self.clock.wall_ns(tsc())
    }
    /// RDRAND, mixed with the time. Without RDRAND there is only the time: hard to guess from outside, but no secret from who
    /// can watch the machine.
    fn seed(&self) -> [u8; 32] {
        let mut seed = [0; 32];
        let mut mixed = self.wall_ns();
        for chunk in seed.chunks_exact_mut(8) {
            for _ in 0..16 {
                mixed = (mixed ^ tsc()).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23);
            }
            chunk.copy_from_slice(&(mixed ^ cpu::random().unwrap_or_default()).to_le_bytes());
        }
        seed
    }
    fn hwcap(&self) -> u64 {
        cpu::features().into()
    }
    fn cpu_model(&self) -> String {
        String::from_utf8_lossy(&cpu::brand()).trim_matches(['\0', ' ']).to_string()
    }
    fn cpu_khz(&self) -> u64 {
        kip::kip().tsc_khz
    }

    fn print(&self, channel: Channel, bytes: &[u8]) {
        if let Err(why) = self.console.write(channel as u32, bytes) {
            userlib::log!("linux: cannot print: {why:?}");
        }
    }
    fn log(&self, line: &str) {
        self.print(Channel::Err, line.as_bytes());
        self.print(Channel::Err, b"\n");
    }
    fn exit(&self, status: u8) {
        if !self.ended.replace(true) {
            root::exit(status);
        }
    }
}
