//! Threads by the L4 threads that run them.
//!
//! Every message begins with this question, so it is answered by two array accesses: by the task's number and by the thread's number in the task.
//! Both are part of the identifier. The µ-kernel gives out small numbers first.

use super::{Process, Thread};
use alloc::rc::Rc;
use alloc::vec::Vec;
use ukernel_abi::ThreadId;

/// A thread that lives, with its process, which lives too.
#[derive(Clone)]
pub struct Runner {
    pub thread: Rc<Thread>,
    pub process: Rc<Process>,
}

#[derive(Default)]
pub struct Threads {
    /// By task, then by number in the task.
    tasks: Vec<Vec<Option<Runner>>>,
}

impl Threads {
    pub fn insert(&mut self, runner: Runner) {
        let l4 = runner.thread.l4.get();
        let (task, number) = (l4.task() as usize, l4.lthread() as usize);
        if self.tasks.len() <= task {
            self.tasks.resize_with(task + 1, Vec::new);
        }
        let threads = &mut self.tasks[task];
        if threads.len() <= number {
            threads.resize_with(number + 1, || None);
        }
        threads[number] = Some(runner);
    }

    /// Takes out what runs on an L4 thread. The caller drops it, when nothing is borrowed any more.
    pub fn remove(&mut self, l4: ThreadId) -> Option<Runner> {
        let threads = self.tasks.get_mut(l4.task() as usize)?;
        let gone = threads.get_mut(l4.lthread() as usize)?.take_if(|r| r.thread.l4.get() == l4);
        let used = threads.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
        threads.truncate(used);
        if used == 0 {
            *threads = Vec::new();
        }
        gone
    }

    /// What runs on an L4 thread; none if it has been ended. (Its number may belong to another one by now: the version tells.)
    #[inline(always)]
    pub fn get(&self, l4: ThreadId) -> Option<&Runner> {
        let runner = self.tasks.get(l4.task() as usize)?.get(l4.lthread() as usize)?.as_ref()?;
        (runner.thread.l4.get() == l4).then_some(runner)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Runner> {
        self.tasks.iter().flatten().flatten()
    }
}
