//! The server: the state that everything shares, and what to do about one event.

use crate::exec::{Executor, Timers};
use crate::frames::FramePool;
use crate::machine::Machine;
use crate::process::table::ProcessTable;
use crate::random::Random;
use crate::strace::Trace;
use alloc::rc::Rc;
use core::cell::RefCell;

pub struct Server {
    pub machine: Rc<dyn Machine>,
    pub frames: FramePool,
    pub executor: Executor,
    pub timers: Timers,
    pub processes: ProcessTable,
    pub trace: Trace,
    pub random: RefCell<Random>,
}
