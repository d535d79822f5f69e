//! What root does for drivers and their clients, beyond what it does for every server ([`crate::root`]).
//!
//! *Devices.* A driver gets the registers and the interrupt line of the devices that its set names, and nothing of others.
//!
//! *Regions.* A region is memory of a client's that a driver's device may reach: physically contiguous, and shared with one server,
//! which the client names. The driver learns from root where the region is, so no client can make it write elsewhere.
//!
//! *Supervision.* Root starts drivers again that have died, have not come back to their loop ([`Request::Beat`]), or were killed.

use crate::message::{Malformed, Message, OK};
use crate::name::Name;
use crate::root::page;
use crate::sigma0::block_log2;
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Label, ThreadId};

pub const VIRTIO: Label = Label(0x210);
pub const SHARE: Label = Label(0x211);
pub const REGION: Label = Label(0x212);
pub const KILL: Label = Label(0x213);
pub const BEAT: Label = Label(0x214);
pub const WATCH: Label = Label(0x215);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// The `index`th device of the asker's set line, its registers at `base` and the right to its line. Answer: [`Virtio`];
    /// `NoDevice` if the machine has no such device, `NotFound` if the set names none with this index.
    Virtio { index: u64, base: u64 },
    /// 2^`log2` bytes of the asker's budget, at `base`, to be shared with the server `with`, which the asker may call. Answer: [`Shared`]
    /// with one item.
    Share { log2: u32, base: u64, with: Name },
    /// From the server that it is shared with: the region `id` of `client` (any thread of it), at `base`. Answer: [`Region`] with one
    /// item.
    Region { client: ThreadId, id: u64, base: u64 },
    /// Starts a server again, which the asker's set line allows. Answer: no words.
    Kill { name: Name },
    /// The page in which the asker notes that it is alive ([`beat`]), at `base`. Answer: no words, one item; `NotFound` if nobody
    /// looks.
    Beat { base: u64 },
    /// The asker has begun to work, and root is to look from now on. No answer.
    Watch,
}

/// Answer to [`Request::Virtio`]; two items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Virtio {
    /// Where in the page the registers begin.
    pub offset: u64,
    /// How many bytes they are; all in one page.
    pub size: u64,
    /// The interrupt line.
    pub line: u8,
    /// The device ID (virtio 1.2, 5).
    pub device: u32,
}

/// Answer to [`Request::Share`]; one item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shared {
    /// By which the client tells the driver of it.
    pub id: u64,
}

/// Answer to [`Request::Region`]; one item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// Physical address.
    pub phys: u64,
    /// log2 of its size.
    pub log2: u64,
}

/// log2 of the largest region: offsets in one are 32 bits, and a driver reserves room for it.
pub const REGION_LOG2_MAX: u32 = 27;

/// The words of the page of [`Request::Beat`], each 32 bits.
pub mod beat {
    /// Offset: how often the server has come back to its loop. Written by the server.
    pub const COUNT: usize = 0;
    /// Offset: 1 while it is away from its loop. Written by the server.
    pub const AWAY: usize = 4;
    /// Offset: 1 while root looks. Written by root; a server that finds 0 sends [`super::Request::Watch`].
    pub const WATCHED: usize = 8;
}

impl Request {
    /// Whether a label is one of these requests.
    pub const fn is(label: Label) -> bool {
        label.0 >= VIRTIO.0 && label.0 <= WATCH.0
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        match request {
            Request::Virtio { index, base } => Self::new(VIRTIO, [index, base]),
            Request::Share { log2, base, with } => {
                let [a, b, c, d] = with.to_words();
                Self::new(SHARE, [log2.into(), base, a, b, c, d])
            }
            Request::Region { client, id, base } => Self::new(REGION, [client.0, id, base]),
            Request::Kill { name } => Self::new(KILL, name.to_words()),
            Request::Beat { base } => Self::new(BEAT, [base]),
            Request::Watch => Self::new(WATCH, []),
        }
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            VIRTIO => {
                let [index, base] = m.request()?;
                Ok(Self::Virtio { index, base: page(base)? })
            }
            SHARE => {
                let [log2, base, a, b, c, d] = m.request()?;
                let with = Name::from_words([a, b, c, d])?;
                let log2 = block_log2(log2).ok().filter(|log2| *log2 <= REGION_LOG2_MAX).ok_or(Malformed)?;
                Ok(Self::Share { log2, base: page(base)?, with })
            }
            REGION => {
                let [client, id, base] = m.request()?;
                Ok(Self::Region { client: ThreadId(client), id, base: page(base)? })
            }
            KILL => Ok(Self::Kill { name: Name::from_words(m.request()?)? }),
            BEAT => {
                let [base] = m.request()?;
                Ok(Self::Beat { base: page(base)? })
            }
            WATCH => m.request::<0>().map(|_| Self::Watch),
            _ => Err(Malformed),
        }
    }
}

