//! σ0: all memory of the machine that is not the kernel's, for its one client, root.
//!
//! The base of every map item in an answer is its physical address: a client whose receive
//! window is as large as physical memory gets each frame where it can compute it. RAM is given once; what a
//! client has, it may ask for again by address (a page that it lost comes back), and so may it ask for
//! modules and device memory.

use crate::message::{Malformed, Message, OK};
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Fpage, Label, MapItem, Rights};

pub const FREE: Label = Label(0x101);
pub const EXACT: Label = Label(0x102);
pub const STATUS: Label = Label(0x103);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// 2^`log2` bytes of free memory, aligned to their size. Answer: [`Block`].
    Free { log2: u32 },
    /// `size` bytes at physical address `phys` (both multiples of the page size): RAM, modules, or device
    /// memory. Answer: [`Extent`], with as many items as it takes or as a message holds.
    Exact { phys: u64, size: u64 },
    /// What is free. Answer: [`Status`].
    Status,
}

/// A block that σ0 has given: the answer to [`Request::Free`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    pub phys: u64,
    pub log2: u32,
}

/// The answer to [`Request::Exact`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    /// First address that has not been given: the end of what was asked for, or the client asks again from
    /// there.
    pub next: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Bytes of RAM not given to anybody.
    pub free: u64,
    /// log2 of the largest block that [`Request::Free`] can have now; 0 when nothing is free.
    pub largest_log2: u32,
}

/// A log2 size of memory that a flexpage can have.
pub(crate) fn block_log2(word: u64) -> Result<u32, Malformed> {
    u32::try_from(word).ok().filter(|n| (12..=47).contains(n)).ok_or(Malformed)
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        match request {
            Request::Free { log2 } => Self::new(FREE, [log2.into()]),
            Request::Exact { phys, size } => Self::new(EXACT, [phys, size]),
            Request::Status => Self::new(STATUS, []),
        }
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            FREE => {
                let [log2] = m.request()?;
                Ok(Self::Free { log2: block_log2(log2)? })
            }
            EXACT => {
                let [phys, size] = m.request()?;
                let ends = phys.checked_add(size).is_some_and(|end| end <= 1 << 47);
                if ends && size != 0 && (phys | size) & (PAGE - 1) == 0 {
                    Ok(Self::Exact { phys, size })
                } else {
                    Err(Malformed)
                }
            }
            STATUS => m.request::<0>().map(|_| Self::Status),
            _ => Err(Malformed),
        }
    }
}

impl From<Block> for Message {
    fn from(b: Block) -> Self {
        let mut m = Self::ok([b.phys, b.log2.into()]);
        let _fits = m.push_item(MapItem::map(Fpage::memory(b.phys, b.log2, Rights::RWX), b.phys));
        m
    }
}

impl TryFrom<&Message> for Block {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [phys, log2] = m.args()?;
        if m.label() == OK && m.tag.items() == 1 {
            Ok(Self { phys, log2: block_log2(log2)? })
        } else {
            Err(Malformed)
        }
    }
}

impl From<Extent> for Message {
    fn from(e: Extent) -> Self {
        Self::ok([e.next])
    }
}

impl TryFrom<&Message> for Extent {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [next] = m.args()?;
        if m.label() == OK { Ok(Self { next }) } else { Err(Malformed) }
    }
}

impl From<Status> for Message {
    fn from(s: Status) -> Self {
        Self::ok([s.free, s.largest_log2.into()])
    }
}

impl TryFrom<&Message> for Status {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [free, largest] = m.request()?;
        let largest_log2 = u32::try_from(largest).map_err(|_| Malformed)?;
        if m.label() == OK { Ok(Self { free, largest_log2 }) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_round_trip() {
        for r in
            [Request::Free { log2: 21 }, Request::Exact { phys: 0xb_8000, size: 0x3000 }, Request::Status]
        {
            assert_eq!(Request::try_from(&r.into()), Ok(r));
        }
    }

    #[test]
    fn bad_requests() {
        for m in [
            Message::new(FREE, [11]),
            Message::new(FREE, [48]),
            Message::new(FREE, [u64::MAX]),
            Message::new(FREE, [12, 12]),
            Message::new(EXACT, [0x1000, 0x800]),
            Message::new(EXACT, [0x1800, 0x1000]),
            Message::new(EXACT, [0x1000, 0]),
            Message::new(EXACT, [1 << 47, 0x1000]),
            Message::new(EXACT, [0x1000, u64::MAX - 0xfff]),
            Message::new(STATUS, [0]),
            Message::new(Label(0x1ff), []),
        ] {
            assert_eq!(Request::try_from(&m), Err(Malformed), "{m:?}");
        }
    }

    #[test]
    fn answers_round_trip() {
        let block = Block { phys: 0x20_0000, log2: 21 };
        let m = Message::from(block);
        assert_eq!(Block::try_from(&m), Ok(block));
        assert_eq!(
            m.items().next(),
            Some(MapItem::map(Fpage::memory(0x20_0000, 21, Rights::RWX), 0x20_0000))
        );
        let status = Status { free: 1 << 30, largest_log2: 29 };
        assert_eq!(Status::try_from(&status.into()), Ok(status));
        assert_eq!(Block::try_from(&status.into()), Err(Malformed));
        let extent = Extent { next: 0x30_0000 };
        assert_eq!(Extent::try_from(&extent.into()), Ok(extent));
    }
}
