//! What tasks are called, found out while they are there.
//!
//! The kernel's and the servers' tables are read from outside, as a debugger reads them, but while the guest runs: a name may come too late for a task that lives
//! shorter than it takes us to look. To keep the guest's CPU for the guest, that is done when a record is of a thread that has not been seen before, and from time to time,
//! for a task may be given another program.

use crate::core::dead::Dead;
use crate::debug::programs::Programs;
use crate::inspect::{Kernel, names};
use crate::memory::GuestMemory;
use crate::vcpu::group::Reports;
use profile::file::Names;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};
use vmm_abi::trace::Record;

/// How long a name may stay unnoticed that a task has been given later.
const PERIOD: Duration = Duration::from_millis(250);
/// Threads that are remembered. When there were more, all are forgotten, which costs a look.
const THREADS_MAX: usize = 1 << 16;

pub struct Sampler {
    memory: GuestMemory,
    programs: Programs,
    kernel: Kernel,
    known: BTreeMap<u16, String>,
    seen: HashSet<u64>,
    /// The one of the last record: most often it is the next one's too.
    last: u64,
    looked: Option<Instant>,
    is_due: bool,
}

impl Sampler {
    /// For the guest in `memory`, made of `programs`, which has not run yet. `None` if its kernel does not say where things are.
    pub fn new(memory: GuestMemory, programs: Programs) -> Option<Self> {
        let kernel = Kernel::find(&view(&memory), programs.kernel())?;
        // Reads files: now, not while the guest runs.
        programs.tables();
        let (known, seen) = (BTreeMap::new(), HashSet::new());
        Some(Self { memory, programs, kernel, known, seen, last: 0, looked: None, is_due: false })
    }

    /// Looks at records, as they are in memory.
    pub fn note(&mut self, records: &[u8]) {
        for record in records.as_chunks::<{ Record::SIZE }>().0 {
            let [_, _, _, _, _, _, _, _, thread @ ..] = record;
            let thread = u64::from_le_bytes(*thread.first_chunk().unwrap_or(&[0; 8]));
            if thread != self.last {
                self.last = thread;
                self.is_due |= self.seen.insert(thread);
            }
        }
        if self.seen.len() > THREADS_MAX {
            self.seen.clear();
        }
    }

    /// The names that are new, if it is time to look.
    pub fn sample(&mut self, now: Instant, tsc: u64) -> Option<Names> {
        let is_old = self.looked.is_none_or(|looked| now.duration_since(looked) >= PERIOD);
        if !self.is_due && !is_old {
            return None;
        }
        (self.is_due, self.looked) = (false, Some(now));
        self.read(tsc)
    }

    /// The names that are new.
    pub fn read(&mut self, tsc: u64) -> Option<Names> {
        let view = view(&self.memory);
        let all = names::Names::read(&view, &self.kernel, self.programs.tables());
        let is_new = |(task, name): &(u16, &str)| self.known.get(task).is_none_or(|known| known != name);
        let tasks: BTreeMap<_, _> =
            all.iter().filter(is_new).map(|(task, name)| (task, name.to_string())).collect();
        self.known.extend(tasks.clone());
        (!tasks.is_empty()).then_some(Names { tsc, tasks })
    }
}

/// The memory alone: the vCPUs' registers are in the guest.
fn view(memory: &GuestMemory) -> Dead<'_> {
    Dead::new(memory, &Reports { all: Vec::new(), first: None })
}
