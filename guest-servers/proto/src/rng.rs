//! Random numbers: what a client may ask the random-number driver for.
//!
//! A few bytes come in a message ([`Request`]); many through shared memory: a session ([`crate::session`]) with requests [`Fill`].

use crate::message::{Malformed, Message, OK};
use crate::session::Submission;
use crate::text::{Bytes, MAX};
use ukernel_abi::Label;

pub const SHORT: Label = Label(0x501);

/// The submission's buffer is filled. Value: how many bytes of it, at least one; a device may give fewer than it is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill;

const FILL: u32 = 1;

impl From<Fill> for Submission {
    fn from(Fill: Fill) -> Self {
        Self { operation: FILL, ..Self::default() }
    }
}

impl TryFrom<&Submission> for Fill {
    type Error = Malformed;

    fn try_from(s: &Submission) -> Result<Self, Malformed> {
        if s.operation == FILL && s.len > 0 { Ok(Self) } else { Err(Malformed) }
    }
}

/// `count` random bytes, 1 to [`MAX`]. Answer: [`Answer`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    pub count: usize,
}

/// As many bytes as were asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    pub bytes: Bytes,
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        Self::new(SHORT, [request.count as u64])
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [count] = m.request()?;
        let count = usize::try_from(count).map_err(|_| Malformed)?;
        if m.label() == SHORT && (1..=MAX).contains(&count) { Ok(Self { count }) } else { Err(Malformed) }
    }
}

impl From<Answer> for Message {
    fn from(answer: Answer) -> Self {
        Self::ok(answer.bytes.to_words())
    }
}

impl TryFrom<&Message> for Answer {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let bytes = Bytes::from_words(m.request()?)?;
        if m.label() == OK { Ok(Self { bytes }) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip() {
        for count in [1, MAX] {
            let request = Request { count };
            assert_eq!(Request::try_from(&request.into()), Ok(request));
        }
        let answer = Answer { bytes: Bytes::split(b"random").0 };
        assert_eq!(Answer::try_from(&answer.into()), Ok(answer));
        let fill = Submission { len: 1, ..Fill.into() };
        assert_eq!(Fill::try_from(&fill), Ok(Fill));
    }

    #[test]
    fn nonsense() {
        for m in [
            Message::new(SHORT, [0]),
            Message::new(SHORT, [MAX as u64 + 1]),
            Message::new(SHORT, [u64::MAX]),
            Message::new(SHORT, []),
            Message::new(OK, [1]),
        ] {
            assert_eq!(Request::try_from(&m), Err(Malformed), "{m:?}");
        }
        assert_eq!(Answer::try_from(&Message::new(SHORT, [0; 7])), Err(Malformed));
        assert_eq!(Fill::try_from(&Submission::from(Fill)), Err(Malformed), "no buffer");
        assert_eq!(Fill::try_from(&Submission { len: 1, ..Submission::default() }), Err(Malformed));
    }
}
