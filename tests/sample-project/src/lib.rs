//! What `calc` is asked and answers: its protocol, tested on the host.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use proto::{Malformed, Message};
use ukernel_abi::Label;

const ADD: Label = Label(0x1001);
const DIVIDE: Label = Label(0x1002);
const WAIT: Label = Label(0x1003);

/// What one may ask.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    Add(u64, u64),
    Divide(u64, u64),
    /// Has no answer.
    Wait,
}

impl Request {
    /// `a + b`, `a / b` or `wait`.
    pub fn parse(words: &[&str]) -> Option<Self> {
        match *words {
            [a, "+", b] => Some(Self::Add(a.parse().ok()?, b.parse().ok()?)),
            [a, "/", b] => Some(Self::Divide(a.parse().ok()?, b.parse().ok()?)),
            ["wait"] => Some(Self::Wait),
            _ => None,
        }
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        match request {
            Request::Add(a, b) => Self::new(ADD, [a, b]),
            Request::Divide(a, b) => Self::new(DIVIDE, [a, b]),
            Request::Wait => Self::new(WAIT, []),
        }
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;
    fn try_from(message: &Message) -> Result<Self, Malformed> {
        let [a, b, ..] = message.words;
        match (message.label(), message.tag.words()) {
            (ADD, 2) => Ok(Self::Add(a, b)),
            (DIVIDE, 2) => Ok(Self::Divide(a, b)),
            (WAIT, 0) => Ok(Self::Wait),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_way() {
        for line in ["40 + 2", "1 / 0", "wait"] {
            let words: Vec<_> = line.split(' ').collect();
            let request = Request::parse(&words).unwrap();
            assert_eq!(Request::try_from(&Message::from(request)), Ok(request));
        }
        assert_eq!(Request::parse(&["1", "-", "2"]), None);
        assert!(Request::try_from(&Message::ok([1, 2])).is_err());
    }
}
