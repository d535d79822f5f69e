//! The machine of this process, from the beginning: parts of it come when they have been made.

use super::actions;
use super::http::response::Problem;
use super::machine::Machine;
use super::metrics::families::{Figures, Traffic, Vcpu, text};
use super::metrics::process::Stat;
use super::server::{Bell, Waiting};
use super::service::Service;
use super::status::{self, State, Status, VcpuState};
use crate::board::{Deaf, GuestInput};
use crate::config::Config;
use crate::debug::control::Control;
use crate::debug::control::freeze::{Seen, Stand};
use crate::ending;
use crate::events::Mailbox;
use crate::manifest;
use crate::output;
use crate::virtio::attach::Windows;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// A machine.
pub struct Running {
    started: Instant,
    configured: manifest::Machine,
    process: Option<Stat>,
    mailbox: Mailbox,
    watchers: Arc<AtomicUsize>,
    parts: OnceLock<Parts>,
    is_ending: AtomicBool,
    exit: OnceLock<status::Exit>,
    /// Rung when there are parts.
    bell: Arc<Bell>,
}

/// What it has when it runs.
pub struct Parts {
    pub control: Arc<Control>,
    pub input: GuestInput,
    pub windows: Windows,
    pub console: Arc<output::Traffic>,
}

impl Running {
    /// Of what `config` describes. `watchers`: how many there are.
    pub fn new(config: &Config, mailbox: Mailbox, bell: Arc<Bell>, watchers: Arc<AtomicUsize>) -> Self {
        Self {
            started: Instant::now(),
            configured: manifest::Machine::of(config),
            process: Stat::of_process(),
            mailbox,
            watchers,
            parts: OnceLock::new(),
            is_ending: AtomicBool::new(false),
            exit: OnceLock::new(),
            bell,
        }
    }

    /// It is about to run.
    pub fn has(&self, parts: Parts) {
        self.parts.get_or_init(|| parts);
        self.bell.ring();
    }

    /// Its vCPUs are being stopped.
    pub fn ends(&self) {
        self.is_ending.store(true, Ordering::SeqCst);
    }

    /// It has ended in this way.
    pub fn ended(&self, how: ending::Status) {
        self.exit.get_or_init(|| how.into());
    }

    fn parts(&self) -> Result<&Parts, Problem> {
        self.parts
            .get()
            .ok_or_else(|| Problem::new(503, "the machine is still being made", "try again in a moment"))
    }

    /// The parts of a machine that can still be told something.
    fn alive(&self) -> Result<&Parts, Problem> {
        let parts = self.parts()?;
        if self.is_ending.load(Ordering::SeqCst) {
            return Err(Problem::new(409, "the machine is ending", "nothing can be done with it any more"));
        }
        Ok(parts)
    }

    fn frozen_for(&self) -> Duration {
        self.parts.get().map_or(Duration::ZERO, |parts| parts.control.frozen_for())
    }

    fn state(&self, seen: &[Seen]) -> State {
        let Some(Parts { control, .. }) = self.parts.get() else { return State::Starting };
        let is_held = !seen.is_empty() && seen.iter().all(|seen| seen.stand == Stand::Held);
        match () {
            () if self.is_ending.load(Ordering::SeqCst) => State::Ending,
            () if control.is_frozen() && control.stands() => State::Paused,
            () if control.is_frozen() => State::Pausing,
            () if is_held => State::InDebugger,
            () => State::Running,
        }
    }
}

