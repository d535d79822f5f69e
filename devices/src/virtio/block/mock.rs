//! A disk in memory, for tests and fuzzers. It is told what to do by its [`Control`].

use super::{Backend, Disk, Failure, Finished, Operation};
use crate::virtio::{Memory, chain};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The disk.
pub struct RamDisk {
    disk: Disk,
    memory: Memory,
    control: Control,
    finished: VecDeque<Finished>,
}

/// The hand on a [`RamDisk`].
#[derive(Clone, Default)]
pub struct Control(Arc<Mutex<State>>);

/// How a [`RamDisk`] stands.
#[derive(Default)]
pub struct State {
    /// What is on the disk.
    pub bytes: Vec<u8>,
    /// Operations stay in `held` until [`Control::release`].
    pub hold: bool,
    pub held: Vec<(u16, Operation)>,
    /// Released, and not yet done.
    released: Vec<(u16, Operation)>,
    /// Operations fail.
    pub fail: bool,
    pub flushes: usize,
    /// Writes that had to be durable.
    pub durable: usize,
}

impl Control {
    /// The disk's state, to look at and to change.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the held operation `index` be done, the next time that the disk is asked what has finished.
    pub fn release(&self, index: usize) {
        let mut state = self.state();
        let operation = state.held.remove(index);
        state.released.push(operation);
    }
}

impl RamDisk {
    /// A disk of `size` zeros, which reads into and writes from `memory`.
    pub fn new(size: usize, memory: Memory) -> Self {
        let control = Control::default();
        control.state().bytes = vec![0; size];
        let (size, serial) = (size as u64, b"ram".to_vec());
        let disk = Disk { size, read_only: false, block: 512, physical_block: 4096, serial };
        Self { disk, memory, control, finished: VecDeque::new() }
    }

    /// The same, with `change`d properties.
    pub fn with(mut self, change: impl FnOnce(&mut Disk)) -> Self {
        change(&mut self.disk);
        self
    }

    pub fn control(&self) -> Control {
        self.control.clone()
    }

    fn perform(&self, operation: &Operation) -> Result<(), Failure> {
        let mut state = self.control.state();
        let State { bytes, fail, flushes, durable, .. } = &mut *state;
        if *fail {
            return Err(Failure);
        }
        let part = |bytes: &mut [u8], offset: u64, len: u64| {
            let (start, len) = (offset as usize, len as usize);
            if start.saturating_add(len) > bytes.len() { Err(Failure) } else { Ok(start..start + len) }
        };
        match operation {
            Operation::Read { offset, into } => {
                let part = part(bytes, *offset, chain::total(into))?;
                chain::write(&self.memory, into, &bytes[part]).map_err(|_| Failure)?;
            }
            Operation::Write { offset, from, durable: at_once } => {
                let part = part(bytes, *offset, chain::total(from))?;
                chain::read(&self.memory, from, &mut bytes[part]).map_err(|_| Failure)?;
                *durable += usize::from(*at_once);
            }
            Operation::Flush => *flushes += 1,
            Operation::Discard { offset, len } | Operation::WriteZeroes { offset, len, .. } => {
                let part = part(bytes, *offset, *len)?;
                bytes[part].fill(0);
            }
        }
        Ok(())
    }
}

impl Backend for RamDisk {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn submit(&mut self, slot: u16, operation: &Operation) {
        let operation = operation.clone();
        let mut state = self.control.state();
        match state.hold {
            true => state.held.push((slot, operation)),
            false => state.released.push((slot, operation)),
        }
    }

    fn start(&mut self) {}

    fn finished(&mut self) -> Option<Finished> {
        let released = std::mem::take(&mut self.control.state().released);
        for (slot, operation) in released {
            let result = self.perform(&operation);
            self.finished.push_back(Finished { slot, result });
        }
        self.finished.pop_front()
    }

    fn drain(&mut self) {
        let mut state = self.control.state();
        state.held.clear();
        state.released.clear();
        self.finished.clear();
    }
}
