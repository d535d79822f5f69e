//! Requests to a driver through memory that client and driver share. Every driver has this protocol; what its requests mean is in a
//! module of its own ([`crate::block`]).
//!
//! The client asks root for a region that is shared with the driver ([`crate::drivers::Request::Share`]) and tells the driver of
//! it ([`Request::Open`]). The region's first page holds two lists of [`DEPTH`] places, the rest is for data, which the device reads and
//! writes itself:
//!
//! | offset | |
//! |---|---|
//! | `0x000` | submissions, 32 bytes each: operation (u32), tag (u32), arguments (two u64), offset of the buffer in the region (u32), its length (u32) |
//! | `0x800` | completions, 16 bytes each: tag (u32), [`Outcome`] (u32), value (u64) |
//! | `0x1000` | data |
//!
//! Submission number *n* is in place *n* modulo [`DEPTH`], and so is completion number *n*; numbers begin at 0 when the region is opened, and
//! wrap at 2^32. A client writes submissions, then calls [`Request::Enter`]: the driver takes those that are new, and answers when as many
//! completions are there as the client wants to wait for. So one call submits and completes a batch. Completions come in any order; the tag
//! tells which submission they are of. A client has at most [`DEPTH`] submissions whose completions it has not taken.
//!
//! Numbers travel in messages, not in the shared memory, and the driver copies a submission out once before it looks at it.

use crate::message::{Malformed, Message, OK};
use ukernel_abi::Label;

pub const OPEN: Label = Label(0x401);
pub const ENTER: Label = Label(0x402);
/// Asks a driver that was started with `--test-hooks` to fail. Word: a [`Hook`]. Others answer `Denied`.
pub const HOOK: Label = Label(0x403);

/// Places in each list.
pub const DEPTH: u32 = 64;
/// Offset of the completions.
pub const COMPLETIONS: usize = 0x800;
/// Offset of the data.
pub const DATA: usize = 0x1000;
const SUBMISSION: usize = 32;
const COMPLETION: usize = 16;

const _: () = assert!(SUBMISSION * DEPTH as usize <= COMPLETIONS);
const _: () = assert!(COMPLETIONS + COMPLETION * DEPTH as usize <= DATA);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Begins, or begins anew, with the asker's region `region`. Answer: [`Opened`]. `Again` while the device still works on
    /// requests of the region's former use.
    Open {
        region: u64,
    },
    /// Submissions before number `submitted` are there; the answer, [`Entered`], comes when `wait` more completions are there than the
    /// `taken` that the client has taken, or all that can be.
    Enter {
        region: u64,
        submitted: u32,
        taken: u32,
        wait: u32,
    },
    Hook(Hook),
}

/// How a driver is to fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u64)]
pub enum Hook {
    /// By an exception.
    Crash = 1,
    /// By never coming back to its loop.
    Spin = 2,
    /// By a page fault that nobody can answer.
    Fault = 3,
    /// By a panic.
    Panic = 4,
}

/// Answer to [`Request::Open`]: what the driver's protocol says about its device.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opened {
    pub info: [u64; 6],
}

/// Answer to [`Request::Enter`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entered {
    /// Completions before this number are there.
    pub completed: u32,
}

/// A request for the device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Submission {
    /// Of the driver's protocol.
    pub operation: u32,
    /// The client's; it comes back with the completion.
    pub tag: u32,
    pub arguments: [u64; 2],
    /// The buffer, if the operation has one: where in the region it begins, at least [`DATA`].
    pub offset: u32,
    /// Bytes of the buffer.
    pub len: u32,
}

/// What has become of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Completion {
    pub tag: u32,
    pub outcome: Outcome,
    /// Of the driver's protocol; often a number of bytes.
    pub value: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Outcome {
    Done = 0,
    /// The device says that it could not.
    Failed = 1,
    /// The request is malformed, or its buffer is not in the region's data.
    BadRequest = 2,
    /// The device cannot do this.
    Unsupported = 3,
    /// The device has stopped working.
    NoDevice = 4,
    /// The driver was started again meanwhile, and whether the request was done is not known. Told by the client's library, for requests
    /// that must not be done twice.
    Lost = 5,
}

impl Outcome {
    pub const fn from_raw(raw: u32) -> Option<Self> {
        Some(match raw {
            0 => Self::Done,
            1 => Self::Failed,
            2 => Self::BadRequest,
            3 => Self::Unsupported,
            4 => Self::NoDevice,
            5 => Self::Lost,
            _ => return None,
        })
    }
}

impl Submission {
    /// Where number `n` is in the region.
    pub const fn place(n: u32) -> usize {
        (n % DEPTH) as usize * SUBMISSION
    }

    pub fn to_bytes(self) -> [u8; SUBMISSION] {
        let [a, b] = self.arguments;
        let words = [
            u64::from(self.operation) | u64::from(self.tag) << 32,
            a,
            b,
            u64::from(self.offset) | u64::from(self.len) << 32,
        ];
        let mut bytes = [0; SUBMISSION];
        for (bytes, word) in bytes.as_chunks_mut().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }

    pub fn from_bytes(bytes: &[u8; SUBMISSION]) -> Self {
        let word = |n: usize| u64::from_le_bytes(bytes.as_chunks().0[n]);
        Self {
            operation: word(0) as u32,
            tag: (word(0) >> 32) as u32,
            arguments: [word(1), word(2)],
            offset: word(3) as u32,
            len: (word(3) >> 32) as u32,
        }
    }
}

