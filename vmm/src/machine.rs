//! Builds the machine, runs it, and says how it ended.

use crate::config::Config;
use crate::ending::{Ending, Request};
use crate::error::Error;
use crate::events::input::{Input, Taker};
use crate::events::signals::Signals;
use crate::events::timer::Timer;
use crate::events::{Mailbox, Notice, eventfd};
use crate::loader::kernel::Kernel;
use crate::loader::module::Module;
use crate::loader::{self, LoadError};
use crate::memory::{self, GuestMemory};
use crate::output::Streams;
use crate::vcpu::{entry, kick, thread::Vcpu};
use crate::vm::Vm;
use crate::{kvm, terminal};
use devices::PortBus;
use devices::console::{self, Channel, Console, Output};
use devices::debug::DebugPort;
use devices::exit::ExitPort;
use devices::uart::{Line, Uart};
use event_manager::{EventManager, MutEventSubscriber, SubscriberOps};
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use vmm_abi::boot::INFO_MODULE;
use vmm_abi::{console as port, ports};
use vmm_sys_util::eventfd::EventFd;

/// How long a vCPU that was asked to stop may take. It is stopped within a millisecond, unless it waits for somebody to
/// read our standard output.
const STOP_TIME: Duration = Duration::from_millis(500);

/// Runs what `config` describes until it ends.
pub fn run(config: Config) -> Result<Ending, Error> {
    let kernel_path = config.kernel.path.clone();
    let kvm = kvm::open()?;
    kick::install()?;
    let memory = memory::allocate(config.memory)?;
    let mut kernel = Kernel::check(config.kernel, memory::low_end(&memory)).map_err(LoadError::from)?;
    let vm = Vm::new(kvm, memory)?;
    let vcpu = vm.create_vcpu(0)?;

    let info = vm.boot_info(&vcpu)?;
    let mut modules = vec![Module::bytes(INFO_MODULE, info.to_bytes())];
    modules.extend(config.modules);
    let entry = loader::load(vm.memory(), &mut kernel, &mut modules, &config.cmdline)?;
    report_layout(&kernel, &modules);
    entry::set_registers(&vcpu, entry)?;

    let (mailbox, notices, wake) = Mailbox::new()?;
    let mut events: EventManager<Box<dyn MutEventSubscriber>> = EventManager::new()?;
    events.add_subscriber(Box::new(wake));
    let (ports, taker, room) = devices(&vm, &mailbox, config.uart)?;
    let console = taker.console.clone();
    let resized = Box::new(move |size| lock(&console).resize(size));
    events.add_subscriber(Box::new(Signals::new(mailbox.clone(), resized)?));
    events.add_subscriber(Box::new(Input::new(taker, room, mailbox.clone())?));
    if let Some(after) = config.timeout {
        events.add_subscriber(Box::new(Timer::new(after, mailbox.clone())?));
    }
    let done = move || mailbox.send(Notice::Stopped);
    let vcpu = Vcpu::start(vcpu, ports, vm.memory().clone(), done)?;
    let (request, vcpu) = serve(&mut events, &notices, vcpu)?;
    Ok(Ending::of(vcpu.and_then(Vcpu::join), request, &kernel_path))
}

/// Serves events until the vCPU has stopped, by itself or because something was requested. A vCPU that cannot be stopped
/// is not returned.
fn serve(
    events: &mut EventManager<Box<dyn MutEventSubscriber>>,
    notices: &Receiver<Notice>,
    vcpu: Vcpu,
) -> Result<(Option<Request>, Option<Vcpu>), Error> {
    let request = loop {
        events.run()?;
        match notices.try_recv() {
            Ok(Notice::Stopped) => return Ok((None, Some(vcpu))),
            Ok(Notice::Request(request)) => break request,
            Err(_) => {}
        }
    };
    vcpu.kick();
    let deadline = Instant::now() + STOP_TIME;
    loop {
        match notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Notice::Stopped) => return Ok((Some(request), Some(vcpu))),
            Ok(Notice::Request(_)) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                return Ok((Some(request), None));
            }
        }
    }
}

