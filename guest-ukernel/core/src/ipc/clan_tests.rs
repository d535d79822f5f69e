//! Messages that cross the borders of clans. The tasks:
//!
//! ```text
//! 9 ── 1 ── 11 ── 111
//!   │    └─ 12
//!   └─ 2 ── 21
//! ```

use super::tests::{Mock, NEVER, is, status};
use super::*;
use ukernel_abi::msg::Label;

struct Tree {
    m: Mock,
}

impl Tree {
    fn new() -> Self {
        let m = Mock::new();
        for (task, chief) in [(9, 0), (1, 9), (2, 9), (11, 1), (12, 1), (111, 11), (21, 2)] {
            m.thread_of(task).chief.set(chief);
        }
        Self { m }
    }

    fn t(&self, task: u16) -> ThreadRef {
        self.m.first_thread(task).expect("it is there")
    }

    fn id(&self, task: u16) -> ThreadId {
        self.t(task).id.get()
    }

    /// A thread with a UTCB that says in whose name it sends.
    fn speaks_for(&self, task: u16, name: u16) -> ThreadRef {
        let t = self.t(task);
        t.utcb.set(Some(Mock::utcb()));
        if let Some(utcb) = t.utcb.get() {
            utcb.virtual_sender.set(self.id(name));
        }
        t
    }

    fn propagate(&self, from: u16, name: u16, to: u16, timeouts: TimeoutArgs) -> Option<Status> {
        let (t, to) = (self.speaks_for(from, name), self.id(to));
        let tag = Tag::new(Label(3), 1, 0).propagated();
        self.m.call_tagged(t, to, ThreadId::NIL, tag, 5, timeouts);
        Status::from_rax(t.frame.rax.get())
    }
}

const NOW: TimeoutArgs = TimeoutArgs::new(0, 0);

#[test]
fn nearest_is_the_next_on_the_way() {
    let tree = Tree::new();
    for (from, to, via) in [
        (1, 2, 2),
        (11, 12, 12),
        (1, 11, 11),
        (11, 1, 1),
        (9, 111, 1),
        (1, 111, 11),
        (2, 111, 1),
        (12, 111, 11),
        (111, 12, 11),
        (111, 9, 11),
        (11, 9, 1),
        (21, 111, 2),
        (11, 2, 1),
    ] {
        let nearest = clan::nearest(&tree.m, tree.t(from), tree.t(to)).map(|t| t.id.get());
        assert_eq!(nearest, Some(tree.id(via)), "{from} to {to}");
    }
}

