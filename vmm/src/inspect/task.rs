//! Tasks.

use super::kernel::Kernel;
use super::record::Record;
use super::thread::Tcb;
use crate::debug::thread::Thread;
use crate::debug::view::View;
use std::collections::HashSet;
use ukernel_abi::ThreadId;

/// A task.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Task {
    pub number: u16,
    /// The task that made it; 0 for the first two.
    pub chief: u16,
    /// Physical address of the control frame of its space.
    pub space: u64,
    /// TCB of its first thread, or 0.
    first: u64,
}

impl Kernel {
    /// All tasks, in the order of their numbers.
    pub fn tasks(&self, view: &dyn View) -> Vec<Task> {
        let at = self.info().addresses.kernel.wrapping_add(self.info().kernel.tasks);
        let Some(bitmap) = self.record(view, at, ThreadId::TASKS / 8) else { return Vec::new() };
        let used = |n: &u16| bitmap.u8(u64::from(n / 8)) >> (n % 8) & 1 != 0;
        (1..=u16::MAX).filter(used).filter_map(|number| self.task(view, number)).collect()
    }

    /// The task `number`.
    pub fn task(&self, view: &dyn View, number: u16) -> Option<Task> {
        let fields = &self.info().task;
        let record = self.tcb_record(view, self.tcb_address(number, 0))?;
        let at = |field: u64| fields.task.wrapping_add(field);
        if number == 0 || record.u16(at(fields.number)) != number {
            return None;
        }
        Some(Task {
            number,
            chief: record.u16(at(fields.chief)),
            space: record.u64(at(fields.space)),
            first: record.u64(at(fields.threads)),
        })
    }

    /// The threads of `task`, in the order of their numbers.
    pub fn threads_of(&self, view: &dyn View, task: &Task) -> Vec<Thread> {
        let mut seen = HashSet::new();
        let mut at = task.first;
        while let Some((thread, record)) = self.tcb_in(view, at, task.number) {
            if !seen.insert(thread) {
                break;
            }
            at = record.u64(self.info().thread.next_in_task);
        }
        let mut threads: Vec<_> = seen.into_iter().collect();
        threads.sort();
        threads
    }

    /// All threads, in the order of tasks.
    pub fn threads(&self, view: &dyn View) -> Vec<Thread> {
        self.tasks(view).iter().flat_map(|task| self.threads_of(view, task)).collect()
    }

    /// The root of the page tables of task `number`.
    pub fn space(&self, view: &dyn View, number: u16) -> Option<u64> {
        self.space_root(view, &self.task(view, number)?)
    }

    /// The root of the page tables of a task.
    pub fn space_root(&self, view: &dyn View, task: &Task) -> Option<u64> {
        view.read_u64(task.space.checked_add(self.info().mapping.root)?).ok().filter(|root| *root != 0)
    }

    /// The thread whose TCB is at `at`, if it is one of task `number`.
    fn tcb_in(&self, view: &dyn View, at: u64, number: u16) -> Option<(Thread, Record)> {
        let id = self.tcb_id(at)?;
        let record = self.tcb_record(view, at)?;
        let tcb = Tcb::read(self, record.clone())?;
        (id.task() == number && tcb.id.index() == id.index()).then(|| (tcb.thread(), record))
    }
}
