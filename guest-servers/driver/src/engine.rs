//! What is the same for all drivers: clients, requests under way, and a device that stops working.
//!
//! The engine is a pure function of what comes in: messages, interrupts, time. Answers go to an [`Outbox`], and whoever runs it sends
//! them.
//!
//! *A device that stops working* (breaks the rules, asks for a reset, or is silent for longer than [`Driver::patience`]) is reset, and
//! what was under way begins again. One that does so [`RESETS`] times without completing anything in between is left alone: all
//! requests fail with `NoDevice`, until a client opens a session, when it is tried again.

use crate::Broken;
use crate::memory::Memory;
use crate::session::{Buffer, Session};
use alloc::vec::Vec;
use proto::session::{Completion, Hook, Opened, Outcome, Request, Submission};
use proto::{Message, Refusal};
use ukernel_abi::ThreadId;

/// What a driver knows of its device.
pub trait Driver {
    /// What clients are told when they open a session.
    fn info(&self) -> Opened;
    /// Hands a request to the device, or says why not. The device need not hear of it before [`Driver::kick`].
    fn start(&mut self, ticket: u16, request: &Submission, buffer: Buffer) -> Start;
    /// The device is to look at what has been started.
    fn kick(&mut self);
    /// An interrupt has come.
    fn interrupt(&mut self) -> Result<(), Broken>;
    /// A request that the device is done with, if there is one. After `None` there will be an interrupt when there is another.
    fn finished(&mut self) -> Result<Option<Finished>, Broken>;
    /// Resets the device, and makes it ready anew. What was under way is forgotten: the device does not touch its buffers any more.
    fn reset(&mut self) -> Result<(), Broken>;
    /// How long the device may take, in nanoseconds; `None`: as long as it likes (an answer that depends on the outside).
    fn patience(&self, request: &Submission) -> Option<u64>;
    /// Whether a request may be done twice.
    fn is_repeatable(&self, request: &Submission) -> bool;
    /// The answer to a message that is none of a session's; `None` if it is none of this driver's either.
    fn message(&mut self, _message: &Message) -> Option<Message> {
        None
    }
}

/// What has become of a request that was to be started.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start {
    /// The device will be done with it.
    Started,
    /// It is over, without the device.
    Over(Outcome),
    /// The device has no room. To be tried again when something has finished.
    Full,
}

/// A request that the device is done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finished {
    pub ticket: u16,
    pub outcome: Outcome,
    /// As in [`Completion`].
    pub value: u64,
}

/// Where the engine learns where regions are.
pub trait Regions {
    type Memory: Memory;
    /// The region `id` of `client`, which may be any thread of it.
    fn region(&mut self, client: ThreadId, id: u64) -> Result<Self::Memory, Refusal>;
}

/// Answers to be sent. Nobody waits for a client that does not receive its answer.
pub type Outbox = Vec<(ThreadId, Message)>;

/// Most clients.
pub const SESSIONS: usize = 16;
/// Most requests under way; tickets are below.
pub const TICKETS: usize = 256;
/// Resets without any success in between after which a device is left alone.
pub const RESETS: u32 = 3;

/// A request under way.
#[derive(Clone, Copy, Debug)]
struct UnderWay {
    session: usize,
    submission: Submission,
    buffer: Buffer,
    /// When it has to be done (ns), if it has to.
    until: Option<u64>,
}

/// A driver and its clients.
pub struct Engine<D, R: Regions> {
    driver: D,
    regions: R,
    sessions: Vec<Session<R::Memory>>,
    under_way: Vec<Option<UnderWay>>,
    /// Resets since something was last completed.
    resets: u32,
    /// The device has been left alone, for this reason.
    broken: Option<Broken>,
    /// Whether the driver fails when it is asked to.
    hooks: bool,
    /// Session that is served first, so that each gets its turn.
    turn: usize,
}

impl<D: Driver, R: Regions> Engine<D, R> {
    /// With a device that is ready. `hooks`: for tests, it fails when it is asked to.
    pub fn new(driver: D, regions: R, hooks: bool) -> Self {
        let (sessions, under_way) = (Vec::with_capacity(SESSIONS), alloc::vec![None; TICKETS]);
        Self { driver, regions, sessions, under_way, resets: 0, broken: None, hooks, turn: 0 }
    }

