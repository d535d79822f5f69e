//! A machine to debug that is left alone while nobody debugs it.
//!
//! To be attached to changes a machine. So that is done when a debugger wants it to stop ([`Debuggee::interrupt`]), and undone when it lets
//! go, however often. Those who wait for it ([`Debuggee::ready`]) need not know: what they wait for stays the same.

use super::control::Control;
use super::control::trap::Trap;
use super::debuggee::{Debuggee, Error, Event, File, Plan, Point};
use super::registers::Registers;
use super::thread::{Process, Thread};
use rustix::event::epoll;
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

/// Attaches to a machine: stops it and makes what can be debugged.
pub type Attach = Box<dyn FnMut() -> Result<Box<dyn Debuggee>, Error>>;

pub struct Absent {
    control: Arc<Control>,
    attach: Attach,
    /// While somebody debugs it.
    machine: Option<Box<dyn Debuggee>>,
    event: Option<Event>,
    /// Readable when the control is, or the machine.
    ready: OwnedFd,
}

impl Absent {
    pub fn new(control: Arc<Control>, attach: Attach) -> io::Result<Self> {
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        listen(&ready, control.ready())?;
        Ok(Self { control, attach, machine: None, event: None, ready })
    }

    /// Attaches, and says which thread may be shown first.
    fn come(&mut self) -> Result<Thread, Error> {
        let mut machine = (self.attach)()?;
        // It is forgotten when the machine's descriptor is closed.
        let listened = listen(&self.ready, machine.ready());
        listened.map_err(|error| Error::Other(format!("waiting for the machine: {error}")))?;
        let thread = machine.threads().first().copied().unwrap_or(Thread::vcpu(0));
        self.machine = Some(machine);
        Ok(thread)
    }

    fn machine(&mut self) -> Result<&mut dyn Debuggee, Error> {
        match &mut self.machine {
            Some(machine) => Ok(machine.as_mut()),
            None => Err(Error::Other("nobody is attached to the machine".into())),
        }
    }

    /// What a machine that nobody is attached to has to tell.
    fn end(&self) -> Option<Event> {
        self.control.traps().into_iter().find_map(|(_, trap)| match trap {
            Trap::Over(status) => Some(Event::Exited(status.unwrap_or_default())),
            _ => None,
        })
    }
}

fn listen(to: &OwnedFd, source: BorrowedFd<'_>) -> rustix::io::Result<()> {
    match epoll::add(to, source, epoll::EventData::new_u64(0), epoll::EventFlags::IN) {
        // A machine that has nothing but the control.
        Err(Errno::EXIST) => Ok(()),
        result => result,
    }
}

impl Debuggee for Absent {
    fn interrupt(&mut self) {
        if let Some(machine) = &mut self.machine {
            return machine.interrupt();
        }
        self.event = Some(match self.come() {
            Ok(thread) => Event::Interrupted(thread),
            Err(error) => {
                self.control.detach();
                Event::Crashed { thread: Thread::vcpu(0), message: format!("cannot attach: {error}") }
            }
        });
        self.control.notify();
    }

