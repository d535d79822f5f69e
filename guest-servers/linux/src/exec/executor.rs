//! Tasks, and polling those that are ready.
//!
//! A task may spawn others while it is polled, and may be cancelled by any task, itself included: while a future is being
//! polled it is outside the table, so nothing is borrowed.

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use alloc::task::Wake;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};

use super::ready_set::{CAPACITY, ReadySet};
use crate::errno::{Errno, Result};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// Names a task until it has ended; afterwards it names nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TaskId {
    slot: usize,
    serial: u64,
}

/// A handle to the executor; cheap to clone.
#[derive(Clone)]
pub struct Executor(Rc<Inner>);

struct Inner {
    ready: Arc<ReadySet>,
    tasks: RefCell<Tasks>,
}

#[derive(Default)]
struct Tasks {
    slots: Vec<Slot>,
    free: Vec<usize>,
    serial: u64,
}

struct Slot {
    waker: Waker,
    /// Of the task in the slot; 0 if there is none.
    serial: u64,
    /// `None` while the task is being polled, and when there is none.
    task: Option<Task>,
}

/// What came of polling a future for the first time.
pub enum First<T> {
    Ready(T),
    /// It waits, and wakes the task that is put here.
    Waits(Place),
}

/// A place for a task. Without one it is free again.
pub struct Place {
    executor: Executor,
    id: TaskId,
}

impl Place {
    /// The task is polled when it is woken.
    pub fn fill(self, future: impl Future<Output = ()> + 'static) -> TaskId {
        self.executor.fill(self.id, Box::pin(future));
        self.id
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.executor.0.tasks.borrow().slots[self.id.slot].task.is_none() {
            self.executor.free(self.id.slot);
        }
    }
}

struct TaskWaker {
    slot: usize,
    ready: Arc<ReadySet>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.insert(self.slot);
    }
    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.insert(self.slot);
    }
}

impl Default for Executor {
    fn default() -> Self {
        Self::new()
    }
}

impl Executor {
    pub fn new() -> Self {
        Self(Rc::new(Inner { ready: Arc::new(ReadySet::new()), tasks: RefCell::default() }))
    }

    /// Adds a task. It is first polled by the next [`run_ready`](Self::run_ready). EAGAIN if there are too many.
    pub fn spawn(&self, future: impl Future<Output = ()> + 'static) -> Result<TaskId> {
        let (id, _) = self.reserve()?;
        self.fill(id, Box::pin(future));
        self.0.ready.insert(id.slot);
        Ok(id)
    }

    /// Polls a future once. Only if it has to wait it becomes a task: most calls that may wait do not. EAGAIN if there are too many.
    pub fn poll_first<F: Future + ?Sized>(&self, future: Pin<&mut F>) -> Result<First<F::Output>> {
        let (id, waker) = self.reserve()?;
        match future.poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => {
                self.free(id.slot);
                Ok(First::Ready(output))
            }
            Poll::Pending => Ok(First::Waits(Place { executor: self.clone(), id })),
        }
    }

    /// A slot for a task, and what wakes it.
    fn reserve(&self) -> Result<(TaskId, Waker)> {
        let mut tasks = self.0.tasks.borrow_mut();
        let slot = match tasks.free.pop() {
            Some(slot) => slot,
            None if tasks.slots.len() < CAPACITY => {
                let slot = tasks.slots.len();
                let waker = Waker::from(Arc::new(TaskWaker { slot, ready: self.0.ready.clone() }));
                tasks.slots.push(Slot { waker, serial: 0, task: None });
                slot
            }
            None => return Err(Errno::EAGAIN),
        };
        tasks.serial += 1;
        let serial = tasks.serial;
        tasks.slots[slot].serial = serial;
        Ok((TaskId { slot, serial }, tasks.slots[slot].waker.clone()))
    }

    fn fill(&self, id: TaskId, task: Task) {
        self.0.tasks.borrow_mut().slots[id.slot].task = Some(task);
    }

    fn free(&self, slot: usize) {
        let mut tasks = self.0.tasks.borrow_mut();
        tasks.slots[slot].serial = 0;
        tasks.free.push(slot);
    }

    /// Drops a task, wherever it waits. A task that is being polled right now ends when that poll returns. Returns
    /// whether there was such a task.
    pub fn cancel(&self, id: TaskId) -> bool {
        let mut tasks = self.0.tasks.borrow_mut();
        let Some(slot) = tasks.slots.get_mut(id.slot).filter(|s| s.serial == id.serial) else { return false };
        slot.serial = 0;
        let task = slot.task.take();
        if task.is_some() {
            tasks.free.push(id.slot);
        }
        drop(tasks);
        // Dropping the future may wake or cancel others.
        drop(task);
        true
    }

    /// Polls tasks that were woken until none is.
    #[inline]
    pub fn run_ready(&self) {
        if !self.0.ready.is_empty() {
            self.poll_ready();
        }
    }

    #[inline(never)]
    fn poll_ready(&self) {
        while !self.0.ready.is_empty() {
            self.0.ready.drain(|slot| self.poll(slot));
        }
    }

    /// Tasks that there are.
    pub fn len(&self) -> usize {
        let tasks = self.0.tasks.borrow();
        tasks.slots.len() - tasks.free.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn poll(&self, slot: usize) {
        let (mut task, waker, serial) = {
            let mut tasks = self.0.tasks.borrow_mut();
            let slot = &mut tasks.slots[slot];
            // A waker may outlive its task.
            let Some(task) = slot.task.take() else { return };
            (task, slot.waker.clone(), slot.serial)
        };
        let poll = task.as_mut().poll(&mut Context::from_waker(&waker));
        if poll.is_pending() && self.0.tasks.borrow().slots[slot].serial == serial {
            return self.fill(TaskId { slot, serial }, task);
        }
        self.free(slot);
        drop(task);
    }
}