    pub fn driver(&self) -> &D {
        &self.driver
    }

    /// The device has been left alone, for this reason.
    pub fn broken(&self) -> Option<Broken> {
        self.broken
    }

    /// A message has come at `now` (ns). Comes back: how the driver is asked to fail.
    pub fn message(&mut self, from: ThreadId, message: &Message, now: u64, out: &mut Outbox) -> Option<Hook> {
        let request = match Request::try_from(message) {
            Ok(request) => request,
            Err(malformed) => {
                let answer = self.driver.message(message);
                out.push((from, answer.unwrap_or(Message::refused(malformed.into()))));
                return None;
            }
        };
        match request {
            Request::Open { region } => {
                let answer = self.open(from, region, now, out);
                out.push((from, Message::reply(answer.map(Message::from))));
            }
            Request::Enter { region, submitted, taken, wait } => {
                match self.enter(from, region, submitted, taken, wait) {
                    Ok(other) => out.extend(other),
                    Err(why) => out.push((from, Message::refused(why))),
                }
                self.work(now, out);
            }
            Request::Hook(hook) if self.hooks => return Some(hook),
            Request::Hook(_) => out.push((from, Message::refused(Refusal::Denied))),
        }
        None
    }

    /// An interrupt of the device has come.
    pub fn interrupt(&mut self, now: u64, out: &mut Outbox) {
        if self.broken.is_none()
            && let Err(why) = self.driver.interrupt()
        {
            self.recover(why, None, now);
        }
        self.work(now, out);
    }

    /// When [`Engine::late`] is to be called, if nothing comes before (ns).
    pub fn deadline(&self) -> Option<u64> {
        self.under_way.iter().flatten().filter_map(|u| u.until).min()
    }

