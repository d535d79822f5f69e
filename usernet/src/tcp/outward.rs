//! What the guest is sent.
//!
//! It is asked for: whoever has room for a frame in the guest's memory calls [`Flow::emit`], which then reads from the host's
//! socket, as much as the guest's window and the buffer have room for. So a guest that reads slowly makes the host's socket fill up, and whoever sends to it
//! wait.

use super::buffer::{self, Pool, SIZE};
use super::flow::{Fate, Flow, Phase, SCALE};
use super::segment::{Head, Syn};
use crate::frame::{ETHERNET, IP, Offers, PACKET_MAX};
use crate::host::Stream;
use std::io::ErrorKind;
use std::time::Instant;

const HEADERS: usize = IP + 20;
/// Less than this, unsent, is worth a look at the host's socket for more.
const SEGMENT_MAX: usize = PACKET_MAX - HEADERS;

/// What [`Flow::emit`] has for the guest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Emission {
    Nothing,
    /// It needs more room than there is.
    NoRoom,
    /// A segment with the bytes `offset..offset + size` of [`Flow::payload`].
    Segment {
        head: Head,
        offset: usize,
        size: usize,
    },
    Ends(Fate),
}

impl<S: Stream> Flow<S> {
    /// The next segment for the guest, in a frame of at most `limit` bytes.
    pub fn emit(&mut self, limit: usize, offers: Offers, now: Instant, pool: &mut Pool) -> Emission {
        if limit < crate::frame::HEAD_MAX {
            return Emission::NoRoom;
        }
        match self.phase {
            Phase::Connecting => Emission::Nothing,
            Phase::Accepting | Phase::Offering => self.emit_syn(offers, now),
            Phase::Open => match self.fill(pool) {
                Fate::Lives => self.emit_open(limit, offers, now, pool),
                fate => Emission::Ends(fate),
            },
        }
    }

    /// What segments are made of.
    pub fn payload(&self, offset: usize, size: usize) -> [&[u8]; 2] {
        buffer::pieces(&self.outward, offset, size)
    }

    /// Largest payload of a segment that is not to be cut.
    pub fn mss(&self, offers: Offers) -> u16 {
        self.mss.min(offers.mtu - HEADERS as u16)
    }

    fn emit_syn(&mut self, offers: Offers, now: Instant) -> Emission {
        if self.next != self.una {
            return Emission::Nothing;
        }
        let answer = self.phase == Phase::Accepting;
        let scale = (!answer || self.scale.is_some()).then_some(SCALE);
        let mut head = self.head();
        head.syn = Some(Syn { mss: offers.mtu - HEADERS as u16, scale });
        if !answer {
            head.ack = None;
        }
        // A SYN's window is not scaled. It is as large as it may be: that much is promised in any case.
        head.window = u16::MAX;
        self.promised = self.expected + usize::from(head.window);
        self.sent(1, now);
        Emission::Segment { head, offset: 0, size: 0 }
    }

    fn emit_open(&mut self, limit: usize, offers: Offers, now: Instant, pool: &mut Pool) -> Emission {
        let unacked = self.next.since(self.una);
        let held = buffer::len(&self.outward);
        if self.max != self.una {
            self.arm(now);
        }
        if unacked < held {
            let size = self.size_of_next(held - unacked, unacked, limit, offers);
            if size > 0 {
                let mut head = self.head();
                head.push = unacked + size == held;
                self.sent(size, now);
                return Emission::Segment { head, offset: unacked, size };
            }
            // The window is shut: an update of it is awaited.
            self.arm(now);
        } else if held == 0 {
            pool.give(self.outward.take());
        }
        if self.host_ended && unacked == held && self.fin.is_none_or(|fin| fin == self.next) {
            let mut head = self.head();
            head.fin = true;
            self.fin = Some(self.next);
            self.sent(1, now);
            return Emission::Segment { head, offset: 0, size: 0 };
        }
        if self.ack_due {
            return Emission::Segment { head: self.head(), offset: 0, size: 0 };
        }
        Emission::Nothing
    }

    /// How much of `unsent` bytes goes into the next segment.
    fn size_of_next(&mut self, unsent: usize, unacked: usize, limit: usize, offers: Offers) -> usize {
        let mss = usize::from(self.mss(offers));
        let most = if offers.segments { SEGMENT_MAX } else { mss };
        let least = usize::from(std::mem::take(&mut self.probe));
        let window = self.window.saturating_sub(unacked).max(least);
        let size = unsent.min(window).min(most).min(limit - ETHERNET - HEADERS);
        // RFC 9293 §3.8.6.2.1: rather wait for a larger window than fill a small one.
        if size == window && size < mss.min(unsent) && unacked > 0 {
            return 0;
        }
        if size > mss && size < unsent { size - size % mss } else { size }
    }

    /// Reads from the host's socket what there is room for.
    fn fill(&mut self, pool: &mut Pool) -> Fate {
        while self.readable && !self.host_ended {
            let held = buffer::len(&self.outward);
            let unsent = held.saturating_sub(self.next.since(self.una));
            if held == SIZE || unsent >= SEGMENT_MAX {
                break;
            }
            if self.outward.is_none() {
                self.outward = pool.take();
            }
            let Some(ring) = &mut self.outward else { break };
            let free = ring.get_unallocated(0, SIZE);
            let size = free.len();
            match self.stream.receive(free) {
                Ok(0) => self.host_ended = true,
                Ok(count) => {
                    ring.enqueue_unallocated(count);
                    // epoll(7): a stream that had less than was asked for has no more. An end is no such thing, and is told once.
                    self.readable = count == size || self.ending;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.readable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(from = %self.remote, %error, "cannot receive");
                    return self.reset();
                }
            }
        }
        Fate::Lives
    }

    /// A segment that says what the guest has to know in any case.
    fn head(&mut self) -> Head {
        self.ack_due = false;
        Head {
            source: self.remote,
            destination: self.guest,
            seq: self.next,
            ack: Some(self.expected),
            syn: None,
            fin: false,
            rst: false,
            push: false,
            window: self.promise(),
        }
    }

    fn sent(&mut self, count: usize, now: Instant) {
        self.next += count;
        if self.next.ahead_of(self.max) > 0 {
            self.max = self.next;
        }
        self.arm(now);
    }
}
