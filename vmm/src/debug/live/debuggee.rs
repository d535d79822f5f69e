//! All of it, as something to debug.

use super::guest::{Guest, Ours};
use super::hooks::Hooks;
use super::machine::Machine;
use super::notices::Notices;
use super::points::{For, Points, USER_END};
use super::rest::Rest;
use super::run::Live;
use super::unmaps::Unmaps;
use super::wake::Wake;
use super::watch::{Watchpoint, Watchpoints};
use crate::debug::control::Control;
use crate::debug::debuggee::{Debuggee, Error, Event, File, Plan, Point};
use crate::debug::programs::Programs;
use crate::debug::registers::Registers;
use crate::debug::thread::{Process, Thread};
use crate::inspect::Kernel;
use crate::memory::GuestMemory;
use crate::report::facts::Facts;
use crate::report::kill;
use crate::slots::Slots;
use crate::symbols;
use std::cell::RefCell;
use std::collections::{BTreeSet, VecDeque};
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

/// Ends of the kernel's code at the borders with user mode: see `kernel.ld`.
const BORDERS: [&str; 2] = ["kernel_start", "entries_end"];

impl Live {
    /// Stops a machine that was made of these programs, for a debugger.
    pub fn attach(
        control: Arc<Control>,
        slots: Rc<RefCell<Slots>>,
        ram: GuestMemory,
        programs: &Programs,
    ) -> Result<Self, Error> {
        let elf = programs.kernel();
        let reserve = slots.borrow_mut().reserve(super::reach::SIZE).cloned();
        let reserve = reserve.map_err(|error| Error::Other(error.to_string()))?;
        let wake = Wake::new(&control)?;
        control.attach();
        control.pause()?;
        let machine = Machine::new(control, ram, reserve);
        let rest = Rest::new(programs);
        let ours = Kernel::find(&machine, elf).map(|kernel| {
            rest.come(&machine, &kernel, programs)?;
            Ours::take_over(&machine, kernel, elf)
        });
        let ours = ours.transpose()?;
        let guest = Guest { machine, ours, patches: Default::default(), copies: Default::default() };
        guest.set_debug_of_all(true)?;
        let mut live = Self {
            guest,
            programs: programs.clone(),
            points: Points::default(),
            watchpoints: Watchpoints::default(),
            slots,
            notices: Notices::new(programs),
            unmaps: Unmaps::new(elf),
            wake,
            rest,
            run: None,
            events: VecDeque::new(),
            last: None,
            skip: None,
            stray: BTreeSet::new(),
            has_ended: false,
        };
        live.notices.begin(&live.guest);
        Ok(live)
    }

    fn facts(&self) -> Facts<'_> {
        let kernel = self.guest.ours.as_ref().map(|ours| &ours.kernel);
        Facts::new(&self.guest, self.guest.machine.ram(), kernel, &self.programs)
    }

    /// It stands still, or is not there any more.
    fn must_stand(&self) -> Result<(), Error> {
        if self.run.is_some() { Err(Error::Other("the machine runs".into())) } else { Ok(()) }
    }

    fn must_be_alive(&self) -> Result<(), Error> {
        self.must_stand()?;
        if self.has_ended { Err(Error::ReadOnly) } else { Ok(()) }
    }

    fn leave(&mut self) -> Result<(), Error> {
        let told = self.stand_still()?;
        self.stop(told);
        self.guest.come_out()?;
        self.watchpoints.clear(&self.guest, &mut self.slots.borrow_mut())?;
        self.points.clear(&mut self.guest)?;
        self.guest.release()
    }

    /// Has these threads crash when they run.
    fn crash(&mut self, threads: &[Thread]) -> Result<(), Error> {
        self.must_be_alive()?;
        for thread in threads {
            let registers = self.guest.read_registers(*thread)?;
            self.guest.write_registers(*thread, &Registers { rip: kill::NOWHERE, ..registers })?;
        }
        Ok(())
    }

    /// The thread that a person who interrupts the machine most likely means.
    fn interesting(&self) -> Thread {
        let mut vcpus = 0..self.guest.machine.control.vcpus();
        let running = vcpus.find_map(|vcpu| self.guest.user(vcpu).and_then(|_| self.guest.current(vcpu)));
        running.unwrap_or(Thread::vcpu(0))
    }
}

impl Ours {
    fn take_over(machine: &Machine, kernel: Kernel, elf: &Path) -> Result<Self, Error> {
        let symbol = |name: &str| {
            let symbol = symbols::find(elf, name).map(|symbol| symbol.address);
            symbol.ok_or_else(|| Error::Other(format!("{} has no symbol {name}", elf.display())))
        };
        let borders = symbol(BORDERS[0])?..symbol(BORDERS[1])?;
        let hooks = Hooks::install(machine, &kernel)?;
        Ok(Self { kernel, hooks, borders })
    }
}

