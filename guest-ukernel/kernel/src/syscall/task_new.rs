//! `task_new`: makes and deletes tasks.

use ukernel_abi::ThreadId;
use ukernel_abi::call::{Status, task_new::*};
use ukernel_abi::utcb::Regs;
use ukernel_core::ipc::Env;
use ukernel_core::thread::ThreadRef;

use crate::arch::{fpu, xstate};
use crate::kernel::kernel;
use crate::regs;
use crate::task::{Start, user_selectors};

const ALL: u64 = (SET_TRAMPOLINE << 1) - 1;

/// See [`ukernel_abi::call::task_new`].
pub fn call(me: ThreadRef) -> Status {
    let flags = me.frame.rbx.get();
    let result = match flags {
        f if f & !ALL != 0 => Err(Status::BadArgument),
        DELETE => delete(me),
        f if f & DELETE != 0 => Err(Status::BadArgument),
        _ => create(me, flags),
    };
    match result {
        Ok(()) => Status::Ok,
        Err(status) => status,
    }
}

fn create(me: ThreadRef, flags: u64) -> Result<(), Status> {
    let f = &me.frame;
    if f.r9.get() > me.priority.get() as u64 {
        return Err(Status::Denied);
    }
    let utcb = me.utcb.get();
    if flags & (SET_REGS | SET_FPU) != 0 && utcb.is_none() {
        return Err(Status::BadArgument);
    }
    let mut r = match utcb {
        Some(utcb) if flags & SET_REGS != 0 => utcb.regs.get(),
        _ => Regs { rip: f.rdi.get(), rsp: f.rsi.get(), ..Regs::default() },
    };
    let trampoline = if flags & SET_TRAMPOLINE != 0 { f.r13.get() } else { 0 };
    if !regs::rip_is_valid(r.rip) || !regs::rip_is_valid(trampoline) {
        return Err(Status::BadArgument);
    }
    (r.cs, r.ss) = user_selectors();
    let start = Start {
        regs: r,
        pager: ThreadId(f.rdx.get()),
        handler: ThreadId(f.r10.get()),
        trampoline,
        priority: f.r9.get() as u8,
        uses_fpu: flags & USES_FPU != 0 || me.uses_fpu.get(),
        with_utcb: flags & WITH_UTCB != 0,
        stopped: true,
    };
    let limit = f.r8.get().min(u32::MAX as u64) as u32;
    let t = kernel().tasks.create(me.id.get().task(), limit, &start).map_err(|_| Status::NoMemory)?;
    if flags & SET_REGS == 0 {
        t.frame.rdi.set(t.id.get().0);
        t.frame.rsi.set(t.pager.get().0);
    }
    if let Some(utcb) = utcb {
        if flags & SET_FPU != 0 {
            xstate::set(t, utcb.fpu.get());
        }
        if flags & SET_REGS != 0 && !fpu::set_bases(t, utcb.fs_base.get(), utcb.gs_base.get()) {
            kernel().tasks.delete(crate::tcb::task_of(t));
            return Err(Status::BadArgument);
        }
    }
    t.stopped.set(flags & STOPPED != 0);
    kernel().wake(t);
    me.frame.r12.set(t.id.get().0);
    Ok(())
}

fn delete(me: ThreadRef) -> Result<(), Status> {
    let id = ThreadId(me.frame.r12.get());
    let task = kernel().tasks.named(id).ok_or(Status::NotExistent)?;
    if task.chief() != me.id.get().task() {
        return Err(Status::Denied);
    }
    kernel().tasks.delete(task);
    Ok(())
}
