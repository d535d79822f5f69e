//! What a profile shows of this server: when the work for a program's request begins, and when it is done or has to wait.
//!
//! The event loop records the messages; here is what is between them. Each start has one end, and comes before any other's: a request that waits ends
//! with [`Event::WAITS`], and what is done for it later is part of whatever event brings it about. Where nobody makes a profile, a call that is answered at
//! once meets two branches; one that the event loop answers itself ([`crate::syscall::immediate`]) is recorded by that, and meets none.

use crate::machine::Machine;
use crate::signal::deliver::value_of;
use crate::syscall::SysResult;
use alloc::rc::Rc;
use core::cell::Cell;
use ukernel_abi::ThreadId;
use vmm_abi::trace::Event;

pub struct Profile {
    machine: Rc<dyn Machine>,
    is_on: bool,
    /// Whose request has been started and not been ended; nil: nobody's.
    client: Cell<ThreadId>,
}

impl Profile {
    pub fn new(machine: Rc<dyn Machine>) -> Self {
        Self { is_on: machine.is_profiled(), client: Cell::new(ThreadId::NIL), machine }
    }

    /// A system call that is carried out at once.
    #[inline(always)]
    pub fn call(&self, client: ThreadId, nr: u64, handler: impl FnOnce() -> SysResult) -> SysResult {
        if !self.is_on {
            return handler();
        }
        self.start(client, nr);
        let result = handler();
        self.end(client, &result);
        result
    }

    /// The work for a request of `client` begins: a system call's number, or [`fault`].
    #[inline(always)]
    pub fn start(&self, client: ThreadId, request: u64) {
        if self.is_on {
            self.client.set(client);
            self.machine.record(Event::HANDLER_START, request);
        }
    }

    /// It is done, if it is still what the server is about.
    #[inline(always)]
    pub fn end(&self, client: ThreadId, result: &SysResult) {
        if self.is_on && self.client.get() == client {
            self.finish(value_of(result));
        }
    }

    /// The server has done what there was to do. What has not ended waits, or its thread is gone.
    #[inline(always)]
    pub fn turn_over(&self) {
        if self.is_on && !self.client.get().is_nil() {
            self.finish(Event::WAITS);
        }
    }

    fn finish(&self, result: u64) {
        self.client.set(ThreadId::NIL);
        self.machine.record(Event::HANDLER_END, result);
    }
}

/// The request that a fault is.
pub const fn fault(vector: u64) -> u64 {
    Event::NO_CALL | vector
}
