//! What the guest sends: RFC 9293 §3.10.7, in its order (sequence number, RST, SYN, ACK, data, FIN).
//!
//! Data goes to the host's socket from where it lies. Only what the socket does not take goes into a buffer, and that much the
//! guest's window is smaller. Data that has no place is not acknowledged; the guest sends it again.

use super::buffer::{self, Pool, SIZE};
use super::flow::{Fate, Flow, Phase, SCALE};
use super::segment::Segment;
use crate::host::Stream;
use std::io::ErrorKind;
use std::time::Instant;

/// RFC 5681 §3.2.
const DUPLICATES_OF_A_LOSS: u8 = 3;

impl<S: Stream> Flow<S> {
    /// A segment of this connection has come from the guest.
    pub fn on_segment(&mut self, segment: &Segment<'_>, now: Instant, pool: &mut Pool) -> Fate {
        self.active = now;
        match self.phase {
            Phase::Connecting => self.while_connecting(segment),
            Phase::Offering => self.while_offering(segment, pool),
            Phase::Accepting | Phase::Open => self.while_connected(segment, pool),
        }
    }

    /// Nothing has been answered yet, so a SYN may come again; and the guest may give up.
    fn while_connecting(&mut self, segment: &Segment<'_>) -> Fate {
        if segment.rst {
            self.stream.reset();
            return Fate::Over;
        }
        Fate::Lives
    }

