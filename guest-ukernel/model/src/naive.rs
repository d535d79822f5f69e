//! The model: IPC as `docs/abi.md` tells it.
//!
//! Written from the manual, for the eye and not for speed: there are no queues, a sender carries the number of its
//! arrival; there is no list of timeouts, everybody who waits knows until when; whoever may be concerned by something is looked for among all
//! threads. Who runs is not modelled: that is the scheduler's, whose promises [`crate::compare`] checks.

use ukernel_abi::call::{Status, Timeout, Timeouts};
use ukernel_abi::msg::{Label, MapItem, Tag, WORDS};
use ukernel_abi::utcb::{Regs, RunState};
use ukernel_abi::{Fpage, ThreadId};

use crate::world;

/// A fault, exception or foreign call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    Page { addr: u64, access: u64 },
    Exception { vector: u64 },
    Foreign,
}

/// What a thread does. Times are TSC readings; none is for ever.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Doing {
    Ready,
    /// In the send phase. `fault` is none for a message of its own; `name` is in whose name it is sent.
    Sending {
        to: ThreadId,
        name: ThreadId,
        fault: Option<Fault>,
        arrival: u64,
        until: Option<u64>,
    },
    /// In the receive phase.
    Receiving {
        from: ThreadId,
        until: Option<u64>,
    },
    /// Its fault has been received by `by`, who has not answered.
    Faulted {
        fault: Fault,
        by: ThreadId,
    },
    /// Nobody can answer its fault.
    Lost,
}

/// The memory that it shares with the kernel.
#[derive(Clone, Debug)]
pub struct Utcb {
    pub words: [u64; WORDS],
    pub window: Fpage,
    pub io_window: Fpage,
    pub send_deadline: u64,
    pub receive_deadline: u64,
    pub virtual_sender: ThreadId,
}

/// Registers that have a meaning, besides rax and those that every call keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// None: a call has failed, or waits for a message.
    Nothing,
    /// The sender, and so many words of a message.
    Message(usize),
    /// All: it has not been answered yet, or what has been answered keeps registers.
    All,
}

#[derive(Clone, Debug)]
pub struct Thread {
    pub id: ThreadId,
    pub chief: u16,
    pub doing: Doing,
    pub stopped: bool,
    pub regs: Regs,
    /// Which of `regs` have a meaning, besides rax and those that every call keeps.
    pub known: Known,
    pub utcb: Option<Utcb>,
    pub pager: ThreadId,
    pub handler: ThreadId,
    pub trampoline: u64,
}

impl Thread {
    pub fn run_state(&self) -> u64 {
        let state = match self.doing {
            Doing::Ready => RunState::Ready,
            Doing::Sending { .. } => RunState::Sending,
            Doing::Receiving { .. } | Doing::Lost => RunState::Receiving,
            Doing::Faulted { fault: Fault::Page { .. }, .. } => RunState::PageFault,
            Doing::Faulted { fault: Fault::Exception { .. }, .. } => RunState::Exception,
            Doing::Faulted { fault: Fault::Foreign, .. } => RunState::Foreign,
        };
        state as u64 | if self.stopped { RunState::STOPPED } else { 0 }
    }
    pub fn is_runnable(&self) -> bool {
        self.doing == Doing::Ready && !self.stopped
    }
    pub fn until(&self) -> Option<u64> {
        match self.doing {
            Doing::Sending { until, .. } | Doing::Receiving { until, .. } => until,
            _ => None,
        }
    }
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Line {
    pub owner: Option<ThreadId>,
    pub count: u64,
}

/// An item that was mapped: from whom, what, to whom, into which windows.
pub type Mapped = (ThreadId, MapItem, ThreadId, Fpage, Fpage);

/// A message could not be transferred as a whole.
struct Incomplete;

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub now: u64,
    pub threads: Vec<Thread>,
    pub lines: [Line; world::LINES as usize],
    /// In the order of time.
    pub mapped: Vec<Mapped>,
    /// Everybody who was lost.
    pub lost: Vec<ThreadId>,
    arrivals: u64,
}