impl Machine for Running {
    fn status(&self) -> Status {
        let parts = self.parts.get();
        let seen = parts.map(|parts| parts.control.seen()).unwrap_or_default();
        let devices = parts.iter().flat_map(|parts| parts.windows.counts().map(|(name, _)| name.to_owned()));
        let input = parts.map(|parts| parts.input.readiness());
        Status {
            state: self.state(&seen),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            paused_seconds: self.frozen_for().as_secs_f64(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").into(),
            // Fails for maps whose keys are no strings, of which there are none.
            machine: serde_json::to_value(&self.configured).unwrap_or_default(),
            virtio: devices.collect(),
            vcpus: seen.iter().enumerate().map(vcpu).collect(),
            debuggers: parts.map_or(0, |parts| parts.control.is_attached().into()),
            watchers: self.watchers.load(Relaxed),
            console: input.map_or_else(Default::default, |(deaf, room)| status::Console {
                claimed: deaf != Some(Deaf::Unclaimed),
                ended: deaf == Some(Deaf::Ended),
                room,
            }),
            exit: self.exit.get().copied(),
        }
    }

    fn pause(&self) -> Result<(), Problem> {
        if self.alive()?.control.freeze() {
            tracing::info!("paused by the control socket");
        }
        Ok(())
    }

    fn stands(&self) -> bool {
        self.parts.get().is_some_and(|parts| parts.control.stands())
    }

    fn resume(&self) -> Result<(), Problem> {
        if self.alive()?.control.thaw() {
            tracing::info!("resumed by the control socket");
        }
        Ok(())
    }

    fn stop(&self, how: ending::Status) {
        tracing::info!("ended by the control socket");
        self.mailbox.request(ending::Request::Stop(how));
    }

    fn keys(&self, keys: &[Vec<u8>]) -> Result<usize, Problem> {
        self.alive()?.input.put_keys(keys).map_err(|deaf| match deaf {
            Deaf::Unclaimed => {
                Problem::new(409, "the guest does not take input yet", "try again when it has booted")
            }
            Deaf::Ended => {
                Problem::new(409, "the guest was told that there is no more input", actions::ENDED_HINT)
            }
        })
    }

    fn metrics(&self) -> String {
        let parts = self.parts.get();
        let vcpus = parts.map(|Parts { control, .. }| {
            let exits = control.exits().into_iter().zip(control.times());
            exits.map(|(exits, times)| Vcpu { exits, times }).collect()
        });
        let devices = parts.iter().flat_map(|parts| parts.windows.counts().map(device));
        text(&Figures {
            version: env!("CARGO_PKG_VERSION"),
            process: self.process.as_ref().and_then(Stat::read),
            memory_bytes: self.configured.memory,
            vcpus: vcpus.unwrap_or_default(),
            is_frozen: parts.is_some_and(|parts| parts.control.is_frozen()),
            frozen_for: self.frozen_for(),
            debuggers: parts.map_or(0, |parts| parts.control.is_attached().into()),
            watchers: self.watchers.load(Relaxed),
            devices: devices.collect(),
            console: parts.map_or_else(Traffic::default, |parts| console(&parts.console)),
        })
    }
}

fn vcpu((id, seen): (usize, &Seen)) -> status::Vcpu {
    let state = match seen.stand {
        Stand::Running => VcpuState::Running,
        Stand::Frozen => VcpuState::Paused,
        Stand::Held => VcpuState::InDebugger,
        Stand::Gone => VcpuState::Ended,
    };
    status::Vcpu { id, state, last_exit: seen.last_exit.map(str::to_owned) }
}

fn device((name, counts): (&str, devices::virtio::traffic::Counts)) -> (String, Traffic) {
    let traffic = Traffic {
        requests: counts.requests,
        from_guest: counts.from_driver,
        to_guest: counts.to_driver,
        interrupts: counts.interrupts,
    };
    (name.into(), traffic)
}

fn console(traffic: &output::Traffic) -> Traffic {
    let (from_guest, to_guest) = (traffic.from_guest.load(Relaxed), traffic.to_guest.load(Relaxed));
    Traffic { from_guest, to_guest, ..Traffic::default() }
}

impl Waiting for Service<Running> {
    fn news(&self) -> Option<BorrowedFd<'_>> {
        self.0.parts.get().map(|parts| parts.control.arrivals())
    }

    fn forget_news(&self) {
        if let Some(parts) = self.0.parts.get() {
            parts.control.forget_arrivals();
        }
    }
}
