//! What tasks are called, found out while they are there.
//!
//! A server that records says so when it names a task ([`Event::NAMED`]), however shortly that lives. Root, which names the servers, does not record, nor does a server for
//! which there is no ring. So the tables of the kernel and the servers are read from outside, too, as a debugger reads them, but while the guest runs. To keep the guest's CPU
//! for the guest, that is done when a record is of a thread that has not been seen before, and from time to time, for a task may be given another program.

mod told;

use crate::core::dead::Dead;
use crate::debug::programs::Programs;
use crate::inspect::{Kernel, names};
use crate::live::seats;
use crate::memory::GuestMemory;
use crate::vcpu::group::Reports;
use profile::file::{Names, Ring};
use profile::live::batch::Seat;
use std::collections::{BTreeMap, HashSet};
use std::time::{Duration, Instant};
use told::Told;
use ukernel_abi::ThreadId;
use vmm_abi::trace::{Event, Record};

/// How long a name may stay unnoticed that a task has been given later.
const PERIOD: Duration = Duration::from_millis(250);
/// Threads that are remembered. When there were more, all are forgotten, which costs a look.
const THREADS_MAX: usize = 1 << 16;

pub struct Sampler {
    memory: GuestMemory,
    programs: Programs,
    kernel: Kernel,
    /// By the tables.
    known: BTreeMap<u16, String>,
    told: Told,
    /// What is to be written.
    new: Vec<Names>,
    seen: HashSet<u64>,
    /// The thread of the last record: most often it is the next one's too.
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
        Some(Self {
            memory,
            programs,
            kernel,
            known: BTreeMap::new(),
            told: Told::default(),
            new: Vec::new(),
            seen: HashSet::new(),
            last: 0,
            looked: None,
            is_due: false,
        })
    }

    /// Looks at records of `ring`, as they are in memory.
    pub fn note(&mut self, ring: Ring, records: &[u8]) {
        for record in records.as_chunks::<{ Record::SIZE }>().0 {
            let record = Record::from_words(words(record));
            match record.event() {
                Event::NAMED => self.told.piece(ring, &record),
                Event::SERVER_CALIBRATE => self.told.writer(ring, ThreadId(record.thread).task()),
                _ if record.thread == self.last => {}
                _ => {
                    self.last = record.thread;
                    self.is_due |= self.seen.insert(record.thread);
                }
            }
        }
        if self.seen.len() > THREADS_MAX {
            self.seen.clear();
        }
    }

    /// Reads the tables if it is time to.
    pub fn sample(&mut self, now: Instant, tsc: u64) {
        let is_old = self.looked.is_none_or(|looked| now.duration_since(looked) >= PERIOD);
        if self.is_due || is_old {
            (self.is_due, self.looked) = (false, Some(now));
            self.read(tsc);
        }
    }

    /// The threads that there are.
    pub fn seats(&self) -> Vec<Seat> {
        seats::read(&view(&self.memory), &self.kernel)
    }

    /// Reads the tables.
    pub fn read(&mut self, tsc: u64) {
        let view = view(&self.memory);
        let all = names::Names::read(&view, &self.kernel, self.programs.tables());
        let is_new = |(task, name): &(u16, &str)| self.known.get(task).is_none_or(|known| known != name);
        let tasks: BTreeMap<_, _> =
            all.iter().filter(is_new).map(|(task, name)| (task, name.to_string())).collect();
        self.known.extend(tasks.clone());
        if !tasks.is_empty() {
            self.new.push(Names { tsc, tasks });
        }
    }

    /// The names that are new.
    pub fn take(&mut self) -> Vec<Names> {
        let mut new = std::mem::take(&mut self.new);
        new.extend(self.told.take(|server| self.known.get(&server).map(String::as_str)));
        new
    }
}

fn words(record: &[u8; Record::SIZE]) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(record.as_chunks().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

/// The memory alone: the vCPUs' registers are in the guest.
pub fn view(memory: &GuestMemory) -> Dead<'_> {
    Dead::new(memory, &Reports { all: Vec::new(), first: None })
}
