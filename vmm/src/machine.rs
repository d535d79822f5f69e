//! Builds the machine, runs it, and says how it ended.
//!
//! - [`onlookers`]: debuggers, profiles and the control socket's hold on it

mod onlookers;

use crate::board::{self, Board, Streams};
use crate::config::Config;
use crate::console::Standard;
use crate::control::Remote;
use crate::control::running::Parts;
use crate::core::wish::Wish;
use crate::debug::programs::Programs;
use crate::ending::{Ending, Request};
use crate::error::Error;
use crate::events::input::Input;
use crate::events::signals::Signals;
use crate::events::timer::Timer;
use crate::events::watchdog::{Patient, Watchdog};
use crate::events::{Mailbox, Notice, eventfd};
use crate::evidence::Witness;
use crate::guest::Guest;
use crate::jail::{self, Kind, Needs};
use crate::memory::{self, GuestMemory};
use crate::output::Traffic;
use crate::profile::session::Session;
use crate::vcpu::group::{Group, Reports};
use crate::vcpu::kick;
use crate::vcpu::thread::World;
use crate::virtio;
use crate::vm::Vm;
use crate::{doctor, kvm};
use event_manager::{EventManager, MutEventSubscriber, SubscriberOps};
use kvm_ioctls::{Kvm, VcpuFd};
use onlookers::{Onlookers, Subject};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a vCPU that was asked to stop may take. It is stopped within a millisecond, unless it waits for somebody to
/// read our standard output.
const STOP_TIME: Duration = Duration::from_millis(500);

/// What a stock kernel whose console is the virtio console has on its command line.
const VIRTIO_CONSOLE: &str = "console=hvc";

/// Runs what `config` describes until it ends, while `witness` looks on.
pub fn run(mut config: Config, witness: &mut Witness) -> Result<Ending, Error> {
    let kernel_path = config.kernel.path.clone();
    let programs = programs(&config);
    let needs = config.jail.then(|| Needs::of_run(&config, &programs).and_of(witness));
    config.profile.iter_mut().for_each(|wish| wish.find_kernel_mode());
    let (kvm, memory) = resources(&config)?;
    let (mailbox, notices, wake) = Mailbox::new()?;
    let watchers = Arc::default();
    let remote = Remote::start(&mut config, &mailbox, &watchers)?;
    let room = Arc::new(eventfd()?);
    let traffic = Arc::new(Traffic { ears: witness.ears(), ..Traffic::default() });
    let standard =
        config.console.is_some().then(|| Standard::new(room.clone(), traffic.clone())).transpose()?;
    let plans = virtio::plan::plans(&mut config, &memory, standard.as_ref(), &mailbox)?;
    let guest = Guest::check(config.kernel, config.format, memory::low_end(&memory))?;
    let (vm, vcpus) = virtual_machine(kvm, memory, config.cpus, guest.is_stock())?;
    let modules = guest.load(&vm, &vcpus, config.modules, &config.cmdline, plans.len())?;

    let mut events: EventManager<Box<dyn MutEventSubscriber>> = EventManager::new()?;
    events.add_subscriber(Box::new(wake));
    let virtio_first = !config.format.is_stock() || config.cmdline.contains(VIRTIO_CONSOLE);
    let streams =
        Streams { mailbox: &mailbox, room: room.clone(), traffic: traffic.clone(), standard, virtio_first };
    let Board { ports, input } = board::connect(&vm, streams, config.uart, config.format.is_stock())?;
    events.add_subscriber(Box::new(Signals::new(mailbox.clone(), input.on_resize())?));
    // Signals are for this thread, and those that are started from here on; and so is the jail.
    needs.map(jail::arm).transpose()?;
    let devices = virtio::attach(&vm, plans)?;
    events.add_subscriber(Box::new(Input::new(input.clone(), room, mailbox.clone())?));
    if let Some(after) = config.timeout {
        events.add_subscriber(Box::new(Timer::new(after, mailbox.clone())?));
    }
    let subject = Subject { vm: &vm, vcpus: &vcpus, modules: &modules, programs, mailbox: &mailbox };
    let onlookers = Onlookers::start(config.gdb, config.profile, remote.is_some(), watchers, subject)?;
    if let Some((remote, control)) = remote.as_ref().zip(onlookers.control.clone()) {
        remote.has(Parts { control, input, windows: devices.windows.clone(), console: traffic });
    }
    let its_mailbox = mailbox.clone();
    let done = move |id| its_mailbox.send(Notice::Stopped(id));
    let (windows, control) = (devices.windows.clone(), onlookers.control.clone());
    let mut world = World::new(ports, windows, vm.memory().clone(), control);
    world.keeps_state = config.core.is_some() || witness.wants_state();
    world.logs = onlookers.profile.as_ref().map(Session::logs);
    // A debugger may let the guest stand for as long as its user thinks.
    if let Some(after) = config.boot_timeout.filter(|_| onlookers.debugger.is_none()) {
        let patient = Patient::of(&world, &kernel_path);
        events.add_subscriber(Box::new(Watchdog::new(after, patient, mailbox.clone())?));
    }
    let vcpus = Group::start(vcpus, world, done)?;
    jail::enter(Kind::Main);
    let (request, stopped) = serve(&mut events, &notices, &vcpus)?;
    remote.iter().for_each(|remote| remote.ends());
    devices.end();
    let reports = vcpus.join(&stopped);
    let ending = Ending::of(&reports, request, &kernel_path);
    remote.iter().for_each(|remote| remote.ended(ending.status));
    witness.autopsy(&ending, &reports, vm.memory());
    let profile = onlookers.end(&ending);
    Ok(Ending { profile, ..with_core(ending, config.core, &reports, vm.memory()) })
}

