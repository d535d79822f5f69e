//! What is on the guest's ports, and who takes its input.

use crate::console::Standard;
use crate::error::Error;
use crate::events::Mailbox;
use crate::events::input::Taker;
use crate::evidence::ears::Mouth;
use crate::memory::GuestMemory;
use crate::output::{self, Traffic};
use crate::terminal;
use crate::vm::Vm;
use devices::PortBus;
use devices::acpi::{self, PowerPort};
use devices::console::{self, Channel, Console, Output};
use devices::debug::DebugPort;
use devices::exit::ExitPort;
use devices::i8042::{self, I8042};
use devices::rtc::{self, Rtc};
use devices::uart::{Line, Uart};
use std::io::Write;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use vmm_abi::{console as port, ports};
use vmm_sys_util::eventfd::EventFd;

/// The devices of a machine.
pub struct Board {
    pub ports: PortBus,
    pub input: GuestInput,
}

/// What connects devices with our standard streams.
pub struct Streams<'a> {
    pub mailbox: &'a Mailbox,
    /// Written when there is room for input.
    pub room: Arc<EventFd>,
    pub traffic: Arc<Traffic>,
    /// Those of the virtio console, if there is one.
    pub standard: Option<Arc<Standard>>,
    /// The virtio console takes input as soon as the guest's driver has opened it; otherwise only where there is no UART.
    pub virtio_first: bool,
}

