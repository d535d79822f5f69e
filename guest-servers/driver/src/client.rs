//! A client of a driver: submits requests, waits for them, and goes on when the driver has been started again.
//!
//! When the driver has died, or does not know the client any more, the client looks it up again, opens its session again, and submits
//! again whatever has not been completed, in the order in which it was first submitted. So a request is done at least once; one that must not be
//! done twice comes back as `Lost` instead ([`Repeat::Never`]).

use proto::session::{Completion, DEPTH, Entered, Opened, Outcome, Request, Submission};
use proto::{Message, Refusal};

/// How a client reaches its driver and their region.
pub trait Link {
    /// Finds the driver (again).
    fn find(&mut self) -> Result<(), Refusal>;
    /// Calls it; `None` if it is not there any more.
    fn call(&mut self, message: &Message) -> Option<Message>;
    /// As [`Link::call`], but the answer may take `us` microseconds only.
    fn call_for(&mut self, message: &Message, us: u32) -> Called;
    /// Lets some milliseconds pass. False if there have been too many since the last [`Link::find`] that went well.
    fn pause(&mut self) -> bool;
    /// root's name of the region.
    fn region(&self) -> u64;
    fn read(&self, offset: usize, into: &mut [u8]);
    fn write(&self, offset: usize, from: &[u8]);
}

/// What has become of a call that may take only so long.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Called {
    Answer(Message),
    /// It was heard. Its answer may come instead of that to the next call.
    TimedOut,
    Gone,
}

/// Whether a request may be done twice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repeat {
    Allowed,
    Never,
}

/// There are [`DEPTH`] requests already whose completions have not been taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

#[derive(Clone, Copy, Debug)]
struct Pending {
    submission: Submission,
    repeat: Repeat,
    /// Counts requests, so that they are submitted again in their order.
    order: u64,
}

/// A session with a driver.
pub struct Client<L> {
    link: L,
    opened: Opened,
    /// By tag: what has not been completed.
    pending: [Option<Pending>; DEPTH as usize],
    /// Tags whose completion has not been taken: pending, or in `lost`.
    lost: [bool; DEPTH as usize],
    submitted: u32,
    completed: u32,
    taken: u32,
    order: u64,
    recoveries: u64,
}

impl<L: Link> Client<L> {
    /// Opens a session.
    pub fn open(link: L) -> Result<Self, Refusal> {
        let mut client = Self {
            link,
            opened: Opened { info: [0; 6] },
            pending: [None; DEPTH as usize],
            lost: [false; DEPTH as usize],
            submitted: 0,
            completed: 0,
            taken: 0,
            order: 0,
            recoveries: 0,
        };
        client.opened = client.reopen()?;
        Ok(client)
    }

    /// What the driver said of its device when the session was last opened.
    pub fn opened(&self) -> Opened {
        self.opened
    }
    pub fn link(&self) -> &L {
        &self.link
    }
    pub fn link_mut(&mut self) -> &mut L {
        &mut self.link
    }
    /// How often the session had to be opened again.
    pub fn recoveries(&self) -> u64 {
        self.recoveries
    }
    /// Requests that have not been completed, or whose completion has not been taken.
    pub fn under_way(&self) -> usize {
        self.pending.iter().flatten().count() + self.lost.iter().filter(|lost| **lost).count()
    }

    /// Submits a request; the tag that its completion will have comes back. The driver sees it at the next [`Client::wait`].
    pub fn submit(&mut self, submission: Submission, repeat: Repeat) -> Result<u32, Full> {
        if self.submitted.wrapping_sub(self.taken) >= DEPTH {
            return Err(Full);
        }
        let free = |tag: &usize| self.pending[*tag].is_none() && !self.lost[*tag];
        let tag = (0..DEPTH as usize).find(free).ok_or(Full)?;
        let submission = Submission { tag: tag as u32, ..submission };
        self.pending[tag] = Some(Pending { submission, repeat, order: self.order });
        self.order += 1;
        self.put(&submission);
        Ok(tag as u32)
    }

    fn put(&mut self, submission: &Submission) {
        self.link.write(Submission::place(self.submitted), &submission.to_bytes());
        self.submitted = self.submitted.wrapping_add(1);
    }

