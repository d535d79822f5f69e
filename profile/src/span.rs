//! One request of a thread, from its way into the kernel to its way out: while it lasts ([`Open`]) and when it is over ([`Span`]).

use crate::kind::Kind;
use crate::phase::{Phase, Phases};
use crate::point::Point;

/// Parts of a request that are told one by one. What comes beyond belongs to the last one in pictures; sums are not concerned.
const SEGMENTS: usize = 64;

/// A request that is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    pub thread: u64,
    pub kind: Kind,
    /// Of a page fault the address.
    pub argument: u64,
    /// TSC.
    pub start: u64,
    pub end: u64,
    /// As they were measured.
    pub ticks: Phases,
    /// What of them measuring has cost.
    pub cost: Phases,
    pub segments: Vec<Segment>,
    /// Who has done it.
    pub server: Option<u64>,
    /// Whether message and answer went by the kernel's fast path.
    pub fast_out: bool,
    pub fast_back: bool,
    /// Whether the server has given an answer: else something else has ended it, a signal for example.
    pub answered: bool,
    /// What the server says about it.
    pub result: Option<u64>,
}

impl Span {
    /// Without the cost of measuring.
    pub fn corrected(&self) -> Phases {
        self.ticks.less(&self.cost)
    }
}

/// A stretch of time in one phase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    pub phase: Phase,
    pub start: u64,
    pub end: u64,
}

/// A request that is going on.
pub struct Open {
    pub span: Span,
    pub phase: Phase,
    /// Since when it is in this phase.
    pub since: Point,
    /// When its server entered the kernel to answer it.
    pub reply_entry: Option<Point>,
}

impl Open {
    pub fn new(thread: u64, kind: Kind, argument: u64, start: Point) -> Self {
        let span = Span {
            thread,
            kind,
            argument,
            start: start.tsc,
            end: start.tsc,
            ticks: Phases::default(),
            cost: Phases::default(),
            segments: Vec::new(),
            server: None,
            fast_out: false,
            fast_back: false,
            answered: false,
            result: None,
        };
        let phase = if kind.is_kernels_own() { Phase::Kernel } else { Phase::Entry };
        Self { span, phase, since: start, reply_entry: None }
    }

    /// Goes on to another phase, from `at` on, or from when the present phase has begun if that was later.
    pub fn go(&mut self, phase: Phase, at: Point) {
        let at = if at.tsc < self.since.tsc { self.since } else { at };
        let ticks = at.tsc - self.since.tsc;
        // Who waits, waits for somebody: if that one was measured, or had no CPU, that is not our affair.
        if self.phase == Phase::Waiting {
            self.span.ticks.add(self.phase, ticks);
        } else {
            let host = self.since.host_until(&at).min(ticks);
            self.span.ticks.add(Phase::Host, host);
            self.span.ticks.add(self.phase, ticks - host);
            self.span.cost.add(self.phase, self.since.cost_until(&at));
        }
        self.push(Segment { phase: self.phase, start: self.since.tsc, end: at.tsc });
        (self.phase, self.since) = (phase, at);
    }

    fn push(&mut self, segment: Segment) {
        if segment.start == segment.end {
            return;
        }
        if self.span.segments.len() < SEGMENTS {
            self.span.segments.push(segment);
        } else if let Some(last) = self.span.segments.last_mut() {
            last.end = segment.end;
        }
    }

    /// The message has reached the server `server`, which was back in user mode at `back`.
    pub fn received(&mut self, server: u64, back: Point) {
        if matches!(self.phase, Phase::Entry | Phase::IpcOut) {
            // Without the fast path nobody has seen when it was sent.
            self.phase = Phase::IpcOut;
            self.span.server = Some(server);
            self.go(Phase::Dispatch, back);
        }
    }

    /// The answer goes out by the fast path. `server`: when the server came back with the request, and when it entered the kernel with the answer.
    pub fn answered(&mut self, (back, entry): (Option<Point>, Option<Point>), at: Point) {
        let since = self.since.tsc;
        match (self.phase, back.filter(|back| back.tsc >= since)) {
            // A server that does not record.
            (Phase::IpcOut, Some(back)) => self.go(Phase::Server, back),
            (Phase::Entry | Phase::IpcOut, _) => self.phase = Phase::Undivided,
            _ => {}
        }
        if !matches!(self.phase, Phase::Reply | Phase::Undivided)
            && let Some(entry) = entry.filter(|entry| entry.tsc >= self.since.tsc)
        {
            self.go(Phase::Reply, entry);
        }
        self.go(Phase::Exit, at);
        (self.span.answered, self.span.fast_back) = (true, true);
    }

    /// The thread goes on in user mode. `alone`: nobody else was concerned.
    pub fn close(mut self, at: Point, alone: bool) -> Span {
        match self.phase {
            Phase::Entry if alone => self.phase = Phase::Kernel,
            Phase::Entry | Phase::IpcOut => self.phase = Phase::Undivided,
            Phase::Reply => {
                if let Some(entry) = self.reply_entry {
                    self.go(Phase::Exit, entry);
                }
            }
            _ => {}
        }
        self.finish(at)
    }

    /// Ends it at `at`, in whatever phase it is.
    pub fn finish(mut self, at: Point) -> Span {
        self.go(self.phase, at);
        self.span.end = self.since.tsc;
        self.span
    }
}