impl Model {
    /// The living thread of this identifier.
    pub fn find(&self, id: ThreadId) -> Option<&Thread> {
        self.threads.iter().find(|t| t.id == id)
    }
    fn thread(&self, id: ThreadId) -> &Thread {
        self.find(id).expect("a living thread")
    }
    pub fn thread_mut(&mut self, id: ThreadId) -> &mut Thread {
        self.threads.iter_mut().find(|t| t.id == id).expect("a living thread")
    }

    /// Everybody who waits to send to `to`, in the order in which they came.
    pub fn senders(&self, to: ThreadId) -> Vec<ThreadId> {
        let mut senders: Vec<(u64, ThreadId)> = Vec::new();
        for t in &self.threads {
            match t.doing {
                Doing::Sending { to: dest, arrival, .. } if dest == to => senders.push((arrival, t.id)),
                _ => {}
            }
        }
        senders.sort();
        senders.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether messages pass between the two without crossing the border of a clan, in either direction.
    fn in_reach(&self, a: ThreadId, b: ThreadId) -> bool {
        let (chief_a, chief_b) = (self.thread(a).chief, self.thread(b).chief);
        let same_task = a.task() == b.task();
        let same_clan = chief_a == chief_b;
        same_task || same_clan || chief_a == b.task() || chief_b == a.task()
    }

    /// Whether the task of `id` was made by `task`, or by one that was made by it, and so on.
    fn is_below(&self, id: ThreadId, task: u16) -> bool {
        chiefs(id.task()).any(|chief| chief == task)
    }

    /// Who gets what `from` sends to `to`.
    fn nearest(&self, from: ThreadId, to: ThreadId) -> Option<ThreadId> {
        if self.in_reach(from, to) {
            return Some(to);
        }
        let (own, chief) = (from.task(), world::chief_of(from.task()));
        // Those that the destination is below, which are of the sender's clan or made by its task.
        let between = chiefs(to.task()).find(|&task| [own, chief].contains(&world::chief_of(task)));
        let task = between.unwrap_or(chief);
        self.threads.iter().map(|t| t.id).find(|id| id.task() == task && id.lthread() == 0)
    }

    /// Whether `me` may send to `to` in the name of `name`.
    fn check_name(&self, me: ThreadId, name: ThreadId, to: ThreadId) -> Result<(), Status> {
        if self.find(name).is_none() {
            return Err(Status::NotExistent);
        }
        let own = me.task();
        let (name_below, to_below) = (self.is_below(name, own), self.is_below(to, own));
        let passes = (name_below && !to_below) || (to_below && !name_below);
        if name.task() == own || passes { Ok(()) } else { Err(Status::Denied) }
    }

    /// The call `ipc`, with the arguments in the registers of `me`.
    pub fn ipc(&mut self, me: ThreadId) {
        let regs = self.thread(me).regs;
        let (dest, tag) = (ThreadId(regs.r12), Tag::from_rax(regs.rax));
        if dest.is_nil() {
            return self.receive(me);
        }
        let (to, name) = match self.address(me, dest, tag) {
            Ok(found) => found,
            Err(status) => return self.done(me, status),
        };
        if self.waits_for(to, name, to != dest) {
            return match self.message(me, name, to) {
                Ok(()) => self.receive(me),
                Err(Incomplete) => self.done(me, Status::MapFailed),
            };
        }
        let timeout = Timeouts(regs.r14).send();
        if timeout == Timeout::Now {
            return self.done(me, Status::SendTimeout);
        }
        let until = self.until(me, timeout, |utcb| utcb.send_deadline);
        self.start_sending(me, to, name, None, until);
    }

    /// Who gets a message that `me` sends to `dest`, and in whose name it is.
    fn address(&self, me: ThreadId, dest: ThreadId, tag: Tag) -> Result<(ThreadId, ThreadId), Status> {
        let long = tag.words() + 2 * tag.items() > 7;
        let propagated = tag.0 & 1 << 14 != 0;
        let utcb = &self.thread(me).utcb;
        let reserved = tag.0 & 0b1011 << 12 != 0;
        if reserved || tag.words() + 2 * tag.items() > WORDS || tag.label().is_kernel() {
            return Err(Status::BadArgument);
        }
        if (long || propagated) && utcb.is_none() {
            return Err(Status::BadArgument);
        }
        if self.find(dest).is_none() {
            return Err(Status::NotExistent);
        }
        if dest == me {
            return Err(Status::BadArgument);
        }
        let name = match utcb {
            Some(utcb) if propagated => utcb.virtual_sender,
            _ => me,
        };
        if propagated {
            self.check_name(me, name, dest)?;
        }
        Ok((self.nearest(me, dest).ok_or(Status::NotExistent)?, name))
    }

    /// `me` faults or makes a foreign call.
    pub fn fault(&mut self, me: ThreadId, fault: Fault) {
        let t = self.thread(me);
        let dest = if let Fault::Page { .. } = fault { t.pager } else { t.handler };
        if dest == me || self.find(dest).is_none() || !self.in_reach(me, dest) {
            return self.lose(me);
        }
        let open =
            matches!(self.thread(dest).doing, Doing::Receiving { from, .. } if from.is_any() || from == me);
        if open {
            self.kernel_message(me, fault, dest);
        } else {
            self.start_sending(me, dest, me, Some(fault), None);
        }
    }

    /// An interrupt has come.
    pub fn interrupt(&mut self, line: u8) {
        let Some(l) = self.lines.get_mut(line as usize) else { return };
        let Some(owner) = l.owner else { return };
        l.count += 1;
        if let Doing::Receiving { from, .. } = self.thread(owner).doing
            && (from.is_any() || from == ThreadId::irq(line))
        {
            self.take_interrupt(owner, line);
        }
    }

    /// It is `now`.
    pub fn expire(&mut self, now: u64) {
        self.now = now;
        for id in self.ids() {
            let t = self.thread(id);
            if t.until().is_some_and(|until| until <= now) {
                let sending = matches!(t.doing, Doing::Sending { .. });
                self.done(id, if sending { Status::SendTimeout } else { Status::ReceiveTimeout });
            }
        }
    }

    /// End what `id` does with others.
    pub fn cancel(&mut self, id: ThreadId) {
        match self.thread(id).doing {
            Doing::Ready => {}
            Doing::Sending { fault: None, .. } => self.done(id, Status::SendCancelled),
            Doing::Receiving { .. } => self.done(id, Status::ReceiveCancelled),
            Doing::Sending { .. } | Doing::Faulted { .. } | Doing::Lost => self.go_on(id),
        }
    }

    pub fn kill(&mut self, id: ThreadId) {
        self.threads.retain(|t| t.id != id);
        for line in &mut self.lines {
            if line.owner == Some(id) {
                *line = Line::default();
            }
        }
        for other in self.ids() {
            match self.thread(other).doing {
                Doing::Sending { to, fault: None, .. } if to == id => self.done(other, Status::NotExistent),
                Doing::Sending { to, .. } if to == id => self.lose(other),
                Doing::Receiving { from, .. } if from == id => self.done(other, Status::Aborted),
                Doing::Faulted { by, .. } if by == id => self.lose(other),
                _ => {}
            }
        }
    }

    fn ids(&self) -> Vec<ThreadId> {
        self.threads.iter().map(|t| t.id).collect()
    }

    /// Whether `t` would take a message in the name of `name` at once. A redirected one is never the answer to a fault.
    fn waits_for(&self, t: ThreadId, name: ThreadId, redirected: bool) -> bool {
        match self.thread(t).doing {
            Doing::Receiving { from, .. } => from.is_any() || from == name,
            Doing::Faulted { by, .. } => by == name && !redirected,
            _ => false,
        }
    }

    fn until(&self, me: ThreadId, timeout: Timeout, deadline: fn(&Utcb) -> u64) -> Option<u64> {
        match timeout {
            Timeout::Never => None,
            Timeout::In(us) => Some(self.now + u64::from(us) * world::TICKS_PER_US),
            Timeout::Deadline => Some(self.thread(me).utcb.as_ref().map_or(0, deadline)),
            Timeout::Now => Some(0),
        }
    }

    fn start_sending(
        &mut self,
        me: ThreadId,
        to: ThreadId,
        name: ThreadId,
        fault: Option<Fault>,
        until: Option<u64>,
    ) {
        self.arrivals += 1;
        let arrival = self.arrivals;
        self.thread_mut(me).doing = Doing::Sending { to, name, fault, arrival, until };
    }

    /// In whose name `t` sends.
    fn name_of(&self, t: ThreadId) -> Option<ThreadId> {
        match self.thread(t).doing {
            Doing::Sending { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The receive phase.
    fn receive(&mut self, me: ThreadId) {
        let from = ThreadId(self.thread(me).regs.r13);
        if from.is_nil() {
            return self.done(me, Status::Ok);
        }
        let sender = if from.is_any() {
            let mine = |l: &Line| l.owner == Some(me) && l.count > 0;
            if let Some(line) = self.lines.iter().position(mine) {
                return self.take_interrupt(me, line as u8);
            }
            self.senders(me).first().copied()
        } else if let Some(line) = from.as_irq() {
            match self.attach(me, line) {
                Err(status) => return self.done(me, status),
                Ok(true) => return self.take_interrupt(me, line),
                Ok(false) => None,
            }
        } else {
            if self.find(from).is_none() {
                return self.done(me, Status::NotExistent);
            }
            self.senders(me).into_iter().find(|&s| self.name_of(s) == Some(from))
        };
        if let Some(sender) = sender {
            return self.accept(sender, me);
        }
        match Timeouts(self.thread(me).regs.r14).receive() {
            Timeout::Now => self.done(me, Status::ReceiveTimeout),
            timeout => {
                let until = self.until(me, timeout, |utcb| utcb.receive_deadline);
                let t = self.thread_mut(me);
                t.doing = Doing::Receiving { from, until };
                t.known = Known::Nothing;
            }
        }
    }

    /// `me` takes the message of `sender`, who waits to send it.
    fn accept(&mut self, sender: ThreadId, me: ThreadId) {
        let Doing::Sending { fault, name, .. } = self.thread(sender).doing else { panic!("not a sender") };
        self.thread_mut(me).doing = Doing::Receiving { from: sender, until: None };
        match fault {
            Some(fault) => self.kernel_message(sender, fault, me),
            None => match self.message(sender, name, me) {
                Ok(()) => self.receive(sender),
                Err(Incomplete) => self.done(sender, Status::MapFailed),
            },
        }
    }

    /// The message of a program's: from `from`, in the name of `name`, to `to`, who waits for it and goes on.
    fn message(&mut self, from: ThreadId, name: ThreadId, to: ThreadId) -> Result<(), Incomplete> {
        let sender = self.thread(from).clone();
        let tag = Tag::from_rax(sender.regs.rax);
        let length = tag.words() + 2 * tag.items();
        let mut words = sender.utcb.as_ref().map_or([0; WORDS], |utcb| utcb.words);
        words[..7].copy_from_slice(&message_words(&sender.regs));

        let t = self.thread_mut(to);
        let (memory, io, complete) = match t.doing {
            Doing::Receiving { .. } => {
                set_message_words(&mut t.regs, &words[..7]);
                let meant_for = sender.regs.r12;
                let redirected = u32::from(meant_for != to.0) << 15;
                t.regs.rax = Tag(tag.0 | redirected).to_rax() | Status::Ok as u64;
                t.regs.r12 = name.0;
                (t.regs.r13, t.regs.r14) = (meant_for, from.0);
                t.known = Known::Message(7);
                match &mut t.utcb {
                    Some(utcb) => {
                        if length > 7 {
                            utcb.words[7..length].copy_from_slice(&words[7..length]);
                        }
                        (utcb.window, utcb.io_window, true)
                    }
                    None => (Fpage::NIL, Fpage::NIL, length <= 7),
                }
            }
            Doing::Faulted { fault, .. } => {
                if fault == Fault::Foreign {
                    t.regs.rax = words[0];
                }
                (Fpage::ALL, Fpage::NIL, true)
            }
            _ => panic!("{to:?} does not wait"),
        };
        t.doing = Doing::Ready;
        let mut complete = complete;
        for n in 0..tag.items() {
            let at = tag.words() + 2 * n;
            let item = MapItem { snd: Fpage(words[at]), base: words[at + 1] };
            self.mapped.push((from, item, to, memory, io));
            complete &= !world::map_fails(item);
        }
        if complete { Ok(()) } else { Err(Incomplete) }
    }

    /// The kernel's message about a fault of `from`, to `to`, who waits for it and goes on. `from` waits for the answer.
    fn kernel_message(&mut self, from: ThreadId, fault: Fault, to: ThreadId) {
        let r = self.thread(from).regs;
        let (label, words) = match fault {
            Fault::Page { addr, access } => (Label::PAGE_FAULT, vec![addr, r.rip, access, r.entry]),
            Fault::Exception { vector } => (Label::EXCEPTION, vec![vector, r.entry, r.rip, r.rsp, r.rflags]),
            Fault::Foreign => (Label::FOREIGN, vec![r.rax, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]),
        };
        let tag = Tag::new(label, words.len(), 0);
        self.kernel_words(to, from, tag, words);
        self.thread_mut(from).doing = Doing::Faulted { fault, by: to };
    }

    fn take_interrupt(&mut self, t: ThreadId, line: u8) {
        let count = std::mem::take(&mut self.lines[line as usize].count);
        let words = vec![u64::from(line), count];
        self.kernel_words(t, ThreadId::irq(line), Tag::new(Label::INTERRUPT, 2, 0), words);
    }

    fn kernel_words(&mut self, to: ThreadId, from: ThreadId, tag: Tag, words: Vec<u64>) {
        let t = self.thread_mut(to);
        set_message_words(&mut t.regs, &words);
        t.regs.rax = tag.to_rax() | Status::Ok as u64;
        t.regs.r12 = from.0;
        t.known = Known::Message(words.len());
        t.doing = Doing::Ready;
    }

    /// Whether something has come on `line`, to which `t` is attached now.
    fn attach(&mut self, t: ThreadId, line: u8) -> Result<bool, Status> {
        if !world::may_attach(t, line) {
            return Err(Status::Denied);
        }
        let l = &mut self.lines[line as usize];
        if l.owner.is_some_and(|owner| owner != t) {
            return Err(Status::Denied);
        }
        l.owner = Some(t);
        Ok(l.count > 0)
    }

    fn lose(&mut self, id: ThreadId) {
        let t = self.thread_mut(id);
        t.doing = Doing::Lost;
        t.stopped = true;
        self.lost.push(id);
    }

    fn done(&mut self, id: ThreadId, status: Status) {
        let t = self.thread_mut(id);
        t.regs.rax = status as u64;
        t.known = Known::Nothing;
        t.doing = Doing::Ready;
    }

    fn go_on(&mut self, id: ThreadId) {
        self.thread_mut(id).doing = Doing::Ready;
    }
}

/// The chief of `task`, his chief, and so on.
fn chiefs(task: u16) -> impl Iterator<Item = u16> {
    let above = |task: u16| Some(world::chief_of(task)).filter(|&chief| chief != 0);
    std::iter::successors(above(task), move |&task| above(task))
}

/// The words that travel in registers.
pub fn message_words(r: &Regs) -> [u64; 7] {
    [r.rbx, r.rdi, r.rsi, r.rdx, r.r10, r.r8, r.r9]
}

fn set_message_words(r: &mut Regs, words: &[u64]) {
    for (register, word) in [&mut r.rbx, &mut r.rdi, &mut r.rsi, &mut r.rdx, &mut r.r10, &mut r.r8, &mut r.r9]
        .into_iter()
        .zip(words)
    {
        *register = *word;
    }
}