impl Completion {
    /// Where number `n` is in the region.
    pub const fn place(n: u32) -> usize {
        COMPLETIONS + (n % DEPTH) as usize * COMPLETION
    }

    pub fn to_bytes(self) -> [u8; COMPLETION] {
        let mut bytes = [0; COMPLETION];
        bytes[..4].copy_from_slice(&self.tag.to_le_bytes());
        bytes[4..8].copy_from_slice(&(self.outcome as u32).to_le_bytes());
        bytes[8..].copy_from_slice(&self.value.to_le_bytes());
        bytes
    }

    pub fn from_bytes(bytes: &[u8; COMPLETION]) -> Result<Self, Malformed> {
        let words = bytes.as_chunks().0;
        let outcome = Outcome::from_raw(u32::from_le_bytes(words[1])).ok_or(Malformed)?;
        Ok(Self {
            tag: u32::from_le_bytes(words[0]),
            outcome,
            value: u64::from_le_bytes(bytes.as_chunks().0[1]),
        })
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        match request {
            Request::Open { region } => Self::new(OPEN, [region]),
            Request::Enter { region, submitted, taken, wait } => {
                Self::new(ENTER, [region, submitted.into(), taken.into(), wait.into()])
            }
            Request::Hook(hook) => Self::new(HOOK, [hook as u64]),
        }
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            OPEN => m.request().map(|[region]| Self::Open { region }),
            ENTER => {
                let [region, submitted, taken, wait] = m.request()?;
                let (submitted, taken, wait) = (number(submitted)?, number(taken)?, number(wait)?);
                Ok(Self::Enter { region, submitted, taken, wait })
            }
            HOOK => {
                let [hook] = m.request()?;
                let hooks = [Hook::Crash, Hook::Spin, Hook::Fault, Hook::Panic];
                hooks.into_iter().find(|h| *h as u64 == hook).map(Self::Hook).ok_or(Malformed)
            }
            _ => Err(Malformed),
        }
    }
}

impl From<Opened> for Message {
    fn from(opened: Opened) -> Self {
        Self::ok(opened.info)
    }
}

impl TryFrom<&Message> for Opened {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let info = m.request()?;
        if m.label() == OK { Ok(Self { info }) } else { Err(Malformed) }
    }
}

impl From<Entered> for Message {
    fn from(entered: Entered) -> Self {
        Self::ok([entered.completed.into()])
    }
}

impl TryFrom<&Message> for Entered {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [completed] = m.request()?;
        let completed = number(completed)?;
        if m.label() == OK { Ok(Self { completed }) } else { Err(Malformed) }
    }
}

fn number(word: u64) -> Result<u32, Malformed> {
    u32::try_from(word).map_err(|_| Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip() {
        for request in [
            Request::Open { region: 0x1234 },
            Request::Enter { region: 0x1234, submitted: u32::MAX, taken: 1, wait: DEPTH },
            Request::Hook(Hook::Spin),
        ] {
            assert_eq!(Request::try_from(&request.into()), Ok(request));
        }
        let opened = Opened { info: [1, 2, 3, 4, 5, 6] };
        assert_eq!(Opened::try_from(&opened.into()), Ok(opened));
        let entered = Entered { completed: 7 };
        assert_eq!(Entered::try_from(&entered.into()), Ok(entered));
    }

    #[test]
    fn bad_messages() {
        for m in [
            Message::new(OPEN, []),
            Message::new(ENTER, [0, 1 << 32, 0, 0]),
            Message::new(ENTER, [0, 0, 1 << 32, 0]),
            Message::new(ENTER, [0, 0, 0, u64::MAX]),
            Message::new(HOOK, [0]),
            Message::new(HOOK, [5]),
            Message::new(Label(0x404), []),
        ] {
            assert_eq!(Request::try_from(&m), Err(Malformed), "{m:?}");
        }
        assert_eq!(Entered::try_from(&Message::ok([1 << 32])), Err(Malformed));
        assert_eq!(Entered::try_from(&Message::new(OPEN, [1])), Err(Malformed));
    }

    #[test]
    fn lists_hold_what_was_put_in() {
        let submission =
            Submission { operation: 1, tag: 2, arguments: [u64::MAX, 4], offset: 0x1000, len: u32::MAX };
        assert_eq!(Submission::from_bytes(&submission.to_bytes()), submission);
        for raw in 0..6 {
            let outcome = Outcome::from_raw(raw).unwrap();
            let completion = Completion { tag: 9, outcome, value: 1 << 40 };
            assert_eq!(Completion::from_bytes(&completion.to_bytes()), Ok(completion));
        }
        let mut bytes = Completion { tag: 0, outcome: Outcome::Done, value: 0 }.to_bytes();
        bytes[4] = 6;
        assert_eq!(Completion::from_bytes(&bytes), Err(Malformed));
    }

    #[test]
    fn places_stay_in_their_lists() {
        for n in [0, 1, DEPTH - 1, DEPTH, u32::MAX] {
            assert!(Submission::place(n) + SUBMISSION <= COMPLETIONS);
            assert!((COMPLETIONS..=DATA - COMPLETION).contains(&Completion::place(n)));
        }
    }
}
