//! Puts devices into the machine: registers, doorbells, interrupt lines, threads.

use super::plan::Plan;
use super::worker::{Orders, Worker};
use crate::error::Error;
use crate::events::eventfd;
use crate::vm::Vm;
use devices::virtio::traffic::Counts;
use devices::virtio::{Line, Mmio, mmio};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use vmm_abi::virtio::{DEVICES_MAX, LINES, SIZE, WORD, base};
use vmm_sys_util::eventfd::EventFd;

/// How long all devices together may take to end.
const END_TIME: Duration = Duration::from_millis(500);

/// The devices of a machine. Device *n* has its registers at [`base`]`(n)`.
#[derive(Clone, Default)]
pub struct Windows(Arc<[Window]>);

struct Window {
    device: Arc<Mmio>,
    orders: Orders,
}

/// Devices with their threads.
pub struct Attached {
    pub windows: Windows,
    workers: Vec<Worker>,
}

struct Irq(EventFd);

impl Line for Irq {
    fn trigger(&self) {
        // An eventfd that cannot be written is full, so it is signalled already.
        let _ = self.0.write(1);
    }
}

/// Puts `plans` into the machine.
pub fn attach(vm: &Vm, plans: Vec<Plan>) -> Result<Attached, Error> {
    if plans.len() > DEVICES_MAX {
        return Err(Error::TooManyDevices { asked: plans.len(), most: DEVICES_MAX });
    }
    let (mut windows, mut workers) = (Vec::new(), Vec::new());
    for (n, plan) in plans.into_iter().enumerate() {
        let line = Irq(vm.interrupt_line(LINES[n])?);
        let device = Arc::new(Mmio::new(plan.name, plan.device, vm.memory().clone(), Box::new(line)));
        let mut doorbells = Vec::new();
        for queue in 0..device.queues() {
            let doorbell = eventfd()?;
            vm.doorbell(&doorbell, base(n) + mmio::DOORBELL, queue as u32)?;
            doorbells.push(doorbell);
        }
        let worker = Worker::start(device.clone(), plan.kind, doorbells, plan.sources)?;
        windows.push(Window { device, orders: worker.orders().clone() });
        workers.push(worker);
    }
    Ok(Attached { windows: Windows(windows.into()), workers })
}

impl Attached {
    /// Ends the devices, when the vCPUs have stopped. What the guest had asked for is done.
    pub fn end(self) {
        let deadline = Instant::now() + END_TIME;
        self.workers.iter().for_each(Worker::stop);
        self.workers.into_iter().for_each(|worker| worker.join(deadline));
    }
}

impl Windows {
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The devices by their names, and what has gone through each.
    pub fn counts(&self) -> impl Iterator<Item = (&str, Counts)> {
        self.0.iter().map(|window| (window.device.name(), window.device.counts()))
    }

    /// The device with a register at `address`, and the register's offset.
    fn find(&self, address: u64) -> Option<(&Window, u64)> {
        let offset = address.checked_sub(base(0))?;
        let window = self.0.get(usize::try_from(offset / SIZE).ok()?)?;
        Some((window, offset % SIZE))
    }

    /// Fills `data`. False if no device is there.
    pub fn read(&self, address: u64, data: &mut [u8]) -> bool {
        let found = self.find(address);
        if let Some((window, offset)) = found {
            window.device.read(offset, data);
        }
        found.is_some()
    }

    /// False if no device is there.
    pub fn write(&self, address: u64, data: &[u8]) -> bool {
        let found = self.find(address);
        match found {
            Some((window, offset)) if Mmio::involves_device(offset) => window.orders.write(offset, data),
            Some((window, offset)) => window.device.write(offset, data),
            None => {}
        }
        found.is_some()
    }
}

/// What a guest with `count` devices finds on its command line behind `cmdline`.
pub fn command_line(cmdline: &str, count: usize) -> String {
    let mut line = cmdline.to_string();
    for (n, irq) in LINES.iter().enumerate().take(count) {
        let space = if line.is_empty() { "" } else { " " };
        // A String takes everything.
        let _ = write!(line, "{space}{WORD}{}K@{:#x}:{irq}", SIZE >> 10, base(n));
    }
    line
}

#[cfg(test)]
mod tests;
