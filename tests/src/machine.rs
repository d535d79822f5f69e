//! A guest in this process, for a test that is its debugger.
//!
//! What `ukvmm` makes of a command line is made here as well, but that the guest's output goes to the test, and that nobody listens for debuggers: the test
//! attaches and asks [`Live`] itself. So what it sees is what the machine does, and nothing of a protocol.

use crate::build::Build;
use crate::stream::Stream;
use clap::Parser;
use devices::PortBus;
use devices::console::{Channel, Console, Output, Signals};
use devices::debug::DebugPort;
use devices::exit::ExitPort;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::RefCell;
use std::error::Error;
use std::io::{PipeWriter, Write};
use std::path::Path;
use std::rc::Rc;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};
use ukvmm::cli::Cli;
use ukvmm::config::Config;
use ukvmm::debug::control::Control;
use ukvmm::debug::debuggee::{Debuggee, Event, Plan};
use ukvmm::debug::live::run::Live;
use ukvmm::debug::programs::Programs;
use ukvmm::ending::Ending;
use ukvmm::events::{Mailbox, Notice};
use ukvmm::guest::Guest;
use ukvmm::slots::Slots;
use ukvmm::vcpu::group::Group;
use ukvmm::vcpu::kick;
use ukvmm::vcpu::thread::World;
use ukvmm::virtio::attach::Windows;
use ukvmm::vm::Vm;
use ukvmm::{kvm, memory};
use vmm_abi::{console as port, ports};
use vmm_sys_util::eventfd::EventFd;

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(30);

/// A machine that runs, or waits for its debugger before its first instruction.
pub struct Machine {
    pub control: Arc<Control>,
    /// What the guest prints, on all of its channels.
    pub output: Stream,
    vm: Arc<Vm>,
    slots: Rc<RefCell<Slots>>,
    programs: Programs,
    ended: Receiver<Option<u8>>,
}

/// How it has ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct End {
    pub status: Option<u8>,
    pub output: String,
}

impl Machine {
    /// Starts what `ukvmm` would with the arguments `words`. With `hold`, it waits for a debugger.
    pub fn start(build: &Build, words: &[&str], hold: bool) -> Result<Self, String> {
        Self::make(build, words, hold).map_err(|error| format!("cannot start the guest: {error}"))
    }

    /// The Linux server set with the programs to debug, of which `words` starts one.
    pub fn linux(build: &Build, words: &[&str], hold: bool) -> Result<Self, String> {
        let image = crate::programs::debug_image(build)?;
        let boot = ["--servers", "linux", "--initrd", &text(&image), "--"];
        Self::start(build, &[&boot, words].concat(), hold)
    }

    fn make(build: &Build, words: &[&str], hold: bool) -> Result<Self, Box<dyn Error>> {
        let kernel = build.kernel()?;
        let path = text(&kernel);
        let words = [&["ukvmm", "--kernel", &path], words].concat();
        let config = Config::new(Cli::try_parse_from(words)?.run)?;
        let programs = Programs::of(&config.kernel, &config.modules);
        let kvm = kvm::open()?;
        kick::install()?;
        let memory = memory::allocate(config.memory)?;
        let guest = Guest::check(config.kernel, config.format, memory::low_end(&memory))?;
        let vm = Arc::new(Vm::new(&kvm, memory)?);
        let vcpus = vm.create_vcpus(&kvm, config.cpus, false)?;
        guest.load(&vm, &vcpus, config.modules, &config.cmdline, 0)?;
        let (mailbox, notices, _) = Mailbox::new()?;
        let control = Control::new(&vcpus, hold, mailbox.clone())?;
        let (reader, writer) = std::io::pipe()?;
        let output = Stream::collect(reader);
        let ports = board(&vm, &writer)?;
        let world = World::new(ports, Windows::default(), vm.memory().clone(), Some(control.clone()));
        let vcpus = Group::start(vcpus, world, move |id| mailbox.send(Notice::Stopped(id)))?;
        let (sender, ended) = channel();
        let its_control = control.clone();
        thread::spawn(move || {
            let status = run(vcpus, &notices, &kernel);
            its_control.over(status);
            // A test that has failed does not listen.
            let _ = sender.send(status);
        });
        let slots = Rc::new(RefCell::new(Slots::new(vm.clone())));
        Ok(Self { control, output, vm, slots, programs, ended })
    }