/// Makes the devices and connects them with `vm` and with our standard streams. `stock`: those of a PC too.
pub fn connect(vm: &Vm, streams: Streams<'_>, uart: bool, stock: bool) -> Result<Board, Error> {
    let Streams { mailbox, room, traffic, standard, virtio_first } = streams;
    let mut ports = PortBus::default();
    let ears = traffic.ears.clone();
    let debug_line = move |line: &[u8]| {
        ears.hear(Mouth::Debug, line);
        print_debug_line(line);
    };
    ports.add(ports::DEBUG, 1, Arc::new(Mutex::new(DebugPort::new(debug_line))));
    ports.add(ports::EXIT, 4, Arc::new(Mutex::new(ExitPort)));

    let signals = ConsoleSignals { irq: vm.interrupt_line(port::IRQ)?, room: room.clone() };
    let console = Console::new(
        vm.memory().clone(),
        tty_flags(),
        terminal::window_size(),
        Box::new(output::Streams::new(mailbox.clone(), traffic.clone())),
        Box::new(signals),
    );
    let mut input =
        GuestInput { console: console.input(), standard, virtio_first, uart: None, traffic: traffic.clone() };
    ports.add(port::PORT_BASE, 1 << port::PORT_LOG2, Arc::new(Mutex::new(console)));

    if uart {
        let irq = vm.interrupt_line(ports::UART_IRQ)?;
        let line = Line(Box::new(move || signal(&irq)));
        let mut streams = output::Streams::new(mailbox.clone(), traffic.clone());
        let mut device = Uart::new(line, Box::new(move |b| streams.write(Channel::Out, b)));
        if stock {
            device.wait_for_receiver();
        }
        let device = Arc::new(Mutex::new(device));
        input.uart = Some(device.clone());
        ports.add(ports::UART, 8, device);
        // It has no way to say that it is there; input is read from the start.
        signal(&room);
    }
    if stock {
        ports.add(ports::ACPI, acpi::PORTS, Arc::new(Mutex::new(PowerPort)));
        ports.add(ports::I8042, i8042::PORTS, Arc::new(Mutex::new(I8042::new())));
        ports.add(ports::RTC, rtc::PORTS, Arc::new(Mutex::new(Rtc::new(Box::new(since_1970)))));
    }
    Ok(Board { ports, input })
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
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

/// Input goes to the console device or to the virtio console once the guest has claimed it, until then to the UART if there is one. Drivers
/// of Linux open a virtio console in any case: there, it has to be asked for.
///
/// It comes from standard input and from the control socket, by clones of this. They take turns: the console device is locked by whoever gives anything.
#[derive(Clone)]
pub struct GuestInput {
    console: Arc<Mutex<console::Input<GuestMemory>>>,
    standard: Option<Arc<Standard>>,
    virtio_first: bool,
    uart: Option<Arc<Mutex<Uart>>>,
    traffic: Arc<Traffic>,
}

/// What takes the input just now.
enum Sink<'a> {
    Console(&'a mut console::Input<GuestMemory>),
    Standard(&'a Standard),
    /// [`None`] while it prints, which may block: then it takes nothing.
    Uart(Option<MutexGuard<'a, Uart>>),
}

/// Why input is not taken, and waiting for room would not help.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Deaf {
    /// The guest has not asked for it yet.
    Unclaimed,
    /// The guest was told that there is no more.
    Ended,
}

impl Sink<'_> {
    fn room(&self) -> usize {
        match self {
            Self::Console(console) => console.room(),
            Self::Standard(standard) => standard.room(),
            Self::Uart(uart) => uart.as_ref().map_or(0, |uart| uart.room()),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        match self {
            Self::Console(console) => console.put(bytes),
            Self::Standard(standard) => standard.put(bytes),
            Self::Uart(uart) => uart.as_mut().map_or(0, |uart| uart.put(bytes)),
        }
    }

    fn deafness(&self) -> Option<Deaf> {
        match self {
            Self::Console(console) if !console.is_claimed() => Some(Deaf::Unclaimed),
            Self::Console(console) if console.is_ended() => Some(Deaf::Ended),
            _ => None,
        }
    }
}

impl GuestInput {
    /// What to do when the terminal has a new size.
    pub fn on_resize(&self) -> Box<dyn Fn((u16, u16))> {
        let (console, standard) = (self.console.clone(), self.standard.clone());
        Box::new(move |size| {
            lock(&console).resize(size);
            standard.iter().for_each(|standard| standard.resize(size));
        })
    }

    /// Puts `keys`, each whole, as many as there is room for, and returns their number.
    pub fn put_keys(&self, keys: &[Vec<u8>]) -> Result<usize, Deaf> {
        self.with_sink(|mut sink| {
            if let Some(deaf) = sink.deafness() {
                return Err(deaf);
            }
            let mut room = sink.room();
            let fits = |key: &&Vec<u8>| room.checked_sub(key.len()).map(|left| room = left).is_some();
            let count = keys.iter().take_while(fits).count();
            let put = sink.put(&keys[..count].concat());
            self.traffic.to_guest.fetch_add(put as u64, Relaxed);
            Ok(count)
        })
    }

    /// Why it would not take keys, and how much room there is.
    pub fn readiness(&self) -> (Option<Deaf>, usize) {
        self.with_sink(|sink| (sink.deafness(), sink.room()))
    }

    /// The virtio console, if it is what the guest takes its input from.
    fn claimed_standard(&self) -> Option<&Standard> {
        let wanted = self.virtio_first || self.uart.is_none();
        self.standard.as_deref().filter(|standard| wanted && standard.is_claimed())
    }

    fn with_sink<R>(&self, act: impl FnOnce(Sink<'_>) -> R) -> R {
        let mut console = lock(&self.console);
        act(match (&self.uart, self.claimed_standard()) {
            (_, Some(standard)) if !console.is_claimed() => Sink::Standard(standard),
            (Some(uart), _) if !console.is_claimed() => Sink::Uart(uart.try_lock().ok()),
            _ => Sink::Console(&mut console),
        })
    }
}

impl Taker for GuestInput {
    fn is_ready(&self) -> bool {
        self.uart.is_some() || self.claimed_standard().is_some() || lock(&self.console).is_claimed()
    }

    fn room(&self) -> usize {
        self.with_sink(|sink| sink.room())
    }

    fn put(&mut self, bytes: &[u8]) -> usize {
        let put = self.with_sink(|mut sink| sink.put(bytes));
        self.traffic.to_guest.fetch_add(put as u64, Relaxed);
        put
    }

    fn end(&mut self) {
        lock(&self.console).end();
    }
}

/// A thread that panicked has left nothing inconsistent behind such a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
