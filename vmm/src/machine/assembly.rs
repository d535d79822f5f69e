//! What a machine is made of before anything of it runs: files are opened, sockets bound, the guest is loaded. Nobody is confined yet.

use crate::board::{self, Board, Streams};
use crate::config::Config;
use crate::console::Standard;
use crate::control::Remote;
use crate::core::wish::Wish;
use crate::debug::listen::Gdb;
use crate::debug::programs::Programs;
use crate::error::Error;
use crate::events::signals::Signals;
use crate::events::{Mailbox, Notice, eventfd};
use crate::evidence::Witness;
use crate::guest::Guest;
use crate::jail::Needs;
use crate::loader::module::Module;
use crate::memory::{self, GuestMemory};
use crate::output::Traffic;
use crate::vcpu::kick;
use crate::virtio::plan::{self, Plan};
use crate::vm::Vm;
use crate::{doctor, kvm, profile};
use event_manager::{EventManager, MutEventSubscriber, SubscriberOps};
use kvm_ioctls::{Kvm, VcpuFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::Receiver;
use std::time::Duration;
use vmm_sys_util::eventfd::EventFd;

/// What a stock kernel whose console is the virtio console has on its command line.
const VIRTIO_CONSOLE: &str = "console=hvc";

/// What the main thread waits for.
pub type Events = EventManager<Box<dyn MutEventSubscriber>>;

/// A machine in parts.
pub struct Assembly {
    pub kernel_path: PathBuf,
    /// What the jail has to leave; [`None`] without one.
    pub needs: Option<Needs>,
    pub remote: Option<Remote>,
    /// How many look at the profile as it grows.
    pub watchers: Arc<AtomicUsize>,
    pub mailbox: Mailbox,
    pub notices: Receiver<Notice>,
    pub events: Events,
    /// Written when the guest has room for input.
    pub room: Arc<EventFd>,
    pub traffic: Arc<Traffic>,
    pub vm: Arc<Vm>,
    pub vcpus: Vec<VcpuFd>,
    pub board: Board,
    pub plans: Vec<Plan>,
    pub modules: Vec<Module>,
    pub programs: Programs,
    pub orders: Orders,
}

/// What is to be done when it runs, and when it has ended.
pub struct Orders {
    pub gdb: Option<Gdb>,
    pub profile: Option<profile::wish::Wish>,
    pub core: Option<Wish>,
    pub timeout: Option<Duration>,
    pub boot_timeout: Option<Duration>,
    /// Whether vCPUs are to leave everything behind that is known of them.
    pub keeps_state: bool,
}

impl Assembly {
    /// Of what `config` describes, for `witness` to look on.
    pub fn new(mut config: Config, witness: &Witness) -> Result<Self, Error> {
        let kernel_path = config.kernel.path.clone();
        let programs = programs(&config);
        let needs = config.jail.then(|| Needs::of_run(&config, &programs));
        let needs = needs.map(|needs| needs.and_evidence(witness.folders(), witness.programs()));
        config.profile.iter_mut().for_each(|wish| wish.find_kernel_mode());
        let (kvm, memory) = resources(&config)?;
        let (mailbox, notices, wake) = Mailbox::new()?;
        let watchers = Arc::default();
        let remote = Remote::start(&mut config, &mailbox, &watchers)?;
        let room = Arc::new(eventfd()?);
        let traffic = Arc::new(Traffic { ears: witness.ears(), ..Traffic::default() });
        let standard =
            config.console.is_some().then(|| Standard::new(room.clone(), traffic.clone())).transpose()?;
        let plans = plan::plans(&mut config, &memory, standard.as_ref(), &mailbox)?;
        let is_stock = config.format.is_stock();
        let guest = Guest::check(config.kernel, config.format, memory::low_end(&memory))?;
        let (vm, vcpus) = virtual_machine(kvm, memory, config.cpus, is_stock)?;
        let modules = guest.load(&vm, &vcpus, config.modules, &config.cmdline, plans.len())?;

        let mut events = Events::new()?;
        events.add_subscriber(Box::new(wake));
        let virtio_first = !is_stock || config.cmdline.contains(VIRTIO_CONSOLE);
        let streams = Streams {
            mailbox: &mailbox,
            room: room.clone(),
            traffic: traffic.clone(),
            standard,
            virtio_first,
        };
        let board = board::connect(&vm, streams, config.uart, is_stock)?;
        // Signals are for this thread, and those that are started from here on.
        events.add_subscriber(Box::new(Signals::new(mailbox.clone(), board.input.on_resize())?));
        let keeps_state = config.core.is_some() || witness.wants_state();
        let Config { gdb, profile, core, timeout, boot_timeout, .. } = config;
        let orders = Orders { gdb, profile, core, timeout, boot_timeout, keeps_state };
        Ok(Self {
            kernel_path,
            needs,
            remote,
            watchers,
            mailbox,
            notices,
            events,
            room,
            traffic,
            vm,
            vcpus,
            board,
            plans,
            modules,
            programs,
            orders,
        })
    }
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