#[test]
fn what_crosses_a_border_goes_to_the_chief() {
    for receiver_first in [true, false] {
        let tree = Tree::new();
        let (sender, chief) = (tree.t(11), tree.t(1));
        if receiver_first {
            tree.m.call(chief, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
        }
        tree.m.call(sender, tree.id(2), ThreadId::NIL, 42, NEVER);
        if !receiver_first {
            tree.m.call(chief, ThreadId::NIL, tree.id(11), 0, NEVER);
        }
        assert_eq!((status(sender), status(chief)), (Status::Ok, Status::Ok));
        assert!(Tag::from_rax(chief.frame.rax.get()).is_redirected());
        assert_eq!((chief.frame.rbx.get(), chief.frame.r12.get()), (42, sender.id.get().0));
        assert_eq!(chief.frame.r13.get(), tree.id(2).0, "for whom it was meant");
    }
}

#[test]
fn a_redirected_message_is_no_answer_to_a_fault() {
    let tree = Tree::new();
    let (pager, chief) = (tree.t(11), tree.t(1));
    chief.pager.set(pager.id.get());
    fault(&tree.m, chief, Outgoing::PageFault { addr: 0x1000, access: 4 });
    tree.m.call(pager, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    tree.m.call(pager, tree.id(2), ThreadId::NIL, 0, NOW);
    assert_eq!((status(pager), chief.state.get()), (Status::SendTimeout, RunState::PageFault));
}

#[test]
fn a_call_abroad_is_answered_through_the_chief() {
    let tree = Tree::new();
    let (client, chief) = (tree.t(11), tree.t(1));
    tree.m.call(chief, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    tree.m.call(client, tree.id(2), tree.id(2), 1, NEVER);
    assert!(is(client, RunState::Receiving));
    // The server does not reach it, nor its chief in its own name.
    tree.m.call(tree.t(2), tree.id(11), ThreadId::NIL, 7, NOW);
    assert_eq!(status(tree.t(2)), Status::SendTimeout);
    tree.m.call(chief, tree.id(11), ThreadId::NIL, 7, NOW);
    assert_eq!(status(chief), Status::SendTimeout);
    assert_eq!(tree.propagate(1, 2, 11, NOW), Some(Status::Ok));
    assert_eq!((status(client), client.frame.rbx.get()), (Status::Ok, 5));
    assert_eq!((client.frame.r12.get(), client.frame.r14.get()), (tree.id(2).0, tree.id(1).0));
    assert!(Tag::from_rax(client.frame.rax.get()).is_propagated());
}

#[test]
fn a_propagated_message_is_found_in_the_queue() {
    let tree = Tree::new();
    let client = tree.t(11);
    tree.m.call(tree.t(12), tree.id(11), ThreadId::NIL, 1, NEVER);
    assert_eq!(tree.propagate(1, 21, 11, NEVER), None);
    assert!(is(tree.t(1), RunState::Sending));
    tree.m.call(client, ThreadId::NIL, tree.id(2), 0, NOW);
    assert_eq!(status(client), Status::ReceiveTimeout, "in nobody's name but 21's");
    tree.m.call(client, ThreadId::NIL, tree.id(1), 0, NOW);
    assert_eq!(status(client), Status::ReceiveTimeout, "not in its own");
    tree.m.call(client, ThreadId::NIL, tree.id(21), 0, NOW);
    assert_eq!((status(client), client.frame.rbx.get()), (Status::Ok, 5));
    assert!(is(tree.t(1), RunState::Ready) && is(tree.t(12), RunState::Sending));
}

#[test]
fn a_chief_speaks_only_for_what_passes_it() {
    let tree = Tree::new();
    for (from, name, to, allowed) in [
        (1, 2, 11, true),
        (1, 11, 2, true),
        (1, 111, 2, true),
        (1, 2, 111, true),
        (1, 1, 2, true),
        (1, 12, 11, false),
        (1, 2, 9, false),
        (11, 2, 12, false),
        (2, 11, 21, true),
        (2, 11, 1, false),
    ] {
        let want = if allowed { Status::SendTimeout } else { Status::Denied };
        assert_eq!(tree.propagate(from, name, to, NOW), Some(want), "{from} for {name} to {to}");
    }
    let t = tree.speaks_for(1, 2);
    if let Some(utcb) = t.utcb.get() {
        utcb.virtual_sender.set(ThreadId::new(2, 0, 9));
    }
    tree.m.call_tagged(t, tree.id(11), ThreadId::NIL, Tag(Tag::PROPAGATED), 0, NOW);
    assert_eq!(status(t), Status::NotExistent, "a stale name");
}

#[test]
fn a_propagated_message_may_be_redirected_again() {
    let tree = Tree::new();
    let receiver = tree.t(1);
    tree.m.call(receiver, ThreadId::NIL, ThreadId::ANY, 0, NEVER);
    assert_eq!(tree.propagate(11, 111, 2, NOW), Some(Status::Ok));
    let frame = &receiver.frame;
    let tag = Tag::from_rax(frame.rax.get());
    assert!(tag.is_redirected() && tag.is_propagated());
    assert_eq!([frame.r12.get(), frame.r13.get(), frame.r14.get()], [111, 2, 11].map(|n| tree.id(n).0));
}

#[test]
fn the_death_of_a_partner_abroad_is_heard_of() {
    let tree = Tree::new();
    let (client, server) = (tree.t(11), tree.t(2));
    tree.m.call(client, ThreadId::NIL, server.id.get(), 0, NEVER);
    let id = server.id.replace(ThreadId::NIL);
    kill(&tree.m, server, id);
    assert_eq!(status(client), Status::Aborted);
}