/// Whose code is at `address`: the kernel's is in all address spaces.
fn whose(process: Process, address: u64) -> Process {
    if address < USER_END { process } else { Process::KERNEL }
}

impl Debuggee for Live {
    fn threads(&mut self) -> Vec<Thread> {
        let vcpus = (0..self.guest.machine.control.vcpus()).map(Thread::vcpu);
        let l4 = self.guest.ours.iter().flat_map(|ours| ours.kernel.threads(&self.guest.machine));
        vcpus.chain(l4).collect()
    }

    fn describe(&mut self, thread: Thread) -> Result<String, Error> {
        self.must_stand()?;
        self.facts().describe(thread)
    }

    fn registers(&mut self, thread: Thread) -> Result<Registers, Error> {
        self.must_stand()?;
        self.guest.read_registers(thread)
    }

    fn set_registers(&mut self, thread: Thread, registers: &Registers) -> Result<(), Error> {
        self.must_be_alive()?;
        self.guest.write_registers(thread, registers)
    }

    fn read(&mut self, process: Process, address: u64, into: &mut [u8]) -> Result<usize, Error> {
        self.must_stand()?;
        self.guest.read_memory(process, address, into)
    }

    fn write(&mut self, process: Process, address: u64, from: &[u8]) -> Result<(), Error> {
        self.must_be_alive()?;
        self.guest.write_memory(process, address, from)
    }

    fn insert(&mut self, process: Process, point: Point) -> Result<(), Error> {
        self.must_be_alive()?;
        match point {
            Point::Code(address) => {
                self.points.insert(&mut self.guest, whose(process, address), address, For::Debugger)
            }
            Point::Data { address, length, access } => {
                let watchpoint = Watchpoint { process, address, length, access };
                self.watchpoints.insert(&self.guest, &mut self.slots.borrow_mut(), watchpoint)
            }
        }
    }

    fn remove(&mut self, process: Process, point: Point) -> Result<(), Error> {
        self.must_stand()?;
        match point {
            Point::Code(address) => {
                self.points.remove(&mut self.guest, whose(process, address), address, For::Debugger)
            }
            Point::Data { address, length, access } => {
                let watchpoint = Watchpoint { process, address, length, access };
                self.watchpoints.remove(&self.guest, &mut self.slots.borrow_mut(), watchpoint)
            }
        }
    }

    fn resume(&mut self, plan: Plan) -> Result<(), Error> {
        self.must_be_alive()?;
        self.start(plan)
    }

    fn interrupt(&mut self) {
        if self.run.is_none() {
            return;
        }
        let mut told = self.come_to_rest().unwrap_or_else(|error| {
            tracing::warn!("the machine does not stand still: {error}");
            Vec::new()
        });
        if told.is_empty() {
            told.push(Event::Interrupted(self.interesting()));
        }
        self.stop(told);
        self.guest.machine.control.notify();
    }

    fn ready(&self) -> BorrowedFd<'_> {
        self.wake.ready()
    }

    fn event(&mut self) -> Option<Event> {
        if self.events.is_empty()
            && let Err(error) = self.look()
        {
            tracing::warn!("the debugger cannot go on: {error}");
            self.interrupt();
        }
        self.events.pop_front()
    }

    fn detach(&mut self) {
        if let Err(error) = self.leave() {
            tracing::warn!("the debugger has left something behind: {error}");
        }
        self.guest.machine.control.detach();
    }

    fn kill(&mut self) {
        self.guest.machine.control.kill();
    }

    fn executable(&mut self, process: Process) -> Option<String> {
        self.must_stand().ok()?;
        self.facts().executable(process)
    }

    fn auxv(&mut self, process: Process) -> Option<Vec<u8>> {
        self.must_stand().ok()?;
        self.facts().auxv(process)
    }

    fn open(&mut self, process: Process, path: &str) -> Result<Box<dyn File>, Error> {
        self.must_stand()?;
        self.facts().open(process, path)
    }

    fn read_link(&mut self, process: Process, path: &str) -> Result<String, Error> {
        self.must_stand()?;
        self.facts().read_link(process, path)
    }

    fn monitor(&mut self, _thread: Thread, command: &str) -> String {
        if let Err(error) = self.must_stand() {
            return format!("{error}\n");
        }
        let facts = self.facts();
        match kill::victim(&facts, command) {
            None => facts.monitor(&self.guest.machine.control.exits(), command),
            Some(Err(why)) => why,
            Some(Ok(victim)) => match self.crash(&victim.threads) {
                Ok(()) => victim.done(),
                Err(error) => format!("{error}\n"),
            },
        }
    }
}
