//! The loop of a vCPU that may be debugged.
//!
//! A vCPU parks only when KVM_RUN has returned EINTR: then nothing of the last exit is left to be completed. So one that has met something
//! for the debugger sets `immediate_exit` itself and calls KVM_RUN once more. (An instruction that touches memory in several pieces
//! leaves several times until then.) Where KVM cannot go on at all, there is nothing to complete.

use super::Control;
use super::station::{Plight, Way};
use super::trap::Trap;
use super::watch::Access;
use crate::profile::exits::Exits;
use crate::vcpu::exit::{Next, Stop, handle, handle_error};
use crate::vcpu::moments::Moments;
use crate::vcpu::thread::World;
use kvm_ioctls::{VcpuExit, VcpuFd};
use vmm_abi::exit::KERNEL_PANIC;
use vmm_abi::ports::DEBUGGER;

impl Control {
    /// Runs vCPU `id`, in its thread, until something ends it.
    pub(crate) fn run(
        &self,
        id: usize,
        fd: &mut VcpuFd,
        world: &World,
        moments: &Moments<'_>,
        exits: &Exits<'_>,
    ) -> Stop {
        let Some(station) = self.stations.get(id) else { return Stop::Kicked };
        let _leaving = Leaving(self, id);
        let mut met = Vec::new();
        loop {
            let next = match exits.run(fd) {
                Ok(exit) => {
                    moments.exit(&exit);
                    station.exits().count(&exit);
                    match self.sort(exit, world) {
                        Ok(None) => Next::Run,
                        Ok(Some(trap)) => {
                            met.push(trap);
                            station.kicker().leave_next();
                            Next::Run
                        }
                        Err(exit) => handle(exit, &world.ports, &world.windows),
                    }
                }
                Err(error) if error.errno() == libc::EINTR => {
                    station.exits().count_interrupted();
                    exits.interrupted(fd);
                    match self.park(id, fd, Plight::None, &mut met) {
                        Way::Run | Way::Past => Next::Run,
                        Way::End | Way::Kicked => Next::Stop(Stop::Kicked),
                    }
                }
                Err(error) => handle_error(error, false),
            };
            if let Next::Stop(stop) = next {
                let stop = stop.with(&world.memory);
                if self.ends(id, fd, &stop) {
                    return stop;
                }
            }
        }
    }

    /// Tells what is for the debugger; what is not comes back. [`None`] if it is done.
    fn sort<'a>(&self, exit: VcpuExit<'a>, world: &World) -> Result<Option<Trap>, VcpuExit<'a>> {
        let access = match exit {
            VcpuExit::IoOut(DEBUGGER, data) => return Ok(data.first().map(|&value| Trap::Port(value))),
            VcpuExit::Debug(details) => return Ok(Some(Trap::Debug(details))),
            VcpuExit::MmioWrite(address, data) => {
                let access = self.watches().write(&world.memory, address, data);
                (access, VcpuExit::MmioWrite(address, data))
            }
            VcpuExit::MmioRead(address, data) => {
                let access = self.watches().read(&world.memory, address, data);
                (access, VcpuExit::MmioRead(address, data))
            }
            other => return Err(other),
        };
        match access {
            (Access::Foreign, exit) => Err(exit),
            (Access::Made, _) => Ok(None),
            (Access::Hit(hit), _) => Ok(Some(Trap::Watch(hit))),
        }
    }

    /// Whether the vCPU's end is the end. If there is a debugger, a crash waits here for it, and an error may be mended.
    fn ends(&self, id: usize, fd: &mut VcpuFd, stop: &Stop) -> bool {
        let (plight, trap) = match stop {
            Stop::InternalError => (Plight::Error, Trap::InternalError(crate::vcpu::thread::suberror(fd))),
            stop if is_crash(stop) => (Plight::Crash, Trap::Crashed(stop.clone())),
            _ => return true,
        };
        self.park(id, fd, plight, &mut vec![trap]) != Way::Run
    }

    /// Parks the vCPU if it was called, or has `met` something and there is a debugger to be told.
    fn park(&self, id: usize, fd: &mut VcpuFd, plight: Plight, met: &mut Vec<Trap>) -> Way {
        let Some(station) = self.stations.get(id) else { return Way::Kicked };
        station.visit(fd, plight, || {
            let told = !met.is_empty() && self.is_attached();
            if told {
                self.traps.put(id, met.drain(..));
            }
            met.clear();
            told
        })
    }
}

/// Whether a machine that has ended so is worth a look.
fn is_crash(stop: &Stop) -> bool {
    match stop {
        Stop::Exit(value) => value & 0xff == u32::from(KERNEL_PANIC),
        Stop::PowerOff | Stop::Reset | Stop::Kicked => false,
        Stop::WarmReset
        | Stop::Shutdown
        | Stop::InternalError
        | Stop::FailEntry(_)
        | Stop::RunFailed(_)
        | Stop::Unexpected(_) => true,
    }
}

/// Tells when the thread ends, by a panic too.
struct Leaving<'a>(&'a Control, usize);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if let Some(station) = self.0.stations.get(self.1) {
            station.leave();
        }
    }
}
