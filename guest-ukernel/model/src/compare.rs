//! What must be the same on both sides after every step, and what the scheduler promises.

use ukernel_abi::ThreadId;
use ukernel_abi::msg::Tag;
use ukernel_abi::utcb::Regs;
use ukernel_core::thread::{Thread as RealThread, ThreadRef};

use crate::naive::{Doing, Known, Thread, message_words};
use crate::op::Op;
use crate::rig::is_queued;
use crate::run::Pair;
use crate::world::LINES;

/// Floor that no priority reaches.
const ABOVE_ALL: u32 = 256;

/// What was before the step.
pub struct Before {
    running: Option<ThreadId>,
    /// Threads that waited for a message, or for the answer to a fault.
    waiting: Vec<ThreadId>,
    slice_over: bool,
    /// A time slice runs.
    sliced: bool,
}

impl Before {
    pub fn of(pair: &Pair) -> Self {
        let waits = |t: &&Thread| matches!(t.doing, Doing::Receiving { .. } | Doing::Faulted { .. });
        Self {
            running: pair.running(),
            waiting: pair.model.threads.iter().filter(waits).map(|t| t.id).collect(),
            slice_over: pair.rig.kernel.sched.floor.get() >= ABOVE_ALL,
            sliced: pair.rig.kernel.sched.sliced(),
        }
    }
}

macro_rules! same {
    ($real:expr, $model:expr, $($what:tt)*) => {
        match (&$real, &$model) {
            (real, model) => if real != model {
                return Err(format!("{}: kernel {:?}, model {:?}", format!($($what)*), real, model));
            }
        }
    };
}

pub fn compare(pair: &mut Pair, op: &Op, before: &Before) -> Result<(), String> {
    let alive: Vec<ThreadId> = pair.model.threads.iter().map(|t| t.id).collect();
    let real: Vec<ThreadId> = pair.rig.kernel.threads.borrow().iter().map(|t| t.id.get()).collect();
    same!(real, alive, "who lives");
    for (t, model) in pair.rig.kernel.threads.borrow().iter().zip(&pair.model.threads) {
        thread(pair, t, model).map_err(|what| format!("{:?}: {what}", model.id))?;
    }
    lines(pair)?;
    same!(*pair.rig.kernel.mapped.borrow(), pair.model.mapped, "map items");
    let (mut real, mut model) = (pair.rig.kernel.lost.borrow().clone(), pair.model.lost.clone());
    real.sort();
    model.sort();
    same!(real, model, "threads that nobody can help");
    let due = pair.model.threads.iter().filter_map(Thread::until).min();
    same!(pair.rig.kernel.timeouts.next_deadline(), due, "next timeout");
    scheduler(pair)?;
    hand_over(pair, op, before)?;
    turns(pair, op, before)?;
    fairness(pair, op)
}

fn thread(pair: &Pair, t: ThreadRef, model: &Thread) -> Result<(), String> {
    same!(t.run_state(), model.run_state(), "state");
    let partner = t.partner.get();
    match model.doing {
        Doing::Ready | Doing::Lost => {}
        Doing::Sending { to: whom, .. }
        | Doing::Receiving { from: whom, .. }
        | Doing::Faulted { by: whom, .. } => {
            if partner != whom && !t.is_partner(whom) {
                same!(partner, whom, "partner");
            }
        }
    }
    let until = t.timeout_queued.get().then_some(t.deadline.get());
    same!(until, model.until(), "timeout");
    same!(senders(t), pair.model.senders(model.id), "senders");
    registers(&pair.rig.registers(t), model)?;
    if let (Some(cells), Some(utcb)) = (t.utcb.get(), &model.utcb) {
        let words: Vec<u64> = cells.words.iter().map(|w| w.get()).collect();
        same!(words, utcb.words.to_vec(), "words in the UTCB");
    }
    Ok(())
}

fn senders(t: &RealThread) -> Vec<ThreadId> {
    let mut at = t.senders.first();
    let mut senders = Vec::new();
    while let Some(s) = at {
        senders.push(s.id.get());
        at = s.send_link.next();
    }
    senders
}

/// Those that have a meaning.
fn registers(real: &Regs, thread: &Thread) -> Result<(), String> {
    let model = &thread.regs;
    let kept = |r: &Regs| [r.r15, r.rbp, r.rsp, r.rip, r.rflags, r.cs, r.ss];
    same!(kept(real), kept(model), "registers that every call keeps");
    if !matches!(thread.doing, Doing::Receiving { .. }) {
        same!(real.rax, model.rax, "rax");
    }
    match thread.known {
        Known::Nothing => {}
        Known::Message(words) => {
            same!(real.r12, model.r12, "sender");
            let tag = Tag::from_rax(model.rax);
            if tag.is_redirected() {
                same!(real.r13, model.r13, "for whom it was meant");
            }
            if tag.is_propagated() {
                same!(real.r14, model.r14, "who has sent it");
            }
            same!(message_words(real)[..words], message_words(model)[..words], "message words");
        }
        Known::All => {
            let others = |r: &Regs| [r.r12, r.r13, r.r14];
            same!(others(real), others(model), "other registers");
            same!(message_words(real), message_words(model), "registers");
            if thread.doing == Doing::Ready {
                same!((real.rcx, real.r11), (model.rcx, model.r11), "rcx and r11");
            }
        }
    }
    Ok(())
}

