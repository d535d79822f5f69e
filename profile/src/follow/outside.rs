//! What lies outside of threads and their requests: devices, the host, and what programs record themselves.

use super::Follower;
use crate::cost::Cost;
use crate::sink::{Device, Mark, Stretch};
use std::collections::HashMap;
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

impl Follower<'_> {
    /// The host's record about a vCPU.
    pub(super) fn outside(&mut self, cpu: u16, record: &Record) -> bool {
        let (reason, tsc) = (record.argument as u32, record.tsc);
        let state = self.cpu(cpu);
        if record.event() == Event::VM_EXIT {
            state.outside = Some((reason, tsc));
            return true;
        }
        // The machine starts with an entry.
        if let Some((reason, start)) = state.outside.take() {
            self.sink.vm_exit(cpu, reason, Stretch { start, end: tsc });
        }
        true
    }

    pub(super) fn mark(&mut self, record: &Record, cost: Cost) -> bool {
        // It delays whoever runs there.
        if let Some(cpu) = self.threads.get(record.thread).and_then(|thread| thread.cpu) {
            self.point(cpu, record.tsc, cost);
        }
        let event = record.event().0 - Event::USER.0;
        self.sink.marked(&Mark { thread: record.thread, event, argument: record.argument, tsc: record.tsc });
        true
    }
}