    fn while_offering(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Fate {
        if segment.ack != Some(self.una + 1) {
            return Fate::Lives;
        }
        if segment.rst {
            self.stream.reset();
            return Fate::Over;
        }
        if !segment.syn {
            return Fate::Lives;
        }
        self.take_syn(segment);
        self.ack_due = true;
        self.take_ack(segment);
        self.pass_on(pool)
    }

    fn while_connected(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Fate {
        if segment.rst {
            return self.take_reset(segment);
        }
        // RFC 5961 §4: whoever really has started anew answers our acknowledgement with a reset.
        let (Some(ack), false) = (segment.ack, segment.syn) else {
            self.ack_due |= self.phase == Phase::Open;
            return Fate::Lives;
        };
        // RFC 5961 §5: something that we never sent.
        if ack.ahead_of(self.max) > 0 || (self.phase == Phase::Accepting && ack == self.una) {
            self.ack_due |= self.phase == Phase::Open;
            return Fate::Lives;
        }
        if segment.seq.ahead_of(self.expected) > 0 {
            // Something before it is missing. Say where it begins.
            self.ack_due = true;
            return Fate::Lives;
        }
        self.take_ack(segment);
        self.take_data(segment, pool)
    }

    /// RFC 5961 §3: only an exact reset counts, another one is asked for again.
    fn take_reset(&mut self, segment: &Segment<'_>) -> Fate {
        if segment.seq == self.expected {
            self.stream.reset();
            return Fate::Over;
        }
        let ahead = segment.seq.ahead_of(self.expected);
        self.ack_due |= ahead > 0 && ahead < SIZE as i32;
        Fate::Lives
    }

    fn take_ack(&mut self, segment: &Segment<'_>) {
        let Some(ack) = segment.ack else { return };
        let ahead = ack.ahead_of(self.una);
        if ahead < 0 {
            return;
        }
        let window = usize::from(segment.window) << if segment.syn { 0 } else { self.scale.unwrap_or(0) };
        self.tries = 0;
        if ahead > 0 {
            self.take_acknowledged(ahead as usize);
            self.deadline = None;
            self.duplicates = 0;
        } else if self.max != self.una && segment.length() == 0 && window == self.window {
            self.duplicates = self.duplicates.saturating_add(1);
            if self.duplicates == DUPLICATES_OF_A_LOSS {
                self.next = self.una;
            }
        }
        if self.window == 0 && window > 0 {
            // What was sent to see whether it still is shut has not been taken.
            self.next = self.una;
        }
        self.window = window;
    }

    fn take_acknowledged(&mut self, count: usize) {
        let mut bytes = count;
        if self.phase != Phase::Open {
            self.phase = Phase::Open;
            bytes -= 1;
        }
        if let Some(ring) = &mut self.outward {
            // The FIN has a number, but no byte.
            ring.dequeue_allocated(bytes.min(ring.len()));
        }
        self.una += count;
        if self.next.ahead_of(self.una) < 0 {
            self.next = self.una;
        }
    }

    fn take_data(&mut self, segment: &Segment<'_>, pool: &mut Pool) -> Fate {
        let known = self.expected.since(segment.seq);
        // What has been here before is asked again: so it is with segments that only want to know whether we live.
        self.ack_due |= segment.length() > 0 || known > 0;
        if self.guest_ended || known > segment.payload.len() {
            return self.pass_on(pool);
        }
        let data = &segment.payload[known..];
        let Some(taken) = self.take(data, pool) else { return self.reset() };
        self.expected += taken;
        if segment.fin && taken == data.len() {
            self.expected += 1;
            self.guest_ended = true;
        }
        self.pass_on(pool)
    }

    /// Gives `data` to the host's socket, and what it does not take to the buffer. How much found a place; none: the socket is broken.
    fn take(&mut self, data: &[u8], pool: &mut Pool) -> Option<usize> {
        let sent = if self.inward.is_none() { self.send(data)? } else { 0 };
        if sent == data.len() {
            return Some(sent);
        }
        if self.inward.is_none() {
            self.inward = pool.take();
        }
        let kept = self.inward.as_mut().map_or(0, |ring| ring.enqueue_slice(&data[sent..]));
        Some(sent + kept)
    }

    fn send(&mut self, data: &[u8]) -> Option<usize> {
        let mut sent = 0;
        while self.writable && sent < data.len() {
            match self.stream.send(&data[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    tracing::debug!(to = %self.remote, %error, "cannot send");
                    return None;
                }
            }
        }
        Some(sent)
    }

    /// Passes on what the host's socket takes now, then the guest's end; and says whether all is over.
    pub(super) fn pass_on(&mut self, pool: &mut Pool) -> Fate {
        if let Some(mut ring) = self.inward.take() {
            while !ring.is_empty() {
                let Some(sent) = self.send(ring.get_allocated(0, SIZE)) else {
                    self.inward = Some(ring);
                    return self.reset();
                };
                if sent == 0 {
                    break;
                }
                ring.dequeue_allocated(sent);
            }
            if ring.is_empty() {
                pool.give(Some(ring));
            } else {
                self.inward = Some(ring);
            }
            self.ack_due |= self.is_window_worth_telling();
        }
        if self.guest_ended && self.inward.is_none() && !self.shut_down {
            self.shut_down = true;
            // It fails only if the connection is gone, which reading from it tells as well.
            let _ = self.stream.shut_down();
        }
        if self.is_over() { Fate::Over } else { Fate::Lives }
    }

    /// How much more the guest may send.
    pub(super) fn room(&self) -> usize {
        let free = SIZE - buffer::len(&self.inward);
        if self.scale.is_some() { free } else { free.min(u16::MAX.into()) }
    }

    /// RFC 9293 §3.8.6.2.2: a window that has opened by a little only makes for little segments.
    fn is_window_worth_telling(&self) -> bool {
        let told = self.promised.since(self.expected);
        self.room() >= told + SIZE / 4
    }

    /// The window field of the next segment. What has been promised is not taken back.
    pub(super) fn promise(&mut self) -> u16 {
        let end = self.expected + self.room();
        if end.ahead_of(self.promised) > 0 {
            self.promised = end;
        }
        let window = self.promised.since(self.expected);
        let shift = if self.scale.is_some() { SCALE } else { 0 };
        u16::try_from(window >> shift).unwrap_or(u16::MAX)
    }
}
