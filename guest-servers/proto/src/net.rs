//! Networks: what the requests of a session ([`crate::session`]) with the network driver are.
//!
//! A client keeps buffers for frames to come submitted; what comes while there are none is lost, as on any network. When a driver has
//! been restarted, frames that were under way are lost, too.

use crate::message::Malformed;
use crate::session::{Opened, Submission};

/// Longest frame: an Ethernet header and 1500 bytes. There is no checksum behind it.
pub const FRAME_MAX: usize = 1514;
/// Shortest frame: its header.
pub const FRAME_MIN: usize = 14;

/// What a client may ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// The buffer, of at least [`FRAME_MAX`] bytes, gets the next frame that comes. Value: its length.
    Receive,
    /// The buffer is a frame to be sent. Done when the device has taken it.
    Send,
    /// Done when whether the network can be reached is not, or no more, as `is_up` says. Value: 1 if it can, 0 if not.
    Link { is_up: bool },
}

const RECEIVE: u32 = 1;
const SEND: u32 = 2;
const LINK: u32 = 3;

impl From<Operation> for Submission {
    fn from(operation: Operation) -> Self {
        let (operation, argument) = match operation {
            Operation::Receive => (RECEIVE, 0),
            Operation::Send => (SEND, 0),
            Operation::Link { is_up } => (LINK, is_up.into()),
        };
        Self { operation, arguments: [argument, 0], ..Self::default() }
    }
}

impl TryFrom<&Submission> for Operation {
    type Error = Malformed;

    fn try_from(s: &Submission) -> Result<Self, Malformed> {
        let len = s.len as usize;
        match s.operation {
            RECEIVE if len >= FRAME_MAX => Ok(Self::Receive),
            SEND if (FRAME_MIN..=FRAME_MAX).contains(&len) => Ok(Self::Send),
            LINK if len == 0 && s.arguments[0] <= 1 => Ok(Self::Link { is_up: s.arguments[0] == 1 }),
            _ => Err(Malformed),
        }
    }
}

/// What an interface is: in the answer to [`crate::session::Request::Open`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interface {
    /// Its address on the network.
    pub mac: [u8; 6],
    /// Whether the network could be reached when the session was opened.
    pub is_up: bool,
}

impl From<Interface> for Opened {
    fn from(interface: Interface) -> Self {
        let [a, b, c, d, e, f] = interface.mac;
        let mac = u64::from_le_bytes([a, b, c, d, e, f, 0, 0]);
        Self { info: [mac, interface.is_up.into(), 0, 0, 0, 0] }
    }
}

impl TryFrom<&Opened> for Interface {
    type Error = Malformed;

    fn try_from(opened: &Opened) -> Result<Self, Malformed> {
        let [mac, up, ..] = opened.info;
        match (mac.to_le_bytes(), up) {
            ([a, b, c, d, e, f, 0, 0], 0 | 1) => Ok(Self { mac: [a, b, c, d, e, f], is_up: up == 1 }),
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_round_trip() {
        for (operation, good, bad) in [
            (Operation::Receive, [FRAME_MAX, 2048], [FRAME_MAX - 1, 0]),
            (Operation::Send, [FRAME_MIN, FRAME_MAX], [FRAME_MIN - 1, FRAME_MAX + 1]),
            (Operation::Link { is_up: true }, [0, 0], [1, FRAME_MAX]),
            (Operation::Link { is_up: false }, [0, 0], [1, FRAME_MAX]),
        ] {
            let with = |len: usize| Submission { len: len as u32, ..operation.into() };
            assert!(good.iter().all(|len| Operation::try_from(&with(*len)) == Ok(operation)));
            assert!(bad.iter().all(|len| Operation::try_from(&with(*len)) == Err(Malformed)));
        }
        assert_eq!(Operation::try_from(&Submission::default()), Err(Malformed));
        let link = Submission::from(Operation::Link { is_up: true });
        assert_eq!(Operation::try_from(&Submission { arguments: [2, 0], ..link }), Err(Malformed));
    }

    #[test]
    fn interfaces_round_trip() {
        let interface = Interface { mac: [2, 0, 0, 1, 2, 0xff], is_up: true };
        assert_eq!(Interface::try_from(&interface.into()), Ok(interface));
        for (at, word) in [(0, 1 << 48), (1, 2)] {
            let mut opened = Opened::from(interface);
            opened.info[at] = word;
            assert_eq!(Interface::try_from(&opened), Err(Malformed));
        }
    }
}
