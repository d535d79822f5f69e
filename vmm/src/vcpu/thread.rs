//! The thread of a vCPU: runs it until something stops it, then says what and where.

use super::exit::{Next, Stop, handle, handle_error};
use super::kick::{Kicked, Kicker};
use super::moments::Moments;
use super::snapshot::Snapshot;
use crate::kvm::{KvmError, failed};
use crate::memory::GuestMemory;
use devices::PortBus;
use kvm_ioctls::VcpuFd;
use std::thread::{self, JoinHandle};

/// What a vCPU's thread leaves behind.
#[derive(Debug)]
pub struct Report {
    pub stop: Stop,
    /// `None` after [`Stop::Exit`], or if KVM did not tell.
    pub at: Option<Snapshot>,
    /// For [`Stop::InternalError`]: KVM's `suberror`.
    pub suberror: u32,
}

/// A vCPU that runs.
pub struct Vcpu {
    thread: JoinHandle<Report>,
    kicker: Kicker,
}

impl Vcpu {
    /// Starts it. `done` is called, in its thread, when it has stopped.
    pub fn start(
        fd: VcpuFd,
        ports: PortBus,
        memory: GuestMemory,
        done: impl FnOnce() + Send + 'static,
    ) -> Result<Self, KvmError> {
        let kicker = Kicker::new(&fd)?;
        let kicked = kicker.kicked();
        let body = move || {
            let report = run(fd, &ports, &memory, &kicked);
            // The devices end here, and with them what they had not printed yet.
            drop(ports);
            done();
            report
        };
        let thread = thread::Builder::new().name("vcpu0".into()).spawn(body).map_err(|e| {
            failed("starting a vCPU's thread")(kvm_ioctls::Error::new(
                e.raw_os_error().unwrap_or(libc::EAGAIN),
            ))
        })?;
        Ok(Self { thread, kicker })
    }

    /// Has it stop soon.
    pub fn kick(&self) {
        self.kicker.kick(&self.thread);
    }

    /// Waits for its end. `None` if its thread panicked.
    pub fn join(self) -> Option<Report> {
        self.thread.join().ok()
    }
}

fn run(mut fd: VcpuFd, ports: &PortBus, memory: &GuestMemory, kicked: &Kicked) -> Report {
    let mut moments = Moments::first_run(&fd);
    let stop = loop {
        let next = match fd.run() {
            Ok(exit) => {
                moments.exit(&exit);
                handle(exit, ports)
            }
            Err(error) => handle_error(error, kicked.get()),
        };
        if let Next::Stop(stop) = next {
            break stop;
        }
    };
    moments.end();
    let suberror = if stop == Stop::InternalError { internal_suberror(&mut fd) } else { 0 };
    // Nobody asks where a guest was that ended by itself, and every run would pay for it.
    let at = if matches!(stop, Stop::Exit(_)) { None } else { Snapshot::take(&fd, memory) };
    Report { stop, at, suberror }
}

fn internal_suberror(fd: &mut VcpuFd) -> u32 {
    // SAFETY: the exit reason was KVM_EXIT_INTERNAL_ERROR, for which KVM fills this member of the union; every bit
    // pattern is a valid u32.
    unsafe { fd.get_kvm_run().__bindgen_anon_1.internal.suberror }
}
