//! Threads that do operations.
//!
//! They are started when there is something to do for them, and end with the pool.

use super::image::Image;
use super::perform::perform;
use super::ring::Done;
use devices::virtio::Memory;
use devices::virtio::block::Operation;
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use vmm_sys_util::eventfd::EventFd;

/// Enough to keep a disk busy that is asked many things at once.
const THREADS: usize = 8;

/// A pool for one disk.
pub struct Pool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// Submitted, but not told to the threads.
    batch: Vec<Job>,
}

type Job = (u16, Operation);

struct Shared {
    image: Arc<Image>,
    memory: Memory,
    ready: Arc<EventFd>,
    state: Mutex<State>,
    /// There are jobs, or it is time to end.
    work: Condvar,
    /// A job is done.
    done: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    done: VecDeque<Done>,
    /// Threads that do a job.
    busy: usize,
    ends: bool,
}

impl Pool {
    /// `ready` is written when something has come to an end.
    pub fn new(image: Arc<Image>, memory: Memory, ready: Arc<EventFd>) -> Self {
        let shared = Shared {
            image,
            memory,
            ready,
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
        };
        Self { shared: Arc::new(shared), threads: Vec::new(), batch: Vec::new() }
    }

    pub fn submit(&mut self, slot: u16, operation: Operation) {
        self.batch.push((slot, operation));
    }

    /// Has the threads begin with what was submitted.
    pub fn start(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let mut state = self.shared.state();
        state.jobs.extend(self.batch.drain(..));
        let wanted = THREADS.min(state.busy + state.jobs.len());
        drop(state);
        while self.threads.len() < wanted {
            let shared = self.shared.clone();
            match std::thread::Builder::new().name("disk".into()).spawn(move || shared.work()) {
                Ok(thread) => self.threads.push(thread),
                Err(error) => {
                    tracing::warn!(%error, "cannot start a thread for the disk");
                    break;
                }
            }
        }
        if self.threads.is_empty() {
            self.shared.do_all();
        } else {
            self.shared.work.notify_all();
        }
    }

    /// Adds what has come to an end to `done`.
    pub fn take(&self, done: &mut VecDeque<Done>) {
        done.append(&mut self.shared.state().done);
    }

    /// Waits until nothing is under way. What comes to an end is forgotten, and so is what was not begun.
    pub fn drain(&mut self) {
        self.batch.clear();
        let mut state = self.shared.state();
        state.jobs.clear();
        while state.busy > 0 {
            state = self.shared.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.done.clear();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.drain();
        self.shared.state().ends = true;
        self.shared.work.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// A thread that panicked has left nothing inconsistent behind this lock.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What a thread does until the pool ends.
    fn work(&self) {
        let mut state = self.state();
        while !state.ends {
            state = match state.jobs.pop_front() {
                Some(job) => self.run(state, job),
                None => self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Does all there is, without any threads.
    fn do_all(&self) {
        let mut state = self.state();
        while let Some(job) = state.jobs.pop_front() {
            state = self.run(state, job);
        }
    }

    fn run<'a>(&'a self, mut state: MutexGuard<'a, State>, (slot, operation): Job) -> MutexGuard<'a, State> {
        state.busy += 1;
        drop(state);
        let result: io::Result<()> = perform(&self.image, &self.memory, &operation);
        let mut state = self.state();
        state.busy -= 1;
        state.done.push_back((slot, result));
        if state.done.len() == 1 {
            // It fails only if it is full, and so written already.
            let _ = self.ready.write(1);
        }
        self.done.notify_all();
        state
    }
}