/// The KVM, and the guest's memory.
fn resources(config: &Config) -> Result<(Kvm, GuestMemory), Error> {
    let kvm = kvm::open()?;
    kvm::check_cpus(config.cpus, kvm.get_max_vcpus())?;
    kick::install()?;
    Ok((kvm, memory::allocate(config.memory)?))
}

/// Makes the machine, and lets go of `kvm`: nobody is to make others with it.
fn virtual_machine(
    kvm: Kvm,
    memory: GuestMemory,
    cpus: u8,
    is_stock: bool,
) -> Result<(Arc<Vm>, Vec<VcpuFd>), Error> {
    if is_stock {
        doctor::check_stock()?;
    }
    let vm = Arc::new(Vm::new(&kvm, memory)?);
    let vcpus = vm.create_vcpus(&kvm, cpus, is_stock)?;
    Ok((vm, vcpus))
}

/// The programs of the guest, for whoever wants to know names and symbols: finding them takes reading files.
pub fn programs(config: &Config) -> Programs {
    let is_watched = config.gdb.is_some() || config.profile.is_some();
    if is_watched { Programs::of(&config.kernel, &config.modules) } else { Programs::default() }
}

/// Leaves a core behind, if one is wanted and the guest has died.
fn with_core(ending: Ending, wish: Option<Wish>, reports: &Reports, memory: &GuestMemory) -> Ending {
    let message = ending.message.as_deref().unwrap_or_default();
    let deposit = |wish: Wish| Some(wish.fulfil(ending.death()?, message, reports, memory));
    Ending { core: wish.and_then(deposit), ..ending }
}

/// Serves events until a vCPU has stopped by itself or something was requested, then stops all. Returns the request, and
/// the vCPUs in the order in which they stopped, without those that cannot be stopped.
fn serve(
    events: &mut EventManager<Box<dyn MutEventSubscriber>>,
    notices: &Receiver<Notice>,
    vcpus: &Group,
) -> Result<(Option<Request>, Vec<usize>), Error> {
    let mut stopped = Vec::new();
    let request = loop {
        events.run()?;
        match notices.try_recv() {
            Ok(Notice::Stopped(id)) => {
                stopped.push(id);
                break None;
            }
            Ok(Notice::Request(request)) => break Some(request),
            Err(_) => {}
        }
    };
    if stopped.len() < vcpus.len() {
        vcpus.kick();
    }
    let deadline = Instant::now() + STOP_TIME;
    while stopped.len() < vcpus.len() {
        match notices.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Notice::Stopped(id)) => stopped.push(id),
            Ok(Notice::Request(_)) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
    }
    Ok((request, stopped))
}
