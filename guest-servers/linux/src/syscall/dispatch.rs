//! From a system call's number to its handler, and from the handler's result to the answer.
//!
//! What is done here is done for every call that is not [`immediate`](super::immediate), so it is kept short: no allocation, nothing that only some calls
//! need, and of a call that need not wait nothing that one would need which waits.

use super::{Ctx, Handler, Outcome, Pending, Step, SysResult, table};
use crate::errno::Errno;
use crate::exec::First;
use crate::process::thread::CallInProgress;
use crate::process::threads::Runner;
use crate::server::Server;
use crate::signal::deliver::{Resume, value_of};
use alloc::rc::Rc;
use ukernel_abi::ThreadId;

impl Server {
    /// Deals with a system call, and with everything that it has made ready. `received` is a reading of the TSC after its message came.
    pub fn call(self: &Rc<Self>, from: ThreadId, nr: u64, args: [u64; 6], received: u64) {
        self.timers.advance(self.machine.monotonic_ns_at(received));
        // Otherwise it is a message that was under way when its thread was ended.
        let runner = self.processes.threads().get(from).cloned();
        let Some(Runner { thread, process }) = runner else {
            self.meter.received(None, received);
            return self.settle(None, received);
        };
        let c = Ctx { server: self.clone(), thread, proc: process, args };
        self.meter.received(Some(&c.proc.usage), received);
        self.current.set(from);
        // The number is an unsigned int.
        self.dispatch(&c, nr & 0xffff_ffff);
        self.settle(Some(&c.proc.usage), received);
    }

    fn dispatch(self: &Rc<Self>, c: &Ctx, nr: u64) {
        let before = c.thread.call.replace(Some(CallInProgress { nr, task: None }));
        // It has not waited for the answer, as a trampoline does, but calls again: so it gets none.
        if let Some(CallInProgress { task: Some(task), .. }) = before {
            self.executor.cancel(task);
        }
        let Some(entry) = table::lookup(nr) else {
            self.trace.missing(nr);
            self.trace.enter(c, nr, None);
            let result = self.profile.call(c.thread.l4.get(), nr, || Err(Errno::ENOSYS));
            return self.finish(c, nr, result);
        };
        self.trace.enter(c, nr, Some(entry));
        match entry.handler {
            Handler::Immediate(f) => {
                let result = self.profile.call(c.thread.l4.get(), nr, || Ok(f(&c.immediate())));
                self.finish(c, nr, result);
            }
            Handler::Sync(f) => {
                let result = self.profile.call(c.thread.l4.get(), nr, || f(c));
                self.finish(c, nr, result);
            }
            Handler::Prompt(f) => self.begin_prompt(c, nr, f),
            Handler::Async(f) => {
                self.begin_waiting(c, nr);
                self.wait_for(c, nr, f(c.clone()));
            }
            Handler::Control(f) => self.control(c, nr, f),
        }
    }

    fn begin_prompt(self: &Rc<Self>, c: &Ctx, nr: u64, f: fn(&Ctx) -> Step) {
        self.begin_waiting(c, nr);
        match f(c) {
            Step::Done(result) => {
                self.profile.end(c.thread.l4.get(), &result);
                self.finish(c, nr, result);
            }
            Step::Waits(call) => self.wait_for(c, nr, call),
        }
    }

    /// A call begins that may have to wait.
    fn begin_waiting(&self, c: &Ctx, nr: u64) {
        self.profile.start(c.thread.l4.get(), nr);
        // As when it is polled again: what it does to its own process it does from outside.
        self.current.set(ThreadId::NIL);
    }

    /// Polls what a call waits for, which becomes a task if it has to wait indeed.
    fn wait_for(self: &Rc<Self>, c: &Ctx, nr: u64, mut call: Pending) {
        match self.executor.poll_first(call.as_mut()) {
            Ok(First::Ready(result)) => {
                self.profile.end(c.thread.l4.get(), &result);
                self.finish(c, nr, result);
            }
            // Its thread has been ended by what it did.
            Ok(First::Waits(_)) if c.thread.call.get().is_none() => {}
            Ok(First::Waits(place)) => {
                let caller = c.clone();
                let task = place.fill(async move {
                    let result = call.await;
                    caller.server.profile.end(caller.thread.l4.get(), &result);
                    caller.server.finish(&caller, nr, result);
                });
                c.thread.call.set(Some(CallInProgress { nr, task: Some(task) }));
            }
            Err(e) => {
                self.profile.end(c.thread.l4.get(), &Err(e));
                self.finish(c, nr, Err(e));
            }
        }
    }

    fn control(self: &Rc<Self>, c: &Ctx, nr: u64, f: fn(&Ctx) -> Outcome) {
        let (thread, l4) = (&c.thread, c.thread.l4.get());
        self.profile.start(l4, nr);
        match f(c) {
            Outcome::Return(result) => {
                self.profile.end(l4, &result);
                self.finish(c, nr, result);
            }
            Outcome::Resumed => {
                self.profile.end(l4, &Ok(0));
                self.trace.leave(c, nr, &Ok(0));
                thread.call.set(None);
                self.go_on(thread, Resume::Running);
            }
            Outcome::State(state) => {
                self.profile.end(l4, &Ok(state.regs.rax));
                self.trace.leave(c, nr, &Ok(state.regs.rax));
                thread.call.set(None);
                self.go_on(thread, Resume::State(state));
            }
            Outcome::Gone => {}
        }
    }

    /// A call has ended: answers it, unless its thread has ended too.
    fn finish(self: &Rc<Self>, c: &Ctx, nr: u64, result: SysResult) {
        if c.thread.call.take().is_none() {
            return;
        }
        self.trace.leave(c, nr, &result);
        if c.thread.just_goes_on(&c.proc) && !result.is_err_and(Errno::is_restart) {
            return self.machine.reply_call(c.thread.l4.get(), value_of(&result));
        }
        self.go_on(&c.thread, Resume::Call { nr, result });
    }
}
