//! Clans & chiefs: who may send to whom, and whom a message passes on its way.
//!
//! The task that makes a task is its chief; the tasks of one chief are a clan. Inside a clan messages go straight to their
//! destination, and so they do between a chief and its clan. A message that crosses a border goes to the chief who guards it: outward to the
//! sender's own chief, inward to the member of the sender's clan that the destination is below. That chief may send it on in the
//! sender's name (*propagate* it), answer it in the name of the destination, or forget it. This is what confines a Linux program to its server.
//!
//! The kernel does not follow a chain of chiefs: each border is crossed by a decision of the chief there.

use ukernel_abi::ThreadId;
use ukernel_abi::call::Status;

use crate::ipc::Env;
use crate::thread::{Thread, ThreadRef};

/// Whether `from` may send to `to` without passing a chief.
#[inline(always)]
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

/// Who gets a message of `from`'s for `to`: `to` itself, or the first thread of the task that stands between them.
#[inline(always)]
pub fn nearest(env: &impl Env, from: &Thread, to: ThreadRef) -> Option<ThreadRef> {
    if may_send(from, to) { Some(to) } else { chief_between(env, from, to) }
}

#[cold]
fn chief_between(env: &impl Env, from: &Thread, to: ThreadRef) -> Option<ThreadRef> {
    let (own, chief) = (from.id.get().task(), from.chief.get());
    let (mut task, mut above) = (to.id.get().task(), to.chief.get());
    // Up from the destination, until the way comes to the sender's clan or to the clan whose chief the sender is.
    while above != own && above != chief {
        if above == 0 {
            return env.first_thread(chief);
        }
        task = above;
        above = env.chief_of(task);
    }
    env.first_thread(task)
}

/// Whether `me` may send to `to` in the name of `name`: as one thread of its task for another, or as a chief, for a message that passes it on
/// the way in or out of its clan.
pub fn check_name(env: &impl Env, me: &Thread, name: ThreadId, to: &Thread) -> Result<(), Status> {
    let Some(named) = env.thread(name) else { return Err(Status::NotExistent) };
    let own = me.id.get().task();
    let allowed = name.task() == own || is_below(env, named, own) != is_below(env, to, own);
    if allowed { Ok(()) } else { Err(Status::Denied) }
}

/// Whether the task of `t` was made by `task`, or by one that `task` made, and so on.
fn is_below(env: &impl Env, t: &Thread, task: u16) -> bool {
    let mut above = t.chief.get();
    while above != 0 && above != task {
        above = env.chief_of(above);
    }
    above == task
}
