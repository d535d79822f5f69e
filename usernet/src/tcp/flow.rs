//! A connection: what is known of both of its sides.
//!
//! The fates of both sides are joined: an end (FIN) of one is passed on when all that came before it has been, so one direction may go on after the
//! other has ended; a reset of one is a reset of the other.

use super::buffer::{Pool, Ring};
use super::segment::{Head, Segment};
use super::seq::Seq;
use crate::host::{Event, Stream};
use std::net::SocketAddrV4;
use std::time::{Duration, Instant};

/// We take this much before it has to be acknowledged. As scale factor that allows windows of 8 MiB.
pub const SCALE: u8 = 7;
/// First time to wait for an acknowledgement. Between the guest and here there is no distance, but a guest may be slow to run.
pub const RETRY: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(60);
/// Unanswered segments in a row before a connection is given up: about 10 minutes, as Linux has it.
const TRIES: u8 = 15;
/// The same for a connection that does not exist yet: about 50 seconds.
const TRIES_TO_CONNECT: u8 = 8;

/// How far a connection has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// The guest has sent a SYN, and the host tries to connect.
    Connecting,
    /// The host is connected; the guest has not answered to our SYN yet.
    Accepting,
    /// Somebody has connected to the host; the guest has not answered to our SYN yet.
    Offering,
    /// Both sides are connected.
    Open,
}

/// What becomes of a flow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Lives,
    /// It is over, and everybody knows.
    Over,
    /// It is over; the guest is to be sent this.
    Reset(Head),
}

#[derive(Debug)]
pub struct Flow<S> {
    pub guest: SocketAddrV4,
    /// The other end as the guest sees it.
    pub remote: SocketAddrV4,
    pub(super) stream: S,
    pub phase: Phase,

    /// The first byte that the guest has not acknowledged, the next one to be sent, and the first one that never was sent. A SYN and a FIN count as bytes.
    pub(super) una: Seq,
    pub(super) next: Seq,
    pub(super) max: Seq,
    /// What the host has sent, from `una` on.
    pub(super) outward: Option<Ring>,
    /// The host will send no more.
    pub(super) host_ended: bool,
    /// Where our FIN is, once it has been sent.
    pub(super) fin: Option<Seq>,
    /// The guest's window, in bytes.
    pub(super) window: usize,
    /// By which factor it is given; none: the guest does not know of such factors, and must not be given any.
    pub(super) scale: Option<u8>,
    pub(super) mss: u16,
    /// It is time to send something, even if the window says no, to see what the guest says now.
    pub(super) probe: bool,
    pub(super) duplicates: u8,

    /// The next byte that the guest will send.
    pub(super) expected: Seq,
    /// What the guest has sent and the host's socket has not taken.
    pub(super) inward: Option<Ring>,
    /// The guest will send no more, and whether the host knows.
    pub(super) guest_ended: bool,
    pub(super) shut_down: bool,
    /// The end of the window that the guest has been told.
    pub(super) promised: Seq,
    /// The guest is to be told what has arrived here.
    pub(super) ack_due: bool,

    pub(super) readable: bool,
    /// What can be read is all that there will be.
    pub(super) ending: bool,
    pub(super) writable: bool,
    pub(super) deadline: Option<Instant>,
    pub(super) tries: u8,
    pub(super) active: Instant,
    /// It is in the line of those that may have something to send.
    pub queued: bool,
}

impl<S: Stream> Flow<S> {
    /// The guest wants to connect by `syn`; `stream` tries to. `isn`: where our sequence numbers begin.
    pub fn outgoing(syn: &Segment<'_>, stream: S, isn: u32, now: Instant) -> Self {
        let mut flow = Self::new(syn.source, syn.destination, stream, Seq(isn), Phase::Connecting, now);
        flow.take_syn(syn);
        flow
    }

    /// Somebody has connected to the host.
    pub fn incoming(guest: SocketAddrV4, remote: SocketAddrV4, stream: S, isn: u32, now: Instant) -> Self {
        let mut flow = Self::new(guest, remote, stream, Seq(isn), Phase::Offering, now);
        // Events of its socket may have been before we were here.
        flow.readable = true;
        flow.writable = true;
        flow
    }

    fn new(
        guest: SocketAddrV4,
        remote: SocketAddrV4,
        stream: S,
        isn: Seq,
        phase: Phase,
        now: Instant,
    ) -> Self {
        Self {
            guest,
            remote,
            stream,
            phase,
            una: isn,
            next: isn,
            max: isn,
            outward: None,
            host_ended: false,
            fin: None,
            window: 0,
            scale: None,
            mss: super::segment::MSS_DEFAULT,
            probe: false,
            duplicates: 0,
            expected: Seq(0),
            inward: None,
            guest_ended: false,
            shut_down: false,
            promised: Seq(0),
            ack_due: false,
            readable: false,
            ending: false,
            writable: false,
            deadline: None,
            tries: 0,
            active: now,
            queued: false,
        }
    }

    /// What a SYN of the guest says. Its window is never scaled.
    pub(super) fn take_syn(&mut self, syn: &Segment<'_>) {
        self.expected = syn.seq + 1;
        self.promised = self.expected;
        self.window = syn.window.into();
        self.scale = syn.scale;
        self.mss = syn.mss;
    }

    /// Something has become possible at the host's socket.
    pub fn on_event(&mut self, event: Event, pool: &mut Pool) -> Fate {
        self.readable |= event.readable;
        self.writable |= event.writable;
        self.ending |= event.ended;
        if self.phase == Phase::Connecting {
            if !event.writable {
                return Fate::Lives;
            }
            if let Err(error) = self.stream.connected() {
                tracing::debug!(to = %self.remote, %error, "cannot connect");
                return self.reset();
            }
            self.phase = Phase::Accepting;
            return Fate::Lives;
        }
        self.pass_on(pool)
    }

    /// When [`Self::on_time`] is to be called.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// When the guest was last heard of.
    pub fn active(&self) -> Instant {
        self.active
    }

    /// The deadline may have passed: what has not been acknowledged is sent again.
    pub fn on_time(&mut self, now: Instant) -> Fate {
        if self.deadline.is_none_or(|deadline| now < deadline) {
            return Fate::Lives;
        }
        self.deadline = None;
        self.tries += 1;
        if self.tries > if self.phase == Phase::Open { TRIES } else { TRIES_TO_CONNECT } {
            return self.reset();
        }
        self.probe = true;
        self.next = self.una;
        self.duplicates = 0;
        Fate::Lives
    }

    /// An answer of the guest is awaited.
    pub(super) fn arm(&mut self, now: Instant) {
        let wait = RETRY.saturating_mul(1 << self.tries.min(TRIES)).min(RETRY_MAX);
        self.deadline = self.deadline.or(Some(now + wait));
    }

    /// Ends the flow for both sides.
    pub fn reset(&mut self) -> Fate {
        self.stream.reset();
        let unanswered = self.phase == Phase::Offering;
        Fate::Reset(Head {
            source: self.remote,
            destination: self.guest,
            seq: if self.phase == Phase::Connecting { Seq(0) } else { self.max },
            ack: (!unanswered).then_some(self.expected),
            syn: None,
            fin: false,
            rst: true,
            push: false,
            window: 0,
        })
    }

    /// Gives its buffers back.
    pub fn release(&mut self, pool: &mut Pool) {
        pool.give(self.outward.take());
        pool.give(self.inward.take());
    }

    /// Whether both sides have ended and know it of each other.
    pub(super) fn is_over(&self) -> bool {
        self.shut_down && self.fin.is_some_and(|fin| self.una.ahead_of(fin) > 0)
    }
}
