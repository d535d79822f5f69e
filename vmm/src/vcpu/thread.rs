//! The thread of a vCPU: runs it until something stops it, then says what and where.

use super::exit::{Next, Stop, handle, handle_error};
use super::kick::Kicker;
use super::moments::{Moments, Told};
use super::registers;
use super::snapshot::Snapshot;
use crate::core;
use crate::debug::control::Control;
use crate::jail::{self, Kind};
use crate::kvm::{KvmError, failed};
use crate::memory::GuestMemory;
use crate::profile::exits::{Exits, Log};
use crate::virtio::attach::Windows;
use crate::vm;
use devices::PortBus;
use kvm_ioctls::VcpuFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

/// What all vCPUs of a machine share.
#[derive(Clone)]
pub struct World {
    pub ports: Arc<PortBus>,
    pub windows: Windows,
    pub memory: GuestMemory,
    /// Of a machine that may be debugged.
    pub control: Option<Arc<Control>>,
    /// Whether the vCPUs are to leave everything behind that is known of them, for a core.
    pub keeps_state: bool,
    /// Of a machine that is profiled: the log of each vCPU.
    pub logs: Option<Arc<Vec<Log>>>,
    pub told: Arc<Told>,
}

impl World {
    pub fn new(ports: PortBus, windows: Windows, memory: GuestMemory, control: Option<Arc<Control>>) -> Self {
        Self {
            ports: Arc::new(ports),
            windows,
            memory,
            control,
            keeps_state: false,
            logs: None,
            told: Arc::default(),
        }
    }
}

/// What a vCPU's thread leaves behind.
#[derive(Debug)]
pub struct Report {
    pub stop: Stop,
    /// `None` if the guest chose to end, if the vCPU was never started, or if KVM did not tell.
    pub at: Option<Snapshot>,
    /// For [`Stop::InternalError`]: KVM's `suberror`.
    pub suberror: u32,
    /// Everything, if somebody wants that ([`World::keeps_state`]).
    pub last: Option<core::vcpu::Vcpu>,
}

/// A vCPU that runs.
pub struct Vcpu {
    id: usize,
    thread: JoinHandle<Report>,
    kicker: Arc<Kicker>,
    control: Option<Arc<Control>>,
}

impl Vcpu {
    /// Starts vCPU `id`. `done` is called, in its thread, when it has stopped, in whatever way.
    pub fn start(
        id: usize,
        fd: VcpuFd,
        world: World,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<Self, KvmError> {
        let control = world.control.clone();
        let kicker = match control.as_ref().and_then(|control| control.kicker(id)) {
            Some(kicker) => kicker,
            None => Arc::new(Kicker::new(&fd)?),
        };
        let its_kicker = kicker.clone();
        let body = move || {
            let _done = AtEnd(Some(done));
            // Goes before `_done`. With the last vCPU the devices end, and with them what they had not printed yet.
            let world = world;
            run(id, fd, &world, &its_kicker)
        };
        let thread = thread::Builder::new().name(format!("vcpu{id}")).spawn(body).map_err(|e| {
            failed("starting a vCPU's thread")(kvm_ioctls::Error::new(
                e.raw_os_error().unwrap_or(libc::EAGAIN),
            ))
        })?;
        Ok(Self { id, thread, kicker, control })
    }

    /// Has it stop soon.
    pub fn kick(&self) {
        self.kicker.kick();
        if let Some(control) = &self.control {
            control.wake(self.id);
        }
    }

    /// Waits for its end. `None` if its thread panicked.
    pub fn join(self) -> Option<Report> {
        self.thread.join().ok()
    }
}

/// Calls a function when it goes out of scope, by a panic too.
struct AtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(f) = self.0.take() {
            f();
        }
    }
}

fn run(id: usize, mut fd: VcpuFd, world: &World, kicker: &Arc<Kicker>) -> Report {
    let _entered = kicker.enter();
    let moments = Moments::new(&fd, &world.told);
    if id == 0 {
        moments.first_run();
    }
    let exits = Exits::new(world.logs.as_ref().and_then(|logs| logs.get(id)), kicker);
    world.control.iter().for_each(|control| control.enter(id));
    jail::enter(Kind::Vcpu);
    let stop = match &world.control {
        None => run_freely(&mut fd, world, kicker, &moments, &exits),
        Some(control) => control.run(id, &mut fd, world, &moments, &exits),
    };
    moments.end();
    exits.end(&fd);
    let suberror = if stop == Stop::InternalError { suberror(&mut fd) } else { 0 };
    // Nobody asks where a guest was that ended by itself, and every run would pay for it.
    let at = if stop.is_chosen() { None } else { Snapshot::take(&fd, &world.memory) };
    let last = world.keeps_state.then(|| last(&fd, world));
    Report { stop, at, suberror, last }
}

/// What can be had of a vCPU at its end.
fn last(fd: &VcpuFd, world: &World) -> core::vcpu::Vcpu {
    let known = Snapshot::take(fd, &world.memory).is_some();
    core::vcpu::Vcpu {
        registers: known.then(|| registers::read(fd).ok()).flatten(),
        tsc: vm::read_tsc(fd).ok(),
    }
}

/// The loop of a vCPU that nobody debugs.
fn run_freely(
    fd: &mut VcpuFd,
    world: &World,
    kicker: &Kicker,
    moments: &Moments<'_>,
    exits: &Exits<'_>,
) -> Stop {
    loop {
        let next = match exits.run(fd) {
            Ok(exit) => {
                moments.exit(&exit);
                handle(exit, &world.ports, &world.windows)
            }
            Err(error) => {
                exits.interrupted(fd);
                handle_error(error, kicker.is_kicked())
            }
        };
        if let Next::Stop(stop) = next {
            return stop.with(&world.memory);
        }
    }
}

/// KVM's reason for [`Stop::InternalError`], with which the vCPU has left last.
pub(crate) fn suberror(fd: &mut VcpuFd) -> u32 {
    // SAFETY: the exit reason was KVM_EXIT_INTERNAL_ERROR, for which KVM fills this member of the union; every bit
    // pattern is a valid u32.
    unsafe { fd.get_kvm_run().__bindgen_anon_1.internal.suberror }
}
