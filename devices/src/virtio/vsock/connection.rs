//! One connection.

use super::backend::{Stream, Transfer};
use super::config::BUFFER;
use super::request::{Header, NO_RECEIVE, NO_SEND, Op};
use std::collections::VecDeque;

/// What the guest is to be told of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Say {
    Request,
    Response,
    /// It has ended: the last that is said.
    Reset,
    Shutdown,
    Data(usize),
    CreditUpdate,
    CreditRequest,
}

impl Say {
    pub fn op(self) -> Op {
        match self {
            Self::Request => Op::Request,
            Self::Response => Op::Response,
            Self::Reset => Op::Reset,
            Self::Shutdown => Op::Shutdown,
            Self::Data(_) => Op::Data,
            Self::CreditUpdate => Op::CreditUpdate,
            Self::CreditRequest => Op::CreditRequest,
        }
    }
}

/// A connection.
pub struct Connection<S> {
    stream: S,
    /// Both sides want it.
    open: bool,
    /// The guest does not know yet that it is asked for, or that it is there.
    news: Option<Say>,
    /// It cannot go on.
    broken: bool,
    /// What the guest has said last about its room.
    room: u32,
    used: u32,
    /// Bytes sent to the guest. Counts wrap, here and below.
    sent: u32,
    /// The guest has been asked for its room, and has had none since.
    asked_room: bool,
    /// Bytes that the program has taken, and as many of them as the guest knows of.
    taken: u32,
    told: u32,
    update: bool,
    /// What the program has not taken yet.
    waiting: VecDeque<u8>,
    /// The stream may have something to read.
    readable: bool,
    /// The program has sent its last, and whether the guest knows.
    ended: bool,
    told_end: bool,
    /// Flags of what the guest does not do any more.
    guest_ended: u32,
    finished: bool,
}

impl<S: Stream> Connection<S> {
    fn new(stream: S, open: bool, news: Say) -> Self {
        Self {
            stream,
            open,
            news: Some(news),
            broken: false,
            room: 0,
            used: 0,
            sent: 0,
            asked_room: false,
            taken: 0,
            told: 0,
            update: false,
            waiting: VecDeque::new(),
            readable: true,
            ended: false,
            told_end: false,
            guest_ended: 0,
            finished: false,
        }
    }

    /// The guest is asked for it.
    pub fn asked(stream: S) -> Self {
        Self::new(stream, false, Say::Request)
    }

    /// The guest has asked for it by `header`, and gets it.
    pub fn answered(stream: S, header: &Header) -> Self {
        let mut this = Self::new(stream, true, Say::Response);
        this.hear_room(header);
        this
    }

    pub fn stream(&self) -> &S {
        &self.stream
    }

    fn hear_room(&mut self, header: &Header) {
        (self.room, self.used) = (header.room, header.used);
        // It answers even if it has none, and is not asked again for that: it will say when it has.
        self.asked_room &= self.credit() == 0;
    }

    /// Bytes that the guest has room for. What it says may be nonsense, which hurts nobody but its own programs.
    fn credit(&self) -> u32 {
        self.room.saturating_sub(self.sent.wrapping_sub(self.used))
    }

    /// The guest says something. False: it must not, and the connection is over.
    pub fn hear(&mut self, op: Op, header: &Header, data: &[u8]) -> bool {
        self.hear_room(header);
        match op {
            Op::Response => {
                let asked = !self.open && self.news.is_none();
                self.open = true;
                if asked {
                    self.stream.accepted(header.ports.host.0);
                }
                asked
            }
            _ if !self.open => false,
            Op::Data => self.guest_ended & NO_SEND == 0 && self.forward(data),
            Op::Shutdown => {
                self.guest_ended |= header.flags & (NO_RECEIVE | NO_SEND);
                self.flush();
                true
            }
            Op::CreditUpdate => true,
            Op::CreditRequest => {
                self.update = true;
                true
            }
            Op::Request | Op::Reset => false,
        }
    }

    /// Data for the program. False: more than there is room for.
    fn forward(&mut self, data: &[u8]) -> bool {
        if data.len() > BUFFER as usize - self.waiting.len() {
            return false;
        }
        self.waiting.extend(data);
        self.flush();
        true
    }

    /// Gives the program what it takes.
    fn flush(&mut self) {
        while let (front, _) = self.waiting.as_slices()
            && !front.is_empty()
            && !self.broken
        {
            match self.stream.write(front) {
                Transfer::Done(count) => {
                    let count = count.min(self.waiting.len());
                    self.waiting.drain(..count);
                    self.taken = self.taken.wrapping_add(count as u32);
                }
                Transfer::Blocked => return,
                Transfer::Closed => self.broken = true,
            }
        }
        if self.guest_ended & NO_SEND != 0 && !std::mem::replace(&mut self.finished, true) {
            self.stream.finish();
        }
        // What neither side goes on with has ended (5.10.6.5).
        self.broken |= self.guest_ended == NO_RECEIVE | NO_SEND;
    }

    /// The stream can be read or written again.
    pub fn ready(&mut self) {
        self.readable = true;
        self.flush();
    }

    /// Whether it is worth asking for [`Self::next`].
    pub fn may_say(&self) -> bool {
        self.news.is_some() || self.broken || self.update || self.owes_update() || self.may_send()
    }

    fn owes_update(&self) -> bool {
        self.open && self.taken.wrapping_sub(self.told) >= BUFFER / 2
    }

    fn may_send(&self) -> bool {
        let wanted = self.open && self.readable && !self.ended && self.guest_ended & NO_RECEIVE == 0;
        (wanted && (self.credit() > 0 || !self.asked_room)) || (self.ended && !self.told_end)
    }

    /// What the guest is to be told next. Data is put into `room`.
    pub fn next(&mut self, room: &mut [u8]) -> Option<Say> {
        if let Some(news) = self.news.take() {
            return Some(news);
        }
        if self.broken {
            return Some(Say::Reset);
        }
        if self.update || self.owes_update() {
            return Some(Say::CreditUpdate);
        }
        if !self.may_send() {
            return None;
        }
        let most = room.len().min(self.credit() as usize);
        if most == 0 && !self.ended {
            // Without room for data in the buffer there is nothing to ask the guest for either.
            return (self.credit() == 0).then(|| {
                self.asked_room = true;
                Say::CreditRequest
            });
        }
        match if self.ended { Transfer::Closed } else { self.stream.read(&mut room[..most]) } {
            Transfer::Done(count) => {
                let count = count.min(most);
                self.sent = self.sent.wrapping_add(count as u32);
                Some(Say::Data(count))
            }
            Transfer::Blocked => {
                self.readable = false;
                None
            }
            Transfer::Closed => {
                (self.ended, self.told_end) = (true, true);
                Some(Say::Shutdown)
            }
        }
    }

    /// Fills in what every packet says about room.
    pub fn stamp(&mut self, header: &mut Header) {
        (header.room, header.used) = (BUFFER, self.taken);
        self.told = self.taken;
        self.update = false;
    }
}
