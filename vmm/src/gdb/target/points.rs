//! Breakpoints and watchpoints.
//!
//! gdb takes all of them out at each stop and puts them back when it goes on. Taking one out is therefore put off until the machine runs
//! again: most are back by then, and the machine has had no work with them.

use super::Target;
use crate::debug::debuggee::{Access, Debuggee, Error, Point};
use crate::debug::thread::{Process, Thread};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint, SwBreakpointOps,
    WatchKind,
};
use gdbstub::target::{TargetError, TargetResult};
use std::collections::{BTreeMap, BTreeSet};

/// Nobody has so many; a debugger gone mad may.
const MOST: usize = 0x4000;

/// How gdb has asked for a point. It may want the same in both ways, and then takes out each.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    Software,
    Hardware,
}

/// The points that the machine has, and for each how gdb wants it: in no way if it is to go.
#[derive(Default)]
pub struct Points(BTreeMap<(Process, Point), BTreeSet<Kind>>);

impl Points {
    fn insert(
        &mut self,
        machine: &mut dyn Debuggee,
        process: Process,
        point: Point,
        kind: Kind,
    ) -> Result<(), Error> {
        if !self.0.contains_key(&(process, point)) {
            if self.0.len() >= MOST {
                self.settle(machine);
            }
            if self.0.len() >= MOST {
                return Err(Error::Other(format!("there are {MOST} breakpoints already")));
            }
            machine.insert(process, point)?;
        }
        self.0.entry((process, point)).or_default().insert(kind);
        Ok(())
    }

    /// Says whether there was one.
    fn remove(&mut self, process: Process, point: Point, kind: Kind) -> bool {
        self.0.get_mut(&(process, point)).is_some_and(|kinds| kinds.remove(&kind))
    }

    /// Takes those out of `machine` that gdb does not want any more. That a process has ended meanwhile is no harm.
    pub fn settle(&mut self, machine: &mut dyn Debuggee) {
        self.0.retain(|&(process, point), kinds| {
            if kinds.is_empty() {
                let _ = machine.remove(process, point);
            }
            !kinds.is_empty()
        });
    }

    /// Takes out all of `process`.
    pub fn release(&mut self, machine: &mut dyn Debuggee, process: Process) {
        self.0.iter_mut().filter(|((of, _), _)| *of == process).for_each(|(_, kinds)| kinds.clear());
        self.settle(machine);
    }

    /// Whether gdb has asked for a hardware breakpoint there and for no other.
    pub fn is_hardware(&self, thread: Thread, address: u64) -> bool {
        self.0
            .get(&(thread.process, Point::Code(address)))
            .is_some_and(|kinds| kinds.contains(&Kind::Hardware) && !kinds.contains(&Kind::Software))
    }
}

impl Target<'_> {
    /// gdb lets go of `process`.
    pub fn release(&mut self, process: Process) {
        self.released.insert(process);
        self.points.release(&mut **self.debuggee.get_mut(), process);
    }

    /// The program of `process` is another one, of this path: the breakpoints were the old one's.
    pub fn new_program(&mut self, process: Process) -> Option<String> {
        let debuggee = &mut **self.debuggee.get_mut();
        self.points.release(debuggee, process);
        debuggee.executable(process)
    }

    fn add(&mut self, point: Point, kind: Kind) -> TargetResult<bool, Self> {
        let process = self.current.process;
        match self.points.insert(&mut **self.debuggee.get_mut(), process, point, kind) {
            Ok(()) => Ok(true),
            Err(error) => Err(self.refused(error)),
        }
    }

    fn remove(&mut self, point: Point, kind: Kind) -> TargetResult<bool, Self> {
        Ok(self.points.remove(self.current.process, point, kind))
    }
}

impl Breakpoints for Target<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl SwBreakpoint for Target<'_> {
    fn add_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.add(Point::Code(address), Kind::Software)
    }

    fn remove_sw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.remove(Point::Code(address), Kind::Software)
    }
}

impl HwBreakpoint for Target<'_> {
    fn add_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.add(Point::Code(address), Kind::Hardware)
    }

    fn remove_hw_breakpoint(&mut self, address: u64, _: usize) -> TargetResult<bool, Self> {
        self.remove(Point::Code(address), Kind::Hardware)
    }
}

impl HwWatchpoint for Target<'_> {
    fn add_hw_watchpoint(&mut self, address: u64, length: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        if length == 0 || address.checked_add(length - 1).is_none() {
            return Err(TargetError::Errno(super::BAD_ADDRESS));
        }
        self.add(Point::Data { address, length, access: access(kind) }, Kind::Hardware)
    }

    fn remove_hw_watchpoint(
        &mut self,
        address: u64,
        length: u64,
        kind: WatchKind,
    ) -> TargetResult<bool, Self> {
        self.remove(Point::Data { address, length, access: access(kind) }, Kind::Hardware)
    }
}

fn access(kind: WatchKind) -> Access {
    match kind {
        WatchKind::Write => Access::Write,
        WatchKind::Read => Access::Read,
        WatchKind::ReadWrite => Access::Both,
    }
}
