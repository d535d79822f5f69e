//! What may happen, in terms that mean something in every state.

use proptest::prelude::*;
use ukernel_abi::Rights;

use crate::world::{LINES, SLOTS};

/// Whom a call names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Who {
    Nil,
    Any,
    /// The thread at a slot.
    At(usize),
    /// One that was there and has died, or that never was.
    Stale(usize),
    /// Who sent the caller's last message.
    LastSender,
    Line(u8),
    /// Bits that no identifier has.
    Garbage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wait {
    Never,
    Not,
    For(u32),
    /// Until so long from now, or since then.
    Until(i32),
    /// A word that stands for no timeout.
    Senseless,
}

/// How a message is labelled and how long it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    pub label: u16,
    pub words: usize,
    pub items: usize,
    pub reserved: u32,
}

/// What happens. What threads do, the thread does that runs; if none does, all wait, and one of them is set going in place of that.
#[derive(Clone, Debug)]
pub enum Op {
    Ipc {
        to: Who,
        from: Who,
        shape: Shape,
        send: Wait,
        receive: Wait,
    },
    /// The thread at a slot is let run at once, if it can, and does what it is made for.
    Pose {
        slot: usize,
        pose: Pose,
    },
    /// In another's name.
    Propagate {
        to: Who,
        from: Who,
        name: Who,
        shape: Shape,
    },
    /// Answer the last sender and wait for anybody: what servers do most.
    ReplyAndWait {
        shape: Shape,
    },
    /// What a thread like the one that runs does most of its time: a server answers and waits, or calls a program of its own; a program makes
    /// a foreign call, calls its server or waits.
    Typical {
        shape: Shape,
        what: usize,
    },
    /// Send to it and wait for its answer.
    Call {
        to: usize,
        shape: Shape,
    },
    /// Disguised: with a message to the handler in the other registers.
    Foreign {
        number: u32,
        disguised: bool,
    },
    /// Of the caller itself, which is asked for by nil, or of another thread.
    IdNearest {
        of: Who,
    },
    /// A call of L4's that there is not.
    NoSuchCall,
    /// Ask for an interrupt, and become the one that gets it.
    Attach {
        line: u8,
    },
    /// At the address of the first system call, or at any.
    PageFault {
        access: Rights,
        at_syscall: bool,
    },
    Exception,
    /// Changes a thread, as `lthread_ex_regs` does.
    Change {
        slot: usize,
        cancel: bool,
        stop: Option<bool>,
    },
    SetPager {
        slot: usize,
        pager: Who,
    },
    SetHandler {
        slot: usize,
        handler: Who,
    },
    SetTrampoline {
        slot: usize,
        on: bool,
    },
    Priority {
        slot: usize,
        priority: u8,
    },
    /// It belongs to another CPU from now on. Of the CPUs there is always the one whose thread runs.
    Move {
        slot: usize,
        cpu: u32,
    },
    Switch {
        to: Option<usize>,
    },
    Kill {
        slot: usize,
    },
    Create {
        slot: usize,
    },
    Time {
        ticks: u64,
    },
    EndSlice,
    Interrupt {
        line: u8,
    },
}

/// What puts a thread into a state in which others find it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pose {
    /// It waits for anybody.
    Wait,
    Typical {
        what: usize,
    },
    Attach {
        line: u8,
    },
    Foreign,
    PageFault,
    Call {
        to: usize,
    },
}

impl Op {
    /// Whether it is something that the thread does that runs.
    pub fn is_a_threads(&self) -> bool {
        matches!(
            self,
            Self::Ipc { .. }
                | Self::Propagate { .. }
                | Self::ReplyAndWait { .. }
                | Self::Typical { .. }
                | Self::Call { .. }
                | Self::Foreign { .. }
                | Self::IdNearest { .. }
                | Self::NoSuchCall
                | Self::Attach { .. }
                | Self::PageFault { .. }
                | Self::Exception
        )
    }
}

fn slot() -> impl Strategy<Value = usize> {
    0..SLOTS.len()
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![
        8 => slot().prop_map(Who::At),
        1 => slot().prop_map(Who::Stale),
        6 => Just(Who::LastSender),
        1 => (0..LINES).prop_map(Who::Line),
        1 => Just(Who::Nil),
        1 => Just(Who::Any),
        1 => Just(Who::Garbage),
    ]
}

fn from() -> impl Strategy<Value = Who> {
    prop_oneof![
        6 => slot().prop_map(Who::At),
        1 => slot().prop_map(Who::Stale),
        2 => Just(Who::LastSender),
        3 => prop_oneof![0..LINES, Just(63)].prop_map(Who::Line),
        4 => Just(Who::Nil),
        8 => Just(Who::Any),
        1 => Just(Who::Garbage),
    ]
}

fn wait() -> impl Strategy<Value = Wait> {
    prop_oneof![
        12 => Just(Wait::Never),
        3 => Just(Wait::Not),
        3 => (1..40u32).prop_map(Wait::For),
        2 => (-5..20i32).prop_map(Wait::Until),
        1 => Just(Wait::Senseless),
    ]
}

