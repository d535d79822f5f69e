//! A connection: bytes in, requests, answers, bytes out, and how long a client may take for its part.
//!
//! One request is answered at a time, and the next is not looked at before the answer is out. So what a client can make us keep is one request and one
//! answer, however much it sends or does not read.

use super::request::{BODY_MAX, HEAD_MAX, Parsed, Request, parse};
use super::response::{Problem, Response};
use std::time::{Duration, Instant};

/// How long a request may take from its first byte to its last, and how long an answer may lie without being read.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// How long a connection may be without a request.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// How long is listened after a last answer to a client that has not stopped sending, so that it gets to read it.
const LINGER_TIME: Duration = Duration::from_secs(1);
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What a request comes to.
#[derive(Debug)]
pub enum Reply {
    Now(Response),
    /// It is answered by [`Service::resume`], at this moment at the latest.
    Later(Instant),
}

/// Who answers.
pub trait Service {
    fn call(&self, request: &Request, now: Instant) -> Reply;
    /// The answer to a request that was to be answered later, if there is one by now. `is_late`: there has to be.
    fn resume(&self, is_late: bool) -> Option<Response>;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// For a request, of which nothing or a part is there.
    Waiting,
    /// For the answer.
    Pending {
        is_head: bool,
        keeps_alive: bool,
    },
    /// For the answer to be read.
    Answering {
        keeps_alive: bool,
    },
    /// All has been said.
    Lingering,
    Done,
}

#[derive(Debug)]
pub struct Connection {
    phase: Phase,
    /// When the phase ends, if nothing happens before.
    deadline: Instant,
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// The client has said all that it has to say.
    is_half_closed: bool,
    /// It was told that it may send the body of this request.
    is_welcome: bool,
}

impl Connection {
    pub fn new(now: Instant) -> Self {
        Self {
            phase: Phase::Waiting,
            deadline: now + IDLE_TIME,
            incoming: Vec::new(),
            outgoing: Vec::new(),
            is_half_closed: false,
            is_welcome: false,
        }
    }

    /// One that is told to come again later.
    pub fn refused(now: Instant) -> Self {
        let mut this = Self::new(now);
        let hint = "close connections that are not needed";
        this.end_with(&Problem::new(503, "there are too many connections", hint).into(), now);
        this
    }

    /// Bytes that it takes just now.
    pub fn room(&self) -> usize {
        match self.phase {
            Phase::Waiting => (HEAD_MAX + BODY_MAX).saturating_sub(self.incoming.len()),
            Phase::Lingering => HEAD_MAX,
            Phase::Pending { .. } | Phase::Answering { .. } | Phase::Done => 0,
        }
    }

    /// The client has sent these, no more than there is room for.
    pub fn receive(&mut self, bytes: &[u8], service: &impl Service, now: Instant) {
        if self.phase == Phase::Lingering || bytes.is_empty() {
            return;
        }
        if self.incoming.is_empty() {
            self.deadline = now + REQUEST_TIME;
        }
        self.incoming.extend_from_slice(bytes);
        self.go_on(service, now);
    }

    /// The client will send no more.
    pub fn half_close(&mut self, service: &impl Service, now: Instant) {
        self.is_half_closed = true;
        self.go_on(service, now);
    }

    /// What is to go out.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// So many bytes of that are out.
    pub fn sent(&mut self, count: usize, service: &impl Service, now: Instant) {
        self.outgoing.drain(..count);
        if count > 0 && !self.outgoing.is_empty() {
            self.deadline = now + REQUEST_TIME;
        }
        self.go_on(service, now);
    }

    /// Looks whether something has become of a request that was to be answered later, or whether time is up.
    pub fn tick(&mut self, service: &impl Service, now: Instant) {
        let is_late = now >= self.deadline;
        match self.phase {
            Phase::Pending { is_head, keeps_alive } => {
                if let Some(response) = service.resume(is_late) {
                    self.answer(&response, is_head, keeps_alive, now);
                }
            }
            Phase::Waiting if is_late && !self.incoming.is_empty() => {
                let hint = format!("it has {} seconds", REQUEST_TIME.as_secs());
                self.end_with(&Problem::new(408, "the request does not come to its end", hint).into(), now);
            }
            _ if is_late => self.phase = Phase::Done,
            _ => {}
        }
    }

    /// When [`Self::tick`] is to be called, if nothing happens before.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    pub fn is_done(&self) -> bool {
        self.phase == Phase::Done
    }

    /// Whether nobody would miss it: there is no request on it.
    pub fn is_idle(&self) -> bool {
        self.phase == Phase::Waiting
    }

    /// Whether the client is to hear that nothing more will come.
    pub fn is_lingering(&self) -> bool {
        self.phase == Phase::Lingering
    }

    fn go_on(&mut self, service: &impl Service, now: Instant) {
        loop {
            match self.phase {
                Phase::Waiting => match parse(&self.incoming) {
                    Ok(Parsed::Whole(request, length)) => self.take(&request, length, service, now),
                    Ok(Parsed::Partial { .. }) if self.is_half_closed => return self.phase = Phase::Done,
                    Ok(Parsed::Partial { is_asked }) => return self.welcome(is_asked),
                    Err(response) => self.end_with(&response, now),
                },
                Phase::Answering { keeps_alive } if self.outgoing.is_empty() => {
                    self.answered(keeps_alive, now)
                }
                Phase::Lingering if self.is_half_closed => self.phase = Phase::Done,
                Phase::Pending { .. } | Phase::Answering { .. } | Phase::Lingering | Phase::Done => return,
            }
        }
    }

    fn take(&mut self, request: &Request, length: usize, service: &impl Service, now: Instant) {
        self.incoming.drain(..length);
        self.is_welcome = false;
        let (is_head, keeps_alive) = (request.method == "HEAD", request.keeps_alive);
        match service.call(request, now) {
            Reply::Now(response) => self.answer(&response, is_head, keeps_alive, now),
            Reply::Later(deadline) => {
                self.phase = Phase::Pending { is_head, keeps_alive };
                self.deadline = deadline;
                self.tick(service, now);
            }
        }
    }

    fn welcome(&mut self, is_asked: bool) {
        if is_asked && !self.is_welcome {
            self.is_welcome = true;
            self.outgoing.extend_from_slice(CONTINUE);
        }
    }

    fn answer(&mut self, response: &Response, is_head: bool, keeps_alive: bool, now: Instant) {
        self.outgoing.extend(response.to_bytes(keeps_alive, !is_head));
        self.phase = Phase::Answering { keeps_alive };
        self.deadline = now + REQUEST_TIME;
    }

    fn end_with(&mut self, response: &Response, now: Instant) {
        self.incoming.clear();
        self.answer(response, false, false, now);
    }

    fn answered(&mut self, keeps_alive: bool, now: Instant) {
        if keeps_alive {
            self.phase = Phase::Waiting;
            self.deadline = now + if self.incoming.is_empty() { IDLE_TIME } else { REQUEST_TIME };
        } else {
            self.incoming.clear();
            self.phase = Phase::Lingering;
            self.deadline = now + LINGER_TIME;
        }
    }
}

#[cfg(test)]
mod tests;
