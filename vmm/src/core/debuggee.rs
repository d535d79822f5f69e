//! A core as something to debug: like a machine that has crashed, it can be looked at and nothing else.

use super::open::Core;
use crate::debug::debuggee::{Debuggee, Error, Event, File, Plan, Point};
use crate::debug::programs::Programs;
use crate::debug::registers::Registers;
use crate::debug::thread::{Process, Thread};
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::paging::{Levels, Translation};
use crate::memory::GuestMemory;
use crate::report::facts::Facts;
use rustix::event::{EventfdFlags, eventfd};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub struct Exhibit<'a> {
    core: &'a Core,
    facts: Facts<'a>,
    /// Whether the debugger waits for it to stop.
    pending: bool,
    ready: OwnedFd,
}

impl<'a> Exhibit<'a> {
    /// A core, its RAM, and what its guest ran; `kernel` is `None` if that was another kernel.
    pub fn new(
        core: &'a Core,
        ram: &'a GuestMemory,
        kernel: Option<&'a Kernel>,
        programs: &'a Programs,
    ) -> io::Result<Self> {
        let ready = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { core, facts: Facts::new(core, ram, kernel, programs), pending: false, ready })
    }

    fn vcpus(&self) -> impl Iterator<Item = Thread> {
        (0..self.core.vcpus()).map(Thread::vcpu)
    }

    /// The vCPU that died first; another if it is not known.
    fn culprit(&self) -> Thread {
        Thread::vcpu(self.core.manifest().culprit.unwrap_or(0))
    }

    /// How addresses of `process` are translated. The kernel's are by the page tables of the vCPU that died, as in the core's own program headers.
    fn translation(&self, process: Process) -> Result<Translation, Error> {
        let none = || Error::NoProcess(process);
        if !process.is_kernel() {
            let kernel = self.facts.kernel.ok_or_else(none)?;
            let task = u16::try_from(process.0).map_err(|_| none())?;
            let root = kernel.space(self.core, task).ok_or_else(none)?;
            return Ok(Translation::Tables(root, Levels::Four));
        }
        let all = self.culprit().as_vcpu().into_iter().chain(0..self.core.vcpus());
        let known = all.filter_map(|index| self.core.registers(index)).next();
        let tables = self.facts.kernel.map(|kernel| Translation::Tables(kernel.root(), Levels::Four));
        Ok(known.as_ref().map(Translation::of).or(tables).unwrap_or(Translation::None))
    }
}

impl Debuggee for Exhibit<'_> {
    fn threads(&mut self) -> Vec<Thread> {
        let tasks = self.facts.kernel.map_or(Vec::new(), |kernel| kernel.threads(self.core));
        tasks.into_iter().chain(self.vcpus()).collect()
    }

    fn describe(&mut self, thread: Thread) -> Result<String, Error> {
        if let Some(vcpu) = thread.as_vcpu()
            && self.core.registers(vcpu).is_none()
        {
            return Ok(format!("vCPU {vcpu}, whose registers are not known"));
        }
        self.facts.describe(thread)
    }

    fn registers(&mut self, thread: Thread) -> Result<Registers, Error> {
        let registers = match thread.as_vcpu() {
            // Nothing but zeroes are shown of one that was never started.
            Some(vcpu) if vcpu < self.core.vcpus() => Some(self.core.registers(vcpu).unwrap_or_default()),
            Some(_) => None,
            None => self.facts.kernel.and_then(|kernel| kernel.registers(self.core, thread)),
        };
        registers.ok_or(Error::NoThread(thread))
    }

    fn set_registers(&mut self, _: Thread, _: &Registers) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    fn read(&mut self, process: Process, address: u64, into: &mut [u8]) -> Result<usize, Error> {
        match self.translation(process)?.read(self.core, address, into) {
            0 if !into.is_empty() => Err(Error::NotMapped(address)),
            count => Ok(count),
        }
    }

    fn write(&mut self, _: Process, _: u64, _: &[u8]) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    fn insert(&mut self, _: Process, _: Point) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    fn remove(&mut self, _: Process, _: Point) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    fn resume(&mut self, _: Plan) -> Result<(), Error> {
        Err(Error::ReadOnly)
    }

    fn interrupt(&mut self) {
        self.pending = true;
        // Fails only if so many are waited for that it is readable anyway.
        let _ = rustix::io::write(&self.ready, &1u64.to_ne_bytes());
    }

    fn ready(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    fn event(&mut self) -> Option<Event> {
        let _ = rustix::io::read(&self.ready, &mut [0; 8]);
        let message = self.core.manifest().message.clone();
        std::mem::take(&mut self.pending).then(|| Event::Crashed { thread: self.culprit(), message })
    }

    fn detach(&mut self) {}

    fn kill(&mut self) {}

    fn executable(&mut self, process: Process) -> Option<String> {
        self.facts.executable(process)
    }

    fn auxv(&mut self, process: Process) -> Option<Vec<u8>> {
        self.facts.auxv(process)
    }

    fn open(&mut self, process: Process, path: &str) -> Result<Box<dyn File>, Error> {
        self.facts.open(process, path)
    }

    fn read_link(&mut self, process: Process, path: &str) -> Result<String, Error> {
        self.facts.read_link(process, path)
    }

    fn monitor(&mut self, _thread: Thread, command: &str) -> String {
        // A core does not know why vCPUs have left the guest.
        self.facts.monitor(&[], command)
    }
}