    /// It is `now`: perhaps the device has been silent for too long.
    pub fn late(&mut self, now: u64, out: &mut Outbox) {
        self.collect(now);
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.recover(Broken("it does not answer"), None, now);
        }
        self.work(now, out);
    }

    fn open(&mut self, from: ThreadId, region: u64, now: u64, out: &mut Outbox) -> Result<Opened, Refusal> {
        if self.broken.is_some() {
            self.driver.reset().map_err(|_| Refusal::NoDevice)?;
            (self.broken, self.resets) = (None, 0);
        }
        let index = match self.sessions.iter().position(|s| s.region == region) {
            Some(index) if self.sessions[index].client.task() == from.task() => {
                self.drop_requests(index, now);
                self.sessions[index].restart(from);
                index
            }
            known => {
                // Who asks is whom root says it belongs to.
                let memory = self.regions.region(from, region)?;
                let session = Session::new(from, region, memory);
                let index = known.or_else(|| self.idle()).unwrap_or(self.sessions.len());
                if index < self.sessions.len() {
                    self.drop_requests(index, now);
                    self.sessions[index] = session;
                } else if index < SESSIONS {
                    self.sessions.push(session);
                } else {
                    return Err(Refusal::NoMemory);
                }
                index
            }
        };
        self.work(now, out);
        if index < self.sessions.len() && self.broken.is_none() {
            Ok(self.driver.info())
        } else {
            Err(Refusal::NoDevice)
        }
    }

    /// A session that nothing is done for, if there is no room for another: clients that have gone do not say so.
    fn idle(&self) -> Option<usize> {
        if self.sessions.len() < SESSIONS {
            return None;
        }
        let busy = |index: usize| self.under_way.iter().flatten().any(|u| u.session == index);
        (0..self.sessions.len()).find(|&index| !self.sessions[index].is_awaited() && !busy(index))
    }

    /// The client of a session begins anew: the device must not touch the buffers of what was under way.
    fn drop_requests(&mut self, index: usize, now: u64) {
        if self.under_way.iter().flatten().any(|u| u.session == index) {
            self.recover(Broken("a client began anew"), Some(index), now);
        }
    }

    fn enter(
        &mut self,
        from: ThreadId,
        region: u64,
        submitted: u32,
        taken: u32,
        wait: u32,
    ) -> Result<Option<(ThreadId, Message)>, Refusal> {
        let is = |s: &&mut Session<R::Memory>| s.region == region && s.client.task() == from.task();
        let session = self.sessions.iter_mut().find(is).ok_or(Refusal::NotFound)?;
        session.enter(from, submitted, taken, wait).map_err(|_| Refusal::BadRequest)
    }

    /// Does everything that can be done, and answers who waits for it.
    fn work(&mut self, now: u64, out: &mut Outbox) {
        loop {
            self.collect(now);
            if !self.start(now) {
                break;
            }
        }
        out.extend(self.sessions.iter_mut().filter_map(Session::answer));
    }

    /// Takes what the device is done with.
    fn collect(&mut self, now: u64) {
        while self.broken.is_none() {
            match self.driver.finished() {
                Ok(None) => return,
                Ok(Some(finished)) => self.finish(finished),
                Err(why) => self.recover(why, None, now),
            }
        }
    }

    fn finish(&mut self, finished: Finished) {
        let place = self.under_way.get_mut(usize::from(finished.ticket));
        let Some(done) = place.and_then(Option::take) else { return };
        self.resets = 0;
        self.complete(&done, finished.outcome, finished.value);
    }

    fn complete(&mut self, done: &UnderWay, outcome: Outcome, value: u64) {
        self.sessions[done.session].complete(&Completion { tag: done.submission.tag, outcome, value });
    }

    /// Starts what clients have submitted, one of each in turn. Whether the device was told of any.
    fn start(&mut self, now: u64) -> bool {
        let (mut started, mut idle) = (false, 0);
        while idle < self.sessions.len() {
            let index = self.turn % self.sessions.len();
            let Some(ticket) = self.under_way.iter().position(Option::is_none) else { break };
            let Some(submission) = self.sessions[index].pop() else {
                (self.turn, idle) = (index + 1, idle + 1);
                continue;
            };
            let Some(buffer) = self.sessions[index].buffer(&submission) else {
                self.refuse(index, &submission, Outcome::BadRequest);
                continue;
            };
            match self.begin(ticket, index, submission, buffer, now) {
                Start::Started => started = true,
                Start::Over(outcome) => self.refuse(index, &submission, outcome),
                Start::Full => {
                    self.sessions[index].put_back();
                    break;
                }
            }
            (self.turn, idle) = (index + 1, 0);
        }
        if started {
            self.driver.kick();
        }
        started
    }

    fn refuse(&mut self, index: usize, submission: &Submission, outcome: Outcome) {
        self.sessions[index].complete(&Completion { tag: submission.tag, outcome, value: 0 });
    }

    fn begin(
        &mut self,
        ticket: usize,
        session: usize,
        submission: Submission,
        buffer: Buffer,
        now: u64,
    ) -> Start {
        if self.broken.is_some() {
            return Start::Over(Outcome::NoDevice);
        }
        let start = self.driver.start(ticket as u16, &submission, buffer);
        if start == Start::Started {
            let until = self.driver.patience(&submission).map(|ns| now.saturating_add(ns));
            self.under_way[ticket] = Some(UnderWay { session, submission, buffer, until });
        }
        start
    }

    /// Resets the device, and begins what was under way again, but for the requests of the session `without`.
    fn recover(&mut self, why: Broken, without: Option<usize>, now: u64) {
        // What a client brings about says nothing about the device.
        self.resets += u32::from(without.is_none());
        let before = core::mem::replace(&mut self.under_way, alloc::vec![None; TICKETS]);
        let works = if self.resets > RESETS { Err(why) } else { self.driver.reset() };
        self.broken = works.err();
        for (ticket, request) in before.into_iter().enumerate() {
            let Some(request) = request.filter(|r| Some(r.session) != without) else { continue };
            if !self.driver.is_repeatable(&request.submission) {
                self.complete(&request, Outcome::Lost, 0);
                continue;
            }
            match self.begin(ticket, request.session, request.submission, request.buffer, now) {
                Start::Started => {}
                Start::Over(outcome) => self.complete(&request, outcome, 0),
                // There was room for all of them before.
                Start::Full => self.complete(&request, Outcome::Failed, 0),
            }
        }
        if self.broken.is_none() {
            self.driver.kick();
        }
    }
}

#[cfg(test)]
mod tests;
