//! What lies outside of threads and their requests: devices, the host, and what programs record themselves.

use super::Follower;
use crate::cost::Cost;
use crate::cpu::Outside;
use crate::file::Ring;
use crate::point::Point;
use crate::sink::{Device, Mark, Since, Sink, Stretch};
use std::collections::HashMap;
use std::ops::DerefMut;
use ukernel_abi::ThreadId;
use vmm_abi::trace::{Event, Record};

/// Requests to devices that are remembered at a time.
const REQUESTS: usize = 4096;

/// What devices have been asked for: task of the driver and number of the request, and when.
#[derive(Default)]
pub struct Devices(HashMap<(u16, u64), u64>);

impl Devices {
    pub fn asked(&mut self, driver: u64, request: u64, tsc: u64) {
        let key = (ThreadId(driver).task(), request);
        if self.0.len() < REQUESTS || self.0.contains_key(&key) {
            self.0.insert(key, tsc);
        }
    }

    pub fn done(&mut self, driver: u64, request: u64, tsc: u64) -> Option<Device> {
        let start = self.0.remove(&(ThreadId(driver).task(), request))?;
        Some(Device { driver, queue: request as u32, stretch: Stretch { start, end: tsc } })
    }
}

impl<S: DerefMut<Target: Sink>> Follower<S> {
    /// The host's record about a vCPU.
    pub(super) fn outside(&mut self, cpu: u16, record: &Record) -> bool {
        let (reason, tsc) = (record.argument as u32, record.tsc);
        let state = self.cpu(cpu);
        if record.event() == Event::VM_EXIT {
            state.outside = Some(Outside { reason, since: tsc, host: state.host });
            return true;
        }
        // The machine starts with an entry.
        if let Some(Outside { reason, since, host }) = state.outside.take() {
            let stretch = Stretch { start: since, end: tsc };
            // The records may have been read meanwhile, which is counted already.
            let counted = state.host - host;
            state.host = state.host.saturating_add(stretch.ticks().saturating_sub(counted));
            self.sink.vm_exit(cpu, reason, stretch);
        }
        true
    }

    /// The host has read the records. If it has but one CPU, that one was the guest's.
    pub(super) fn drained(&mut self, record: &Record) -> bool {
        let stretch = Stretch { start: record.tsc, end: record.tsc.saturating_add(record.argument) };
        if self.shares_cpu {
            for cpu in &mut self.cpus {
                cpu.host = cpu.host.saturating_add(stretch.ticks());
            }
        }
        self.sink.drained(stretch);
        true
    }

    /// A program's or server's own event, in `ring`.
    pub(super) fn mark(&mut self, ring: Ring, record: &Record, cost: Cost) -> bool {
        let Record { thread, tsc, argument, .. } = *record;
        let writer = self.writers.get(&ring).copied().unwrap_or(thread);
        let point = self.point_of(writer, tsc, cost);
        let event = (record.event().0 - Event::USER.0) as u8;
        let Some(state) = self.threads.get(thread) else { return false };
        let since = state.mark.replace((event, point)).map(|(event, start)| Since {
            event,
            stretch: Stretch { start: start.tsc, end: tsc },
            cost: start.cost_until(&point),
        });
        self.sink.marked(&Mark { thread, event, argument, tsc, since });
        true
    }

    /// A record that thread `writer` has made, perhaps about another one: it is the writer's CPU that it delays.
    pub(super) fn point_of(&mut self, writer: u64, tsc: u64, cost: Cost) -> Point {
        match self.threads.get(writer).and_then(|thread| thread.cpu) {
            Some(cpu) => self.point(cpu, tsc, cost),
            None => Point { tsc, cost, ..Point::default() },
        }
    }
}
