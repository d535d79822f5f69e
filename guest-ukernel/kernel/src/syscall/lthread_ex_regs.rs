//! `lthread_ex_regs`: reads and changes threads.
//!
//! L4 V2 lets a task do this to its own threads; here a chief can do it to those of the tasks it made, which is what
//! a Linux server needs to fork processes and deliver signals.

use ukernel_abi::ThreadId;
use ukernel_abi::call::{Status, ex_regs::*};
use ukernel_abi::utcb::Regs;
use ukernel_core::ipc::{self, Env};
use ukernel_core::thread::{ThreadRef, UtcbRef};

use crate::arch::{fpu, xstate};
use crate::kernel::kernel;
use crate::task::{self, Start, user_selectors};
use crate::{regs, tcb};

const ALL: u64 = (SET_PREEMPTER << 1) - 1;
/// Flags by which the thread goes on otherwise than it would have.
const CHANGES: u64 = SET_IP | SET_SP | SET_REGS | CANCEL;
const IN_UTCB: u64 = GET_REGS | SET_REGS | GET_FPU | SET_FPU;

/// See [`ukernel_abi::call::ex_regs`].
pub fn call(me: ThreadRef) -> Status {
    let flags = me.frame.rbx.get();
    if flags & !ALL != 0 {
        return Status::BadArgument;
    }
    match exchange(me, flags) {
        Ok(()) => Status::Ok,
        Err(status) => status,
    }
}

fn exchange(me: ThreadRef, flags: u64) -> Result<(), Status> {
    let id = ThreadId(me.frame.r12.get());
    let utcb = me.utcb.get();
    if flags & IN_UTCB != 0 && utcb.is_none() {
        return Err(Status::BadArgument);
    }
    check_values(me, flags, utcb)?;
    if flags & CREATE != 0 {
        return create(me, id, flags);
    }
    let t = task::controlled(me, id)?;
    if flags & DESTROY != 0 {
        kernel().tasks.delete_thread(t);
        return Ok(());
    }
    let old = [
        t.run_state(),
        t.rip().get(),
        t.frame.rsp.get(),
        t.pager.get().0,
        t.handler.get().0,
        t.trampoline.get(),
        t.preempter.get().0,
    ];
    let args = Args::of(me);
    if let Some(utcb) = utcb {
        read_state(t, utcb, flags);
    }
    if flags & CHANGES != 0 {
        kernel().smp.void_trap(t);
    }
    if flags & (CANCEL | SET_REGS) != 0 {
        ipc::cancel(kernel(), t);
    }
    if let Some(utcb) = utcb {
        write_state(t, utcb, flags);
    }
    apply(t, flags, &args);
    set_running(t, flags);
    let out = &me.frame;
    for (cell, value) in
        [&out.rbx, &out.rdi, &out.rsi, &out.rdx, &out.r10, &out.r9, &out.r13].into_iter().zip(old)
    {
        cell.set(value);
    }
    out.r12.set(t.id.get().0);
    Ok(())
}

/// The arguments, taken before anything is changed: a thread may change itself.
struct Args {
    ip: u64,
    sp: u64,
    pager: ThreadId,
    handler: ThreadId,
    fs_base: u64,
    trampoline: u64,
    preempter: ThreadId,
}

impl Args {
    fn of(me: ThreadRef) -> Self {
        let f = &me.frame;
        Self {
            ip: f.rdi.get(),
            sp: f.rsi.get(),
            pager: ThreadId(f.rdx.get()),
            handler: ThreadId(f.r10.get()),
            fs_base: f.r8.get(),
            trampoline: f.r9.get(),
            preempter: ThreadId(f.r13.get()),
        }
    }
}

/// Refuse what no thread can have.
fn check_values(me: ThreadRef, flags: u64, utcb: Option<UtcbRef>) -> Result<(), Status> {
    let ip_ok = flags & SET_IP == 0 || regs::rip_is_valid(me.frame.rdi.get());
    let regs_ok = flags & SET_REGS == 0 || utcb.is_some_and(|u| regs::rip_is_valid(u.regs.get().rip));
    let base_ok = flags & SET_FS_BASE == 0 || regs::rip_is_valid(me.frame.r8.get());
    let trampoline_ok = flags & SET_TRAMPOLINE == 0 || regs::rip_is_valid(me.frame.r9.get());
    if ip_ok && regs_ok && base_ok && trampoline_ok { Ok(()) } else { Err(Status::BadArgument) }
}

