//! Clans & chiefs: who may send to whom.
//!
//! The task that makes a task is its chief; the tasks of one chief are a clan. Inside a clan messages go straight to their
//! destination, and so they do between a chief and its clan. A message that would leave the clan past its chief is refused: this is
//! what confines a Linux program to its server.

use crate::thread::Thread;

/// Whether `from` may send to `to`.
pub fn may_send(from: &Thread, to: &Thread) -> bool {
    let (from_task, to_task) = (from.id.get().task(), to.id.get().task());
    let (from_chief, to_chief) = (from.chief.get(), to.chief.get());
    from_chief == to_chief || from_chief == to_task || to_chief == from_task || from_task == to_task
}

/// Whether `thread` is `of`'s to command: of the same task, or of a task that `of`'s task made.
pub fn may_control(of: &Thread, thread: &Thread) -> bool {
    let of_task = of.id.get().task();
    thread.id.get().task() == of_task || thread.chief.get() == of_task
}