fn report_layout(kernel: &Kernel, modules: &[Module]) {
    tracing::debug!(
        "kernel {} ends at {:#x}, entry {:#x}",
        kernel.path().display(),
        kernel.end(),
        kernel.entry()
    );
    for module in modules {
        tracing::debug!("module {} at {:#x}, {} bytes", module.name, module.phys, module.size());
    }
}

/// The devices on their ports, who takes input, and the eventfd that says that there is room for it.
fn devices(vm: &Vm, mailbox: &Mailbox, uart: bool) -> Result<(PortBus, GuestInput, Arc<EventFd>), Error> {
    let mut ports = PortBus::default();
    let room = Arc::new(eventfd()?);
    ports.add(ports::DEBUG, 1, Arc::new(Mutex::new(DebugPort::new(print_debug_line))));
    ports.add(ports::EXIT, 4, Arc::new(Mutex::new(ExitPort)));

    let signals = ConsoleSignals { irq: vm.interrupt_line(port::IRQ)?, room: room.clone() };
    let console = Console::new(
        vm.memory().clone(),
        tty_flags(),
        terminal::window_size(),
        Box::new(Streams::new(mailbox.clone())),
        Box::new(signals),
    );
    let mut taker = GuestInput { console: console.input(), uart: None };
    ports.add(port::PORT_BASE, 1 << port::PORT_LOG2, Arc::new(Mutex::new(console)));

    if uart {
        let irq = vm.interrupt_line(ports::UART_IRQ)?;
        let line = Line(Box::new(move || signal(&irq)));
        let mut streams = Streams::new(mailbox.clone());
        let device = Arc::new(Mutex::new(Uart::new(line, Box::new(move |b| streams.write(Channel::Out, b)))));
        taker.uart = Some(device.clone());
        ports.add(ports::UART, 8, device);
        // It has no way to say that it is there; input is read from the start.
        signal(&room);
    }
    Ok((ports, taker, room))
}

/// An eventfd that cannot be written is full, so it is signalled already.
fn signal(event: &EventFd) {
    let _ = event.write(1);
}

fn print_debug_line(line: &[u8]) {
    // Nobody to tell if it fails.
    let _ = crate::log::Stderr.write_all(line);
    if !line.ends_with(b"\n") {
        let _ = crate::log::Stderr.write_all(b"\n");
    }
}

/// Which of our streams are terminals.
fn tty_flags() -> u32 {
    [
        (libc::STDIN_FILENO, port::STDIN_TTY),
        (libc::STDOUT_FILENO, port::STDOUT_TTY),
        (libc::STDERR_FILENO, port::STDERR_TTY),
    ]
    .into_iter()
    .filter(|&(fd, _)| terminal::is_tty(fd))
    .fold(0, |flags, (_, flag)| flags | flag)
}

struct ConsoleSignals {
    irq: EventFd,
    room: Arc<EventFd>,
}

impl console::Signals for ConsoleSignals {
    fn interrupt(&self) {
        signal(&self.irq);
    }
    fn room(&self) {
        signal(&self.room);
    }
}

/// Input goes to the console device once the guest has claimed it, until then to the UART if there is one.
struct GuestInput {
    console: Arc<Mutex<console::Input<GuestMemory>>>,
    uart: Option<Arc<Mutex<Uart>>>,
}

impl Taker for GuestInput {
    fn is_ready(&self) -> bool {
        self.uart.is_some() || lock(&self.console).is_claimed()
    }

    fn room(&self) -> usize {
        let console = lock(&self.console);
        match &self.uart {
            Some(uart) if !console.is_claimed() => {
                // Locked while it prints, which may block: then it has no room.
                uart.try_lock().map_or(0, |uart| uart.room())
            }
            _ => console.room(),
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        let mut console = lock(&self.console);
        match &self.uart {
            Some(uart) if !console.is_claimed() => lock(uart).put(bytes),
            _ => console.put(bytes),
        };
    }

    fn end(&mut self) {
        lock(&self.console).end();
    }
}

/// A thread that panicked has left nothing inconsistent behind such a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