    fn ready(&self) -> BorrowedFd<'_> {
        self.ready.as_fd()
    }

    fn event(&mut self) -> Option<Event> {
        match (self.event.take(), &mut self.machine) {
            (Some(event), _) => Some(event),
            (None, Some(machine)) => machine.event(),
            (None, None) => self.end(),
        }
    }

    fn detach(&mut self) {
        match self.machine.take() {
            Some(mut machine) => machine.detach(),
            None => self.control.detach(),
        }
    }

    fn kill(&mut self) {
        match &mut self.machine {
            Some(machine) => machine.kill(),
            None => self.control.kill(),
        }
    }

    fn threads(&mut self) -> Vec<Thread> {
        self.machine().map_or_else(|_| vec![Thread::vcpu(0)], |machine| machine.threads())
    }

    fn describe(&mut self, thread: Thread) -> Result<String, Error> {
        self.machine()?.describe(thread)
    }

    fn registers(&mut self, thread: Thread) -> Result<Registers, Error> {
        self.machine()?.registers(thread)
    }

    fn set_registers(&mut self, thread: Thread, registers: &Registers) -> Result<(), Error> {
        self.machine()?.set_registers(thread, registers)
    }

    fn read(&mut self, process: Process, address: u64, into: &mut [u8]) -> Result<usize, Error> {
        self.machine()?.read(process, address, into)
    }

    fn write(&mut self, process: Process, address: u64, from: &[u8]) -> Result<(), Error> {
        self.machine()?.write(process, address, from)
    }

    fn insert(&mut self, process: Process, point: Point) -> Result<(), Error> {
        self.machine()?.insert(process, point)
    }

    fn remove(&mut self, process: Process, point: Point) -> Result<(), Error> {
        self.machine()?.remove(process, point)
    }

    fn resume(&mut self, plan: Plan) -> Result<(), Error> {
        self.machine()?.resume(plan)
    }

    fn executable(&mut self, process: Process) -> Option<String> {
        self.machine().ok()?.executable(process)
    }

    fn auxv(&mut self, process: Process) -> Option<Vec<u8>> {
        self.machine().ok()?.auxv(process)
    }

    fn open(&mut self, process: Process, path: &str) -> Result<Box<dyn File>, Error> {
        self.machine()?.open(process, path)
    }

    fn read_link(&mut self, process: Process, path: &str) -> Result<String, Error> {
        self.machine()?.read_link(process, path)
    }

    fn monitor(&mut self, thread: Thread, command: &str) -> String {
        self.machine().map_or_else(|error| format!("{error}\n"), |machine| machine.monitor(thread, command))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::debug::mock::Mock;
    use crate::events::Mailbox;
    use rustix::event::{PollFd, PollFlags, poll};

    /// A machine without vCPUs, which counts how often it is attached to. The third time it refuses.
    fn absent() -> (Arc<Control>, Absent) {
        let (mailbox, ..) = Mailbox::new().unwrap();
        let control = Control::new(&[], false, mailbox).unwrap();
        let mut left = 2;
        let attach = move || -> Result<Box<dyn Debuggee>, Error> {
            left = u32::checked_sub(left, 1).ok_or(Error::Other("enough".into()))?;
            Ok(Box::new(Mock::new()))
        };
        (control.clone(), Absent::new(control, Box::new(attach)).unwrap())
    }

    fn is_ready(absent: &Absent) -> bool {
        let mut fds = [PollFd::from_borrowed_fd(absent.ready(), PollFlags::IN)];
        poll(&mut fds, Some(&Default::default())).unwrap() == 1
    }

    #[test]
    fn it_is_attached_to_when_it_is_to_stop_and_left_when_it_may_go() {
        let (control, mut absent) = absent();
        assert_eq!((absent.event(), absent.threads()), (None, vec![Thread::vcpu(0)]));
        for _ in 0..2 {
            absent.interrupt();
            assert!(matches!(absent.event(), Some(Event::Interrupted(_))));
            control.traps();
            assert!(!is_ready(&absent));
            absent.resume(Plan::default()).unwrap();
            absent.interrupt();
            assert!(is_ready(&absent), "by what the machine has, too");
            assert!(absent.event().is_some());
            let threads = absent.threads();
            assert!(threads.len() > 1 && absent.registers(threads[0]).is_ok());
            absent.detach();
            assert!(absent.registers(threads[0]).is_err());
        }
        control.attach();
        absent.interrupt();
        assert!(matches!(absent.event(), Some(Event::Crashed { message, .. }) if message.contains("enough")));
        assert!(!control.is_attached());
    }

    #[test]
    fn the_end_is_told_with_nobody_attached() {
        let (control, mut absent) = absent();
        control.over(Some(7));
        assert_eq!(absent.event(), Some(Event::Exited(7)));
        assert_eq!(absent.event(), None);
    }
}