fn create(me: ThreadRef, id: ThreadId, flags: u64) -> Result<(), Status> {
    let task = kernel().tasks.find(id.task()).ok_or(Status::NotExistent)?;
    let own = me.id.get().task();
    if task.number() != own && task.chief() != own {
        return Err(Status::Denied);
    }
    if id.lthread() == 0 || tcb::find_any_version(id).is_some() {
        return Err(Status::BadArgument);
    }
    let args = Args::of(me);
    let mut regs = match me.utcb.get() {
        Some(utcb) if flags & SET_REGS != 0 => utcb.regs.get(),
        _ => Regs::default(),
    };
    if flags & SET_IP != 0 {
        regs.rip = args.ip;
    }
    if flags & SET_SP != 0 {
        regs.rsp = args.sp;
    }
    (regs.cs, regs.ss) = user_selectors();
    let start = Start {
        regs,
        pager: if flags & SET_PAGER != 0 { args.pager } else { me.pager.get() },
        handler: if flags & SET_HANDLER != 0 { args.handler } else { me.handler.get() },
        trampoline: match flags & SET_TRAMPOLINE {
            // The caller's own has a meaning in the caller's space alone.
            0 if task.number() == own => me.trampoline.get(),
            0 => 0,
            _ => args.trampoline,
        },
        priority: me.priority.get(),
        uses_fpu: flags & USES_FPU != 0 || me.uses_fpu.get(),
        with_utcb: flags & WITH_UTCB != 0,
        stopped: true,
    };
    let t = kernel().tasks.create_thread(task, id.lthread(), &start).map_err(|_| Status::NoMemory)?;
    if let Some(utcb) = me.utcb.get() {
        write_fpu(t, utcb, flags);
        if flags & SET_REGS != 0 && !fpu::set_bases(t, utcb.fs_base.get(), utcb.gs_base.get()) {
            kernel().tasks.delete_thread(t);
            return Err(Status::BadArgument);
        }
    }
    if flags & SET_FS_BASE != 0 {
        fpu::set_bases(t, args.fs_base, t.gs_base.get());
    }
    if flags & SET_PREEMPTER != 0 {
        t.preempter.set(args.preempter);
    }
    set_running(t, flags);
    me.frame.r12.set(t.id.get().0);
    Ok(())
}

fn read_state(t: ThreadRef, utcb: UtcbRef, flags: u64) {
    if flags & GET_REGS != 0 {
        kernel().smp.sync_fpu(t);
        utcb.regs.set(regs::get(t));
        utcb.fs_base.set(t.fs_base.get());
        utcb.gs_base.set(t.gs_base.get());
    }
    if flags & GET_FPU != 0 {
        kernel().smp.sync_fpu(t);
        utcb.fpu.set(xstate::get(t));
    }
}

fn write_state(t: ThreadRef, utcb: UtcbRef, flags: u64) {
    if flags & SET_REGS != 0 {
        let r = utcb.regs.get();
        // Checked before, but the caller's other threads share the UTCB.
        if regs::rip_is_valid(r.rip) {
            regs::set(t, &r);
        }
    }
    write_fpu(t, utcb, flags);
}

fn write_fpu(t: ThreadRef, utcb: UtcbRef, flags: u64) {
    if flags & SET_FPU != 0 {
        kernel().smp.change_fpu(t, |t| xstate::set(t, utcb.fpu.get()));
    }
}

fn apply(t: ThreadRef, flags: u64, args: &Args) {
    if flags & SET_IP != 0 {
        t.rip().set(args.ip);
    }
    if flags & SET_SP != 0 {
        t.frame.rsp.set(args.sp);
    }
    if flags & SET_PAGER != 0 {
        t.pager.set(args.pager);
    }
    if flags & SET_HANDLER != 0 {
        t.handler.set(args.handler);
    }
    if flags & SET_TRAMPOLINE != 0 {
        t.trampoline.set(args.trampoline);
    }
    if flags & SET_PREEMPTER != 0 {
        t.preempter.set(args.preempter);
    }
    if flags & RESET_FPU != 0 {
        fpu::reset(t);
        kernel().smp.own(t).fpu.forget(t);
    }
    if flags & SET_FS_BASE != 0 {
        // Checked before to be canonical.
        kernel().smp.change_fpu(t, |t| _ = fpu::set_bases(t, args.fs_base, t.gs_base.get()));
    }
}

fn set_running(t: ThreadRef, flags: u64) {
    if flags & STOP != 0 {
        t.stopped.set(true);
    }
    if flags & RESUME != 0 {
        t.stopped.set(false);
    }
    kernel().wake(t);
}
