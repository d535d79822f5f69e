//! The machine, as crate `gdbstub` wants to have it: [`Target`] over a [`Debuggee`].
//!
//! To `gdbstub`, it is one process whose threads have the numbers of [`super::ids::pack`]. Packets that name no thread (breakpoints, files,
//! the auxiliary vector) mean the [`current`](Target::current) one's process.
//!
//! - `threads`: the list of threads, their registers and memory
//! - `resume`: how to go on
//! - [`points`]: breakpoints and watchpoints
//! - [`files`]: files of the machine
//! - `objects`: what is read as a whole: description, path of the program, auxiliary vector
//! - `monitor`: commands

pub mod files;
mod monitor;
mod objects;
pub mod points;
mod resume;
mod threads;

use super::arch::Amd64;
use super::framing::PACKET_SIZE;
use super::ids;
use crate::debug::debuggee::{Debuggee, Error, Plan};
use crate::debug::thread::{Process, Thread};
use files::Files;
use gdbstub::target::TargetError;
use gdbstub::target::ext::auxv::AuxvOps;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::ext::exec_file::ExecFileOps;
use gdbstub::target::ext::host_io::HostIoOps;
use gdbstub::target::ext::monitor_cmd::MonitorCmdOps;
use gdbstub::target::ext::target_description_xml_override::TargetDescriptionXmlOverrideOps;
use points::Points;
use std::cell::RefCell;
use std::collections::BTreeSet;

/// EFAULT and EROFS: what gdb is told of memory that is not there, and of a machine that cannot be changed.
const BAD_ADDRESS: u8 = 14;
const READ_ONLY: u8 = 30;
const NO_SUCH: u8 = 3;
const OTHER: u8 = 5;

/// Most bytes of text in a packet, and of a file.
const TEXT: usize = PACKET_SIZE / 4;
const READ: usize = PACKET_SIZE / 2;

pub struct Target<'d> {
    /// `gdbstub` reads some things by shared reference.
    debuggee: RefCell<&'d mut dyn Debuggee>,
    /// The thread that gdb means where it names none.
    pub current: Thread,
    /// Processes that gdb has let go of: they are as if they were not there.
    pub released: BTreeSet<Process>,
    pub points: Points,
    files: Files,
    description: String,
    plan: Plan,
    /// What has become of the last attempt to go on.
    pub resumed: Option<Result<(), Error>>,
    /// What the last refusal was, in words.
    pub refusal: Option<Error>,
}

impl<'d> Target<'d> {
    pub fn new(debuggee: &'d mut dyn Debuggee) -> Self {
        Self {
            debuggee: RefCell::new(debuggee),
            current: Thread::vcpu(0),
            released: BTreeSet::new(),
            points: Points::default(),
            files: Files::default(),
            description: super::description::xml(),
            plan: Plan::default(),
            resumed: None,
            refusal: None,
        }
    }

    pub fn debuggee(&mut self) -> &mut dyn Debuggee {
        &mut **self.debuggee.get_mut()
    }

    /// The threads that gdb is to see: the kernel's first, so that a kernel that gdb was started with is taken for what it is, since gdb gives
    /// the first process to the program it already has.
    pub fn threads(&self) -> Vec<Thread> {
        let mut threads = self.debuggee.borrow_mut().threads();
        threads.retain(|thread| !self.released.contains(&thread.process) && ids::pack(*thread).is_some());
        threads.sort_by_key(|thread| (!thread.process.is_kernel(), thread.process));
        threads
    }

    /// A refusal for `gdbstub`, which has numbers alone; the words are kept.
    fn refused<E>(&mut self, error: Error) -> TargetError<E> {
        let number = number_of(&error);
        self.refusal = Some(error);
        TargetError::Errno(number)
    }
}

fn number_of(error: &Error) -> u8 {
    match error {
        Error::NotMapped(_) => BAD_ADDRESS,
        Error::ReadOnly => READ_ONLY,
        Error::NoThread(_) | Error::NoProcess(_) => NO_SUCH,
        Error::Other(_) => OTHER,
    }
}

/// Copies the part at `offset` of something that is read in pieces, and says how long it was.
fn part(whole: &[u8], offset: u64, length: usize, into: &mut [u8]) -> usize {
    let start = usize::try_from(offset).unwrap_or(usize::MAX).min(whole.len());
    let rest = &whole[start..];
    let count = rest.len().min(length).min(into.len());
    into[..count].copy_from_slice(&rest[..count]);
    count
}

impl gdbstub::target::Target for Target<'_> {
    type Arch = Amd64;
    type Error = Error;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }

    /// LLDB can read `target.xml` too.
    fn use_lldb_register_info(&self) -> bool {
        false
    }

    fn use_fork_stop_reason(&self) -> bool {
        false
    }

    fn use_vfork_stop_reason(&self) -> bool {
        false
    }

    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }

    /// What `gdbstub` writes is read by the translator first.
    fn use_rle(&self) -> bool {
        false
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_host_io(&mut self) -> Option<HostIoOps<'_, Self>> {
        Some(self)
    }

    fn support_exec_file(&mut self) -> Option<ExecFileOps<'_, Self>> {
        Some(self)
    }

    fn support_auxv(&mut self) -> Option<AuxvOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }
}
