//! What is known of each thread.

use crate::kind::Entered;
use crate::point::Point;
use crate::span::Open;
use std::collections::HashMap;
use ukernel_abi::ThreadId;

/// Threads that are followed at a time. More than a guest has.
const THREADS: usize = 1 << 16;

#[derive(Default)]
pub struct Thread {
    pub id: u64,
    /// Where it was last seen to leave the kernel.
    pub cpu: Option<u16>,
    /// When and why it last entered the kernel.
    pub entry: Option<(Entered, Point)>,
    /// When it last came back from a call.
    pub back: Option<Point>,
    /// What it waits for.
    pub open: Option<Open>,
    /// The Linux system call that its trampoline is about.
    pub reflected: Option<Open>,
    /// Of a server: from whom the last message came.
    pub serving: Option<u64>,
    /// Of a server: whom it answers next.
    pub replying: Option<u64>,
    /// Of a server: what it handles, for whom, and since when.
    pub handling: Option<(u64, Option<u64>, u64)>,
    /// Its own event that came last.
    pub mark: Option<(u8, Point)>,
}

/// The threads, by their identifiers.
#[derive(Default)]
pub struct Threads {
    /// By index: of a thread that has taken another's place, the other is dead.
    threads: HashMap<usize, Thread>,
    /// Requests of threads that have died in them.
    pub dead: Vec<Open>,
}

impl Threads {
    /// The thread of that identifier. `None` if it is none of a thread, or if there are too many.
    pub fn get(&mut self, id: u64) -> Option<&mut Thread> {
        if !ThreadId(id).is_valid() {
            return None;
        }
        let index = ThreadId(id).index();
        if self.threads.len() >= THREADS && !self.threads.contains_key(&index) {
            return None;
        }
        let thread = self.threads.entry(index).or_insert_with(|| Thread { id, ..Thread::default() });
        if thread.id != id {
            let old = std::mem::replace(thread, Thread { id, ..Thread::default() });
            self.dead.extend(old.open.into_iter().chain(old.reflected));
        }
        Some(thread)
    }

    /// Whether the thread of that identifier is there, and no other has taken its place.
    pub fn has(&self, id: u64) -> bool {
        ThreadId(id).is_valid()
            && self.threads.get(&ThreadId(id).index()).is_some_and(|thread| thread.id == id)
    }

    /// The request that the thread waits for.
    pub fn open(&mut self, id: u64) -> Option<&mut Open> {
        self.get(id)?.open.as_mut()
    }

    /// Forgets everything; returns the requests that were going on.
    pub fn forget(&mut self) -> impl Iterator<Item = Open> {
        let threads =
            self.threads.drain().flat_map(|(_, thread)| thread.open.into_iter().chain(thread.reflected));
        threads.chain(self.dead.drain(..))
    }
}