fn lines(pair: &Pair) -> Result<(), String> {
    for line in 0..LINES {
        let model = pair.model.lines[line as usize];
        let owner = pair.rig.kernel.irqs.owner(line).map(|t| t.id.get());
        same!(owner, model.owner, "owner of line {line}");
    }
    for (t, model) in pair.rig.kernel.threads.borrow().iter().zip(&pair.model.threads) {
        let pending = pair.model.lines.iter().filter(|l| l.owner == Some(model.id) && l.count > 0).count();
        same!(usize::from(t.pending_lines.get()), pending, "lines pending for {:?}", model.id);
    }
    Ok(())
}

/// The highest priority runs, everybody else who can run is queued, and the floor is not below them.
fn scheduler(pair: &Pair) -> Result<(), String> {
    let kernel = &pair.rig.kernel;
    let threads = kernel.threads.borrow();
    let highest = threads.iter().filter(|t| t.is_runnable()).map(|t| t.priority.get()).max();
    let running = pair.rig.running;
    if running.is_some_and(|t| !t.is_runnable()) {
        return Err(format!("{:?} runs and cannot", pair.running()));
    }
    same!(running.map(|t| t.priority.get()), highest, "priority of the running thread and the highest");
    for t in threads.iter() {
        let id = t.id.get();
        same!(
            t.ready_queued.get(),
            is_queued(kernel, t),
            "{id:?}: what it says about its ready queue and what is there"
        );
        if t.is_runnable() && !running.is_some_and(|r| core::ptr::eq(r, *t)) {
            if !t.ready_queued.get() {
                return Err(format!("{id:?} can run and is in no queue"));
            }
            // Equal only while a time slice runs, which ends.
            if kernel.sched.floor.get() < u32::from(t.priority.get()) + u32::from(!kernel.sched.sliced()) {
                return Err(format!("{id:?} waits above the floor"));
            }
        }
    }
    Ok(())
}

/// Whoever sends to a waiting thread and blocks hands it the processor, unless somebody of higher priority can run. Whoever does not block keeps it,
/// with the same exception.
fn hand_over(pair: &Pair, op: &Op, before: &Before) -> Result<(), String> {
    if !op.is_a_threads() || before.slice_over {
        return Ok(());
    }
    let Some(me) = before.running.and_then(|id| pair.model.find(id)) else { return Ok(()) };
    let threads = pair.rig.kernel.threads.borrow();
    let priority = |id| threads.iter().find(|t| t.id.get() == id).map(|t| t.priority.get());
    let highest = threads.iter().filter(|t| t.is_runnable()).map(|t| t.priority.get()).max();
    if me.is_runnable() {
        if priority(me.id) == highest {
            same!(pair.running(), Some(me.id), "who keeps the processor");
        }
        return Ok(());
    }
    let mut woken = before.waiting.iter().filter(|id| pair.model.find(**id).is_some_and(Thread::is_runnable));
    if let (Some(partner), None) = (woken.next(), woken.next())
        && priority(*partner) == highest
    {
        same!(pair.running(), Some(*partner), "who is handed the processor");
    }
    Ok(())
}

/// Threads of the same priority take turns: while one waits, a time slice runs, and when it has ended another one runs.
fn turns(pair: &Pair, op: &Op, before: &Before) -> Result<(), String> {
    let kernel = &pair.rig.kernel;
    let Some(running) = pair.rig.running else { return Ok(()) };
    let waits = |t: &ThreadRef| {
        !core::ptr::eq(*t, running) && t.is_runnable() && t.priority.get() == running.priority.get()
    };
    if !kernel.threads.borrow().iter().any(waits) {
        return Ok(());
    }
    if !kernel.sched.sliced() && kernel.sched.floor.get() < ABOVE_ALL {
        return Err(format!("{:?} runs without a time slice while others wait", pair.running()));
    }
    if matches!(op, Op::EndSlice) && before.sliced && pair.running() == before.running {
        return Err(format!("{:?} still runs after its time slice", pair.running()));
    }
    Ok(())
}

/// Nobody of the highest priority waits for longer than all others' time slices.
fn fairness(pair: &mut Pair, op: &Op) -> Result<(), String> {
    let threads = pair.rig.kernel.threads.borrow().clone();
    let top = pair.rig.running.map(|t| t.priority.get());
    let running = pair.running();
    let waits = |id: ThreadId| {
        let t = threads.iter().find(|t| t.id.get() == id);
        running != Some(id) && t.is_some_and(|t| t.is_runnable() && Some(t.priority.get()) == top)
    };
    pair.passed_over.retain(|(id, _)| waits(*id));
    if !matches!(op, Op::EndSlice) {
        return Ok(());
    }
    for t in threads.iter().filter(|t| waits(t.id.get())) {
        let id = t.id.get();
        match pair.passed_over.iter_mut().find(|(other, _)| *other == id) {
            Some((_, times)) => *times += 1,
            None => pair.passed_over.push((id, 1)),
        }
    }
    match pair.passed_over.iter().find(|(_, times)| *times > threads.len()) {
        Some((id, times)) => Err(format!("{id:?} has been passed over {times} times")),
        None => Ok(()),
    }
}
