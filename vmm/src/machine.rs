//! Builds the machine, runs it, and says how it ended.

use crate::board::{self, Board, Streams};
use crate::config::Config;
use crate::console::Standard;
use crate::control::Remote;
use crate::control::running::Parts;
use crate::core::wish::Wish;
use crate::debug::control::Control;
use crate::debug::listen::Gdb;
use crate::debug::live::run::Live;
use crate::debug::programs::Programs;
use crate::debug::server::Server;
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
use crate::slots::Slots;
use crate::vcpu::group::{Group, Reports};
use crate::vcpu::kick;
use crate::vcpu::thread::World;
use crate::virtio;
use crate::vm::Vm;
use crate::{doctor, kvm};
use event_manager::{EventManager, MutEventSubscriber, SubscriberOps};
use kvm_ioctls::VcpuFd;
use std::cell::RefCell;
use std::rc::Rc;
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
    let kvm = kvm::open()?;
    kvm::check_cpus(config.cpus, kvm.get_max_vcpus())?;
    kick::install()?;
    let memory = memory::allocate(config.memory)?;
    let (mailbox, notices, wake) = Mailbox::new()?;
    let watchers = Arc::default();
    let remote = Remote::start(&mut config, &mailbox, &watchers)?;
    let room = Arc::new(eventfd()?);
    let traffic = Arc::new(Traffic { ears: witness.ears(), ..Traffic::default() });
    let standard =
        config.console.is_some().then(|| Standard::new(room.clone(), traffic.clone())).transpose()?;
    let plans = virtio::plan::plans(&mut config, &memory, standard.as_ref(), &mailbox)?;
    let guest = Guest::check(config.kernel, config.format, memory::low_end(&memory))?;
    if guest.is_stock() {
        doctor::check_stock()?;
    }
    let vm = Arc::new(Vm::new(&kvm, memory)?);
    let vcpus = vm.create_vcpus(&kvm, config.cpus, guest.is_stock())?;
    // Nobody is to make machines with it.
    drop(kvm);
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
    let control = control(&vcpus, config.gdb.as_ref(), remote.is_some(), &mailbox)?;
    let gdb = config.gdb.zip(control.clone());
    let debugger = gdb.map(|(gdb, control)| debugger(gdb, &vm, control, programs.clone())).transpose()?;
    let profile = config.profile.map(|wish| Session::start(wish, &vm, &vcpus, &modules, programs, watchers));
    let profile = profile.transpose()?;
    if let Some((remote, control)) = remote.as_ref().zip(control.clone()) {
        remote.has(Parts { control, input, windows: devices.windows.clone(), console: traffic });
    }
    let its_mailbox = mailbox.clone();
    let done = move |id| its_mailbox.send(Notice::Stopped(id));
    let mut world = World::new(ports, devices.windows.clone(), vm.memory().clone(), control);
    world.keeps_state = config.core.is_some() || witness.wants_state();
    // A debugger may let the guest stand for as long as its user thinks.
    if let Some(after) = config.boot_timeout.filter(|_| debugger.is_none()) {
        let (told, memory, control) = (world.told.clone(), vm.memory().clone(), world.control.clone());
        let patient = Patient { told, memory, kernel: kernel_path.clone(), control };
        events.add_subscriber(Box::new(Watchdog::new(after, patient, mailbox.clone())?));
    }
    world.logs = profile.as_ref().map(Session::logs);
    let vcpus = Group::start(vcpus, world, done)?;
    jail::enter(Kind::Main);
    let (request, stopped) = serve(&mut events, &notices, &vcpus)?;
    remote.iter().for_each(|remote| remote.ends());
    devices.end();
    let reports = vcpus.join(&stopped);
    let ending = Ending::of(&reports, request, &kernel_path);
    remote.iter().for_each(|remote| remote.ended(ending.status));
    witness.autopsy(&ending, &reports, vm.memory());
    if let Some(debugger) = debugger {
        debugger.end(ending.status.code());
    }
    let profile = profile.and_then(|session| session.end(&ending));
    Ok(Ending { profile, ..with_core(ending, config.core, &reports, vm.memory()) })
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

/// What stops and starts the vCPUs, if a debugger or the control socket (`remote`) may want that.
fn control(
    vcpus: &[VcpuFd],
    gdb: Option<&Gdb>,
    remote: bool,
    mailbox: &Mailbox,
) -> Result<Option<Arc<Control>>, Error> {
    let hold = gdb.is_some_and(|gdb| gdb.hold);
    let is_wanted = gdb.is_some() || remote;
    Ok(is_wanted.then(|| Control::new(vcpus, hold, mailbox.clone())).transpose()?)
}

/// Starts to serve debuggers of a machine that has not run yet and was made of `programs`.
fn debugger(gdb: Gdb, vm: &Arc<Vm>, control: Arc<Control>, programs: Programs) -> Result<Server, Error> {
    gdb.announce();
    let (its_control, vm) = (control.clone(), vm.clone());
    Server::start(gdb, control, move || {
        let slots = Rc::new(RefCell::new(Slots::new(vm.clone())));
        Box::new(move || {
            let live = Live::attach(its_control.clone(), slots.clone(), vm.memory().clone(), &programs)?;
            Ok(Box::new(live))
        })
    })
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