fn shape() -> impl Strategy<Value = Shape> {
    let plain = (0..8usize).prop_map(|words| Shape { label: 7, words, items: 0, reserved: 0 });
    let long =
        (0..64usize, 0..4usize).prop_map(|(words, items)| Shape { label: 7, words, items, reserved: 0 });
    let items =
        (0..4usize, 1..3usize).prop_map(|(words, items)| Shape { label: 7, words, items, reserved: 0 });
    let any = (any::<u16>(), 0..64usize, 0..64usize, 0..16u32)
        .prop_map(|(label, words, items, reserved)| Shape { label, words, items, reserved });
    prop_oneof![16 => plain, 2 => long, 3 => items, 1 => any]
}

/// Numbers of foreign calls: Linux's, and those that look like L4's without being any.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![6 => 0..400u32, 1 => Just(0x8000_0100), 1 => Just(u32::MAX), 1 => Just(0x7fff_ffff)]
}

fn access() -> impl Strategy<Value = Rights> {
    prop_oneof![Just(Rights::R), Just(Rights::W), Just(Rights::X)]
}

fn pose() -> impl Strategy<Value = Op> {
    let pose = prop_oneof![
        3 => Just(Pose::Wait),
        3 => (0..12usize).prop_map(|what| Pose::Typical { what }),
        1 => (0..LINES).prop_map(|line| Pose::Attach { line }),
        1 => Just(Pose::Foreign),
        1 => Just(Pose::PageFault),
        2 => slot().prop_map(|to| Pose::Call { to }),
    ];
    (slot(), pose).prop_map(|(slot, pose)| Op::Pose { slot, pose })
}

pub fn op() -> impl Strategy<Value = Op> {
    let communication = prop_oneof![
        6 => (who(), from(), shape(), wait(), wait())
            .prop_map(|(to, from, shape, send, receive)| Op::Ipc { to, from, shape, send, receive }),
        3 => (from(), wait(), shape())
            .prop_map(|(from, receive, shape)| Op::Ipc { to: Who::Nil, from, shape, send: Wait::Never, receive }),
        4 => (who(), from(), who(), shape())
            .prop_map(|(to, from, name, shape)| Op::Propagate { to, from, name, shape }),
        60 => (shape(), 0..12usize).prop_map(|(shape, what)| Op::Typical { shape, what }),
        4 => shape().prop_map(|shape| Op::ReplyAndWait { shape }),
        10 => (slot(), shape()).prop_map(|(to, shape)| Op::Call { to, shape }),
        3 => (number(), any::<bool>()).prop_map(|(number, disguised)| Op::Foreign { number, disguised }),
        1 => prop_oneof![Just(Who::Nil), slot().prop_map(Who::At)].prop_map(|of| Op::IdNearest { of }),
        1 => Just(Op::NoSuchCall),
        5 => (0..LINES).prop_map(|line| Op::Attach { line }),
        6 => (access(), prop::bool::weighted(0.1)).prop_map(|(access, at_syscall)| Op::PageFault { access, at_syscall }),
        1 => Just(Op::Exception),
    ];
    let stop = prop_oneof![2 => Just(None), 1 => Just(Some(true)), 4 => Just(Some(false))];
    let control = prop_oneof![
        3 => (slot(), any::<bool>(), stop).prop_map(|(slot, cancel, stop)| Op::Change { slot, cancel, stop }),
        1 => (slot(), slot()).prop_map(|(slot, pager)| Op::SetPager { slot, pager: Who::At(pager) }),
        2 => (0..2usize).prop_map(|pager| Op::SetPager { slot: 6, pager: Who::At(pager) }),
        1 => (2..5usize).prop_map(|slot| Op::SetPager { slot, pager: Who::Stale(0) }),
        1 => (slot(), slot()).prop_map(|(slot, handler)| Op::SetHandler { slot, handler: Who::At(handler) }),
        // Out of its reach.
        2 => (0..2usize).prop_map(|handler| Op::SetHandler { slot: 6, handler: Who::At(handler) }),
        1 => (2..5usize).prop_map(|slot| Op::SetHandler { slot, handler: Who::Stale(0) }),
        1 => (slot(), prop::bool::weighted(0.2)).prop_map(|(slot, on)| Op::SetTrampoline { slot, on }),
        3 => (slot(), 0..4u8).prop_map(|(slot, priority)| Op::Priority { slot, priority }),
        1 => (slot(), 0..2u32).prop_map(|(slot, cpu)| Op::Move { slot, cpu }),
        2 => prop::option::of(slot()).prop_map(|to| Op::Switch { to }),
        1 => slot().prop_map(|slot| Op::Kill { slot }),
        4 => slot().prop_map(|slot| Op::Create { slot }),
    ];
    let environment = prop_oneof![
        3 => (0..30u64).prop_map(|ticks| Op::Time { ticks }),
        3 => Just(Op::EndSlice),
        8 => (0..LINES).prop_map(|line| Op::Interrupt { line }),
    ];
    prop_oneof![24 => communication, 12 => pose(), 3 => control, 3 => environment]
}
