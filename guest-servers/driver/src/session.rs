//! One client of a driver: its region and how far it is (`proto::session`).

use crate::memory::Memory;
use proto::Message;
use proto::session::{Completion, DATA, DEPTH, Entered, Submission};
use ukernel_abi::ThreadId;

/// Memory of a client's that the device may reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buffer {
    pub phys: u64,
    /// Bytes; 0 if the request has no buffer.
    pub len: u32,
}

/// Somebody who waits until there are so many completions.
#[derive(Clone, Copy, Debug)]
struct Waiter {
    thread: ThreadId,
    completed: u32,
}

/// A client.
#[derive(Debug)]
pub struct Session<M> {
    /// Any thread of the client.
    pub client: ThreadId,
    /// root's name of the region.
    pub region: u64,
    memory: M,
    /// Submissions that the client says are there, and those that have been taken out.
    submitted: u32,
    taken: u32,
    /// Completions that are there.
    completed: u32,
    waiter: Option<Waiter>,
}

/// The client says what cannot be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nonsense;

impl<M: Memory> Session<M> {
    pub fn new(client: ThreadId, region: u64, memory: M) -> Self {
        Self { client, region, memory, submitted: 0, taken: 0, completed: 0, waiter: None }
    }

    /// As after [`Session::new`].
    pub fn restart(&mut self, client: ThreadId) {
        (self.client, self.submitted, self.taken, self.completed, self.waiter) = (client, 0, 0, 0, None);
    }

    /// The client has submitted up to `submitted`, has taken completions up to `taken`, and its thread wants to hear when there are `wait`
    /// more. Comes back: somebody who waited before, and what to tell it.
    pub fn enter(
        &mut self,
        thread: ThreadId,
        submitted: u32,
        taken: u32,
        wait: u32,
    ) -> Result<Option<(ThreadId, Message)>, Nonsense> {
        let not_taken = self.completed.wrapping_sub(taken);
        let more = submitted.wrapping_sub(self.submitted);
        // What the client has not taken, what is under way and what is new: all have a place.
        if not_taken > DEPTH || more > DEPTH || submitted.wrapping_sub(taken) > DEPTH {
            return Err(Nonsense);
        }
        self.submitted = submitted;
        let before = self.waiter.replace(Waiter { thread, completed: taken.wrapping_add(wait.min(DEPTH)) });
        // A thread that asks again has given up waiting for its first answer.
        Ok(before.filter(|waiter| waiter.thread != thread).map(|waiter| (waiter.thread, self.entered())))
    }

    /// The next submission, if there is one.
    pub fn pop(&mut self) -> Option<Submission> {
        if self.taken == self.submitted {
            return None;
        }
        let mut bytes = [0; 32];
        self.memory.read(Submission::place(self.taken), &mut bytes);
        self.taken = self.taken.wrapping_add(1);
        Some(Submission::from_bytes(&bytes))
    }

    /// The next submission has not been taken after all.
    pub fn put_back(&mut self) {
        self.taken = self.taken.wrapping_sub(1);
    }

    /// Where the device finds the buffer of a submission; `None` if it is not in the region's data.
    pub fn buffer(&self, submission: &Submission) -> Option<Buffer> {
        let (offset, len) = (submission.offset as usize, submission.len as usize);
        if len == 0 {
            return Some(Buffer { phys: self.memory.phys(), len: 0 });
        }
        let inside = offset >= DATA && offset.checked_add(len).is_some_and(|end| end <= self.memory.size());
        inside.then(|| Buffer { phys: self.memory.phys() + offset as u64, len: submission.len })
    }

    /// Tells the client what has become of a request.
    pub fn complete(&mut self, completion: &Completion) {
        self.memory.write(Completion::place(self.completed), &completion.to_bytes());
        self.completed = self.completed.wrapping_add(1);
    }

    /// Who has waited long enough, and what to tell it: what it waits for is there, or nothing more will come.
    pub fn answer(&mut self) -> Option<(ThreadId, Message)> {
        let waiter = self.waiter?;
        let missing = waiter.completed.wrapping_sub(self.completed);
        let enough = missing == 0 || missing > DEPTH || self.completed == self.submitted;
        if !enough {
            return None;
        }
        self.waiter = None;
        Some((waiter.thread, self.entered()))
    }

    /// Whether somebody waits for an answer.
    pub fn is_awaited(&self) -> bool {
        self.waiter.is_some()
    }

    fn entered(&self) -> Message {
        Entered { completed: self.completed }.into()
    }
}