    /// Stops it, for a debugger.
    pub fn attach(&self) -> Result<Live, String> {
        let memory = self.vm.memory().clone();
        let live = Live::attach(self.control.clone(), self.slots.clone(), memory, &self.programs);
        live.map_err(|error| format!("cannot attach: {error}"))
    }

    /// Waits for its end. Nobody debugs it any more.
    pub fn end(self) -> Result<End, String> {
        let ended = self.ended.recv_timeout(LIMIT);
        if ended.is_err() {
            self.control.kill();
        }
        let output = String::from_utf8_lossy(&self.output.whole()).into_owned();
        match ended {
            Ok(status) => Ok(End { status, output }),
            Err(_) => Err(format!("the guest does not end; it has said:\n{output}")),
        }
    }
}

/// Lets it run, and waits until something has happened.
pub fn go(debuggee: &mut dyn Debuggee, plan: Plan) -> Result<Event, String> {
    debuggee.resume(plan).map_err(|error| format!("it does not go on: {error}"))?;
    event(debuggee)
}

/// Waits until something has happened.
pub fn event(debuggee: &mut dyn Debuggee) -> Result<Event, String> {
    event_within(debuggee, LIMIT)?.ok_or("nothing happens".into())
}

/// The same, but not for longer than this.
pub fn event_within(debuggee: &mut dyn Debuggee, limit: Duration) -> Result<Option<Event>, String> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(event) = debuggee.event() {
            return Ok(Some(event));
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let limit = Timespec::try_from(left).map_err(|error| error.to_string())?;
        let mut fds = [PollFd::from_borrowed_fd(debuggee.ready(), PollFlags::IN)];
        match poll(&mut fds, Some(&limit)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

/// Waits for the end of the vCPUs, all of which end with the first, and says with which status `ukvmm` would exit.
fn run(vcpus: Group, notices: &Receiver<Notice>, kernel: &Path) -> Option<u8> {
    let request = match notices.recv().ok()? {
        Notice::Stopped(_) => None,
        Notice::Request(request) => Some(request),
    };
    vcpus.kick();
    let all: Vec<usize> = (0..vcpus.len()).collect();
    Ending::of(&vcpus.join(&all), request, kernel).status.code()
}

/// The devices of a guest that prints and ends.
fn board(vm: &Vm, output: &PipeWriter) -> Result<PortBus, Box<dyn Error>> {
    let mut bus = PortBus::default();
    let mut log = output.try_clone()?;
    let print = move |line: &[u8]| {
        // A test that has failed reads no more.
        let _ = log.write_all(line);
    };
    bus.add(ports::DEBUG, 1, Arc::new(Mutex::new(DebugPort::new(print))));
    bus.add(ports::EXIT, 4, Arc::new(Mutex::new(ExitPort)));
    let line = Line(vm.interrupt_line(port::IRQ)?);
    let printer = Printer(output.try_clone()?);
    let console = Console::new(vm.memory().clone(), 0, (0, 0), Box::new(printer), Box::new(line));
    bus.add(port::PORT_BASE, 1 << port::PORT_LOG2, Arc::new(Mutex::new(console)));
    Ok(bus)
}

struct Printer(PipeWriter);

impl Output for Printer {
    fn write(&mut self, _: Channel, bytes: &[u8]) {
        let _ = self.0.write_all(bytes);
    }
}

struct Line(EventFd);

impl Signals for Line {
    fn interrupt(&self) {
        let _ = self.0.write(1);
    }
    fn room(&self) {}
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