impl From<Virtio> for Message {
    fn from(virtio: Virtio) -> Self {
        Self::ok([virtio.offset | virtio.size << 32, virtio.line.into(), virtio.device.into()])
    }
}

impl TryFrom<&Message> for Virtio {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [extent, line, device] = m.args()?;
        let (offset, size) = (extent & 0xffff_ffff, extent >> 32);
        let line = u8::try_from(line).map_err(|_| Malformed)?;
        let device = u32::try_from(device).map_err(|_| Malformed)?;
        if m.label() == OK && offset + size <= PAGE {
            Ok(Self { offset, size, line, device })
        } else {
            Err(Malformed)
        }
    }
}

crate::root::answer!(Shared { id });

impl From<Region> for Message {
    fn from(region: Region) -> Self {
        Self::ok([region.phys, region.log2])
    }
}

impl TryFrom<&Message> for Region {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [phys, log2] = m.args()?;
        let size = 1u64 << block_log2(log2)?;
        let fits = phys.is_multiple_of(size) && phys.checked_add(size).is_some();
        if m.label() == OK && fits { Ok(Self { phys, log2 }) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_round_trip() {
        let name = Name::new("block").unwrap();
        for request in [
            Request::Virtio { index: 1, base: 1 << 32 },
            Request::Share { log2: 16, base: 1 << 32, with: name },
            Request::Region { client: ThreadId::new(4, 1, 1), id: 0x1234, base: 1 << 33 },
            Request::Kill { name },
            Request::Beat { base: 1 << 32 },
            Request::Watch,
        ] {
            let message = Message::from(request);
            assert!(Request::is(message.label()));
            assert_eq!(Request::try_from(&message), Ok(request));
        }
        assert!(!Request::is(crate::root::SPARE) && !Request::is(crate::console::SETUP));
    }

    #[test]
    fn bad_requests() {
        for m in [
            Message::new(VIRTIO, [0, 1]),
            Message::new(VIRTIO, [0]),
            Message::new(SHARE, [11, 0, 0x61, 0, 0, 0]),
            Message::new(SHARE, [12, 0, 0, 0, 0, 0]),
            Message::new(SHARE, [28, 0, 0x61, 0, 0, 0]),
            Message::new(REGION, [0, 0, ukernel_abi::layout::USER_END]),
            Message::new(KILL, [0; 4]),
            Message::new(BEAT, [0x800]),
            Message::new(WATCH, [1]),
            Message::new(Label(0x216), []),
        ] {
            assert_eq!(Request::try_from(&m), Err(Malformed), "{m:?}");
        }
    }

    #[test]
    fn a_region_is_a_block() {
        let good = Region { phys: 0x3_0000, log2: 16 };
        assert_eq!(Region::try_from(&good.into()), Ok(good));
        for (phys, log2) in [(0x3_1000, 16), (0, 64), (u64::MAX - 0xfff, 12), (0, 11)] {
            assert_eq!(Region::try_from(&Message::ok([phys, log2])), Err(Malformed), "{phys:#x} {log2}");
        }
        let virtio = Virtio { offset: 0xe00, size: 0x200, line: 12, device: 2 };
        assert_eq!(Virtio::try_from(&virtio.into()), Ok(virtio));
        for m in [
            Message::ok([0xe01 | 0x200 << 32, 12, 2]),
            Message::ok([0, 256, 2]),
            Message::ok([0, 1, 1 << 32]),
        ] {
            assert_eq!(Virtio::try_from(&m), Err(Malformed), "{m:?}");
        }
        assert_eq!(Shared::try_from(&Shared { id: 7 }.into()), Ok(Shared { id: 7 }));
    }
}
