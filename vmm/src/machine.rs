//! Builds the machine, runs it, and says how it ended.
//!
//! - [`assembly`]: what it is made of, before anything of it runs
//! - [`onlookers`]: debuggers, profiles and the control socket's hold on it

mod assembly;
mod onlookers;

pub use assembly::programs;

use crate::board::Board;
use crate::config::Config;
use crate::control::Remote;
use crate::control::running::Parts;
use crate::core::wish::Wish;
use crate::ending::{Ending, Request};
use crate::error::Error;
use crate::events::Notice;
use crate::events::input::Input;
use crate::events::timer::Timer;
use crate::events::watchdog::{Patient, Watchdog};
use crate::evidence::Witness;
use crate::jail::{self, Kind};
use crate::memory::GuestMemory;
use crate::profile::session::Session;
use crate::vcpu::group::{Group, Reports};
use crate::vcpu::thread::World;
use crate::virtio::attach::{Attached, attach};
use crate::vm::Vm;
use assembly::{Assembly, Events, Orders};
use event_manager::SubscriberOps;
use onlookers::{Onlookers, Subject};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How long a vCPU that was asked to stop may take. It is stopped within a millisecond, unless it waits for somebody to
/// read our standard output.
const STOP_TIME: Duration = Duration::from_millis(500);

/// Runs what `config` describes until it ends, while `witness` looks on.
pub fn run(config: Config, witness: &mut Witness) -> Result<Ending, Error> {
    Machine::start(Assembly::new(config, witness)?)?.live(witness)
}

/// A machine that runs.
struct Machine {
    kernel_path: PathBuf,
    events: Events,
    vm: Arc<Vm>,
    devices: Attached,
    onlookers: Onlookers,
    vcpus: Group,
    core: Option<Wish>,
    remote: Option<Remote>,
    notices: Receiver<Notice>,
}

impl Machine {
    /// Confines this process and starts the threads of a machine, those of its vCPUs last.
    fn start(assembly: Assembly) -> Result<Self, Error> {
        let Assembly { kernel_path, needs, remote, watchers, mailbox, notices, .. } = assembly;
        let Assembly { mut events, room, traffic, vm, vcpus, board, plans, modules, programs, .. } = assembly;
        let Orders { gdb, profile, core, timeout, boot_timeout, keeps_state } = assembly.orders;
        let Board { ports, input } = board;
        // For this thread too, and those that are started from here on.
        needs.map(jail::arm).transpose()?;
        let devices = attach(&vm, plans)?;
        events.add_subscriber(Box::new(Input::new(input.clone(), room, mailbox.clone())?));
        if let Some(after) = timeout {
            events.add_subscriber(Box::new(Timer::new(after, mailbox.clone())?));
        }
        let subject = Subject { vm: &vm, vcpus: &vcpus, modules: &modules, programs, mailbox: &mailbox };
        let onlookers = Onlookers::start(gdb, profile, remote.is_some(), watchers, subject)?;
        let (windows, control) = (devices.windows.clone(), onlookers.control.clone());
        if let Some((remote, control)) = remote.as_ref().zip(control.clone()) {
            remote.has(Parts { control, input, windows: windows.clone(), console: traffic });
        }
        let mut world = World::new(ports, windows, vm.memory().clone(), control);
        world.keeps_state = keeps_state;
        world.logs = onlookers.profile.as_ref().map(Session::logs);
        // A debugger may let the guest stand for as long as its user thinks.
        if let Some(after) = boot_timeout.filter(|_| onlookers.debugger.is_none()) {
            let patient = Patient::of(&world, &kernel_path);
            events.add_subscriber(Box::new(Watchdog::new(after, patient, mailbox.clone())?));
        }
        let vcpus = Group::start(vcpus, world, move |id| mailbox.send(Notice::Stopped(id)))?;
        jail::enter(Kind::Main);
        Ok(Self { kernel_path, remote, vm, notices, events, devices, onlookers, vcpus, core })
    }

    /// Waits for its end, and has those told who want to know.
    fn live(mut self, witness: &mut Witness) -> Result<Ending, Error> {
        let (request, stopped) = serve(&mut self.events, &self.notices, &self.vcpus)?;
        self.remote.iter().for_each(|remote| remote.ends());
        self.devices.end();
        let reports = self.vcpus.join(&stopped);
        let ending = Ending::of(&reports, request, &self.kernel_path);
        self.remote.iter().for_each(|remote| remote.ended(ending.status));
        witness.autopsy(&ending, &reports, self.vm.memory());
        let profile = self.onlookers.end(&ending);
        Ok(Ending { profile, ..with_core(ending, self.core, &reports, self.vm.memory()) })
    }
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
    events: &mut Events,
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