    /// Shows the driver what has been submitted, and waits until `wait` completions (at most as many as are under way) can be taken.
    pub fn wait(&mut self, wait: u32) -> Result<(), Refusal> {
        loop {
            let enough = wait.min(self.under_way() as u32);
            let there =
                self.completed.wrapping_sub(self.taken) + self.lost.iter().filter(|l| **l).count() as u32;
            if wait != 0 && there >= enough {
                return Ok(());
            }
            match self.enter(enough.saturating_sub(there), None) {
                Ok(_) if wait == 0 => return Ok(()),
                // It says that all is done, but has not told of what: its completions were of nothing.
                Ok(_) if self.completed == self.submitted && self.completed == self.taken => {
                    self.recover()?
                }
                Ok(_) => {}
                Err(Gone) => self.recover()?,
            }
        }
    }

    /// As [`Client::wait`] for one completion, but for `us` microseconds at most. Whether there is one.
    pub fn wait_for(&mut self, us: u32) -> Result<bool, Refusal> {
        if !self.is_any() && self.enter(1, Some(us)).is_err() {
            self.recover()?;
        }
        Ok(self.is_any())
    }

    /// Whether there is something to be taken.
    fn is_any(&self) -> bool {
        self.completed != self.taken || self.lost.contains(&true)
    }

    /// Tells the driver how far the client is, and waits for `wait` more completions, or so many microseconds. Whether the driver has answered.
    fn enter(&mut self, wait: u32, us: Option<u32>) -> Result<bool, Gone> {
        let (submitted, taken) = (self.submitted, self.taken);
        let wait = wait + self.completed.wrapping_sub(taken);
        let request = Request::Enter { region: self.link.region(), submitted, taken, wait }.into();
        let answer = match us {
            None => self.link.call(&request).ok_or(Gone)?,
            Some(us) => match self.link.call_for(&request, us) {
                Called::Answer(answer) => answer,
                Called::TimedOut => return Ok(false),
                Called::Gone => return Err(Gone),
            },
        };
        let answer = answer.accepted().map_err(|_| Gone)?;
        let Entered { completed } = Entered::try_from(&answer).map_err(|_| Gone)?;
        // A driver that claims more than it was given, or takes something back, is not to be trusted with the rest.
        let (new, possible) =
            (completed.wrapping_sub(self.completed), self.submitted.wrapping_sub(self.completed));
        if new > possible {
            return Err(Gone);
        }
        self.completed = completed;
        Ok(true)
    }

    /// What has not been completed, and could not be because the driver is not there, is not submitted again.
    pub fn give_up(&mut self) {
        self.pending = [None; DEPTH as usize];
        self.lost = [false; DEPTH as usize];
    }

    /// The next completion, if one is there.
    pub fn take(&mut self) -> Option<Completion> {
        if let Some(tag) = self.lost.iter().position(|lost| *lost) {
            self.lost[tag] = false;
            return Some(Completion { tag: tag as u32, outcome: Outcome::Lost, value: 0 });
        }
        while self.taken != self.completed {
            let mut bytes = [0; 16];
            self.link.read(Completion::place(self.taken), &mut bytes);
            self.taken = self.taken.wrapping_add(1);
            let Ok(completion) = Completion::from_bytes(&bytes) else { continue };
            let pending = self.pending.get_mut(completion.tag as usize).and_then(Option::take);
            if pending.is_some() {
                return Some(completion);
            }
        }
        None
    }

    /// Opens the session again, and submits again what has not been completed.
    fn recover(&mut self) -> Result<(), Refusal> {
        self.recoveries += 1;
        self.opened = self.reopen()?;
        let mut again: [Option<(u64, usize)>; DEPTH as usize] = [None; DEPTH as usize];
        for (tag, pending) in self.pending.iter_mut().enumerate() {
            match pending {
                Some(p) if p.repeat == Repeat::Allowed => again[tag] = Some((p.order, tag)),
                Some(_) => (self.lost[tag], *pending) = (true, None),
                None => {}
            }
        }
        again.sort_unstable();
        for (_, tag) in again.into_iter().flatten() {
            if let Some(pending) = self.pending[tag] {
                self.put(&pending.submission);
            }
        }
        Ok(())
    }

    fn reopen(&mut self) -> Result<Opened, Refusal> {
        (self.submitted, self.completed, self.taken) = (0, 0, 0);
        loop {
            match self.try_open() {
                Err(Refusal::Again) if self.link.pause() => {}
                result => return result,
            }
        }
    }

    fn try_open(&mut self) -> Result<Opened, Refusal> {
        self.link.find()?;
        let request = Request::Open { region: self.link.region() };
        let answer = self.link.call(&request.into()).ok_or(Refusal::Again)?.accepted()?;
        Ok(Opened::try_from(&answer)?)
    }
}

/// The driver has died, or has forgotten the session.
struct Gone;

#[cfg(test)]
mod tests;
