//! root: the pager, name service and bookkeeper of all servers of a set.
//!
//! A server calls root for everything but [`Request::Log`], [`Request::Exit`] and [`Request::Failed`], which
//! are plain sends that root never answers (a reply would cost a transition, and nobody could do anything
//! with it).
//!
//! Where an answer carries map items the asker sets its receive window first; `base` in the request is where
//! in the window the item goes (bits above the window's size are ignored, so the address itself will do).

use crate::message::{Malformed, Message, OK};
use crate::name::Name;
use crate::sigma0::block_log2;
use crate::text::Bytes;
use ukernel_abi::layout::SUPERPAGE;
use ukernel_abi::{Label, ThreadId};

pub const LOG: Label = Label(0x201);
pub const EXIT: Label = Label(0x202);
pub const FAILED: Label = Label(0x203);
pub const LOOKUP: Label = Label(0x204);
pub const MODULE: Label = Label(0x205);
pub const MAP_MODULE: Label = Label(0x206);
pub const RAM: Label = Label(0x207);
pub const DMA: Label = Label(0x208);
pub const DEVICES: Label = Label(0x209);
pub const INFO: Label = Label(0x20a);
pub const ARGS: Label = Label(0x20b);
pub const SPARE: Label = Label(0x20c);
pub const TRACE: Label = Label(0x20d);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// Text for the machine's log; a newline ends a line. No answer.
    Log(Bytes),
    /// The machine ends with this status (larger ones than `vmm_abi::exit::GUEST_MAX` come out as that). No
    /// answer; from a server that may not do this it is logged and ignored.
    Exit { status: u64 },
    /// The sender cannot go on (it has logged why). The machine ends. No answer.
    Failed,
    /// The first thread of the server of this name. Answer: [`Found`].
    Lookup { name: Name },
    /// Whether there is a boot module of this name. Answer: [`Module`].
    Module { name: Name },
    /// A read-only mapping of a boot module from `offset` (page-aligned) on, at `base`. Answer: [`Part`].
    MapModule { name: Name, offset: u64, base: u64 },
    /// 2^`log2` bytes of memory of the asker's budget, at `base`. Answer: [`Ram`] with one item (read,
    /// write).
    Ram { log2: u32, base: u64 },
    /// As [`Request::Ram`], of the memory that is in nobody's budget; for the last server of the set.
    Spare { log2: u32, base: u64 },
    /// As [`Request::Ram`], for servers that have devices: the block's physical address is told, for the
    /// device.
    Dma { log2: u32, base: u64 },
    /// The I/O ports and interrupt lines of the asker: as many as fit, without the first `skip`. Answer:
    /// [`Devices`].
    Devices { skip: u64 },
    /// What the asker has. Answer: [`Info`].
    Info,
    /// The asker's arguments, each ended by a NUL, from byte `offset` on. Answer: [`Args`].
    Args { offset: u64 },
    /// A ring of the TSC channel (`vmm_abi::trace`) for the asker's task alone, at `base`, a multiple of 2 MiB; asked again, the same one. Answer: no
    /// words, up to two items (read, write); `NotFound` if nobody makes a profile, `NoMemory` if no ring is left.
    Trace { base: u64 },
}

/// Answer to [`Request::Lookup`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    pub thread: ThreadId,
}

/// Answer to [`Request::Module`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Module {
    /// Bytes.
    pub size: u64,
    /// Where in a 2-MiB page the module begins: mapped at an address with the same offset it gets the largest
    /// flexpages.
    pub align_offset: u64,
}

/// Answer to [`Request::MapModule`]; up to three items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// Offset of the first byte that is not mapped yet: at or beyond the module's size when all of it is.
    pub next: u64,
}

/// Answer to [`Request::Ram`], [`Request::Spare`] and [`Request::Dma`]; one item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ram {
    /// Physical address of the block; 0 in the answer to other requests than [`Request::Dma`].
    pub phys: u64,
    /// Bytes of the budget, or of the spare memory, that are left.
    pub left: u64,
}

/// Answer to [`Request::Devices`]; up to three items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Devices {
    /// Number of flexpages to come after those in this answer.
    pub more: u64,
}

/// Answer to [`Request::Info`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Info {
    /// The budget, in bytes: stack and all blocks count, the image does not.
    pub budget: u64,
    /// Bytes of the budget that are left.
    pub left: u64,
    /// Bytes of memory that are in nobody's budget; 0 for servers that get none of it.
    pub spare: u64,
    /// Kernel memory that the server's task was given, in 4-KiB frames.
    pub kernel_frames: u64,
}

/// Answer to [`Request::Args`]: fewer than `text::MAX` bytes when they are the last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Args {
    pub bytes: Bytes,
}

impl Request {
    /// Whether root answers it.
    pub const fn is_answered(&self) -> bool {
        !matches!(self, Self::Log(_) | Self::Exit { .. } | Self::Failed)
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        match request {
            Request::Log(text) => Self::new(LOG, text.to_words()),
            Request::Exit { status } => Self::new(EXIT, [status]),
            Request::Failed => Self::new(FAILED, []),
            Request::Lookup { name } => Self::new(LOOKUP, name.to_words()),
            Request::Module { name } => Self::new(MODULE, name.to_words()),
            Request::MapModule { name, offset, base } => {
                let [a, b, c, d] = name.to_words();
                Self::new(MAP_MODULE, [a, b, c, d, offset, base])
            }
            Request::Ram { log2, base } => Self::new(RAM, [log2.into(), base]),
            Request::Spare { log2, base } => Self::new(SPARE, [log2.into(), base]),
            Request::Dma { log2, base } => Self::new(DMA, [log2.into(), base]),
            Request::Devices { skip } => Self::new(DEVICES, [skip]),
            Request::Info => Self::new(INFO, []),
            Request::Args { offset } => Self::new(ARGS, [offset]),
            Request::Trace { base } => Self::new(TRACE, [base]),
        }
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            LOG => Ok(Self::Log(Bytes::from_words(m.request()?)?)),
            EXIT => m.request().map(|[status]| Self::Exit { status }),
            FAILED => m.request::<0>().map(|_| Self::Failed),
            LOOKUP => Ok(Self::Lookup { name: Name::from_words(m.request()?)? }),
            MODULE => Ok(Self::Module { name: Name::from_words(m.request()?)? }),
            MAP_MODULE => {
                let [a, b, c, d, offset, base] = m.request()?;
                let name = Name::from_words([a, b, c, d])?;
                if offset & 0xfff == 0 {
                    Ok(Self::MapModule { name, offset, base: page(base)? })
                } else {
                    Err(Malformed)
                }
            }
            RAM | SPARE | DMA => {
                let [log2, base] = m.request()?;
                let (log2, base) = (block_log2(log2)?, page(base)?);
                Ok(match m.label() {
                    RAM => Self::Ram { log2, base },
                    SPARE => Self::Spare { log2, base },
                    _ => Self::Dma { log2, base },
                })
            }
            DEVICES => m.request().map(|[skip]| Self::Devices { skip }),
            INFO => m.request::<0>().map(|_| Self::Info),
            ARGS => m.request().map(|[offset]| Self::Args { offset }),
            TRACE => {
                let [base] = m.request()?;
                if base.is_multiple_of(SUPERPAGE) {
                    Ok(Self::Trace { base: page(base)? })
                } else {
                    Err(Malformed)
                }
            }
            _ => Err(Malformed),
        }
    }
}

/// A page-aligned user address.
pub(crate) fn page(base: u64) -> Result<u64, Malformed> {
    if base & 0xfff == 0 && base < ukernel_abi::layout::USER_END { Ok(base) } else { Err(Malformed) }
}

/// Both conversions of an answer whose fields are all words.
macro_rules! answer {
    ($name:ident { $($field:ident),+ }) => {
        impl From<$name> for Message {
            fn from(answer: $name) -> Self {
                Self::ok([$(answer.$field),+])
            }
        }

        impl TryFrom<&Message> for $name {
            type Error = Malformed;

            fn try_from(m: &Message) -> Result<Self, Malformed> {
                let [$($field),+] = m.args()?;
                if m.label() == OK { Ok(Self { $($field),+ }) } else { Err(Malformed) }
            }
        }
    };
}

pub(crate) use answer;

answer!(Module { size, align_offset });
answer!(Part { next });
answer!(Ram { phys, left });
answer!(Devices { more });
answer!(Info { budget, left, spare, kernel_frames });

impl From<Found> for Message {
    fn from(found: Found) -> Self {
        Self::ok([found.thread.0])
    }
}

impl TryFrom<&Message> for Found {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let thread = ThreadId(m.request().map(|[thread]| thread)?);
        if m.label() == OK && thread.is_valid() { Ok(Self { thread }) } else { Err(Malformed) }
    }
}

impl From<Args> for Message {
    fn from(args: Args) -> Self {
        Self::ok(args.bytes.to_words())
    }
}

impl TryFrom<&Message> for Args {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let bytes = Bytes::from_words(m.request()?)?;
        if m.label() == OK { Ok(Self { bytes }) } else { Err(Malformed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Debug;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    #[test]
    fn requests_round_trip() {
        for r in [
            Request::Log(Bytes::split(b"hello\n").0),
            Request::Exit { status: 3 },
            Request::Failed,
            Request::Lookup { name: name("console") },
            Request::Module { name: name("initrd") },
            Request::MapModule { name: name("initrd"), offset: 0x20_0000, base: 0x3020_0000 },
            Request::Ram { log2: 21, base: 1 << 32 },
            Request::Spare { log2: 26, base: 1 << 33 },
            Request::Dma { log2: 14, base: 0x3000_0000 },
            Request::Devices { skip: 3 },
            Request::Info,
            Request::Args { offset: 48 },
            Request::Trace { base: crate::place::TRACE },
        ] {
            assert_eq!(Request::try_from(&r.into()), Ok(r));
        }
    }

    #[test]
    fn bad_requests() {
        let [a, b, c, d] = name("initrd").to_words();
        for m in [
            Message::new(LOG, [49, 0, 0, 0, 0, 0, 0]),
            Message::new(LOG, [1]),
            Message::new(LOOKUP, [0; 4]),
            Message::new(MAP_MODULE, [a, b, c, d, 1, 0]),
            Message::new(MAP_MODULE, [a, b, c, d, 0, 1]),
            Message::new(MAP_MODULE, [a, b, c, d, 0, ukernel_abi::layout::USER_END]),
            Message::new(RAM, [11, 0]),
            Message::new(RAM, [64, 0]),
            Message::new(DMA, [12, 0x800]),
            Message::new(INFO, [0]),
            Message::new(TRACE, [0x1000]),
            Message::new(TRACE, [ukernel_abi::layout::USER_END]),
            Message::new(OK, []),
        ] {
            assert_eq!(Request::try_from(&m), Err(Malformed), "{m:?}");
        }
    }

    fn round_trip<T>(answer: T)
    where
        T: Copy + Debug + PartialEq + Into<Message> + for<'a> TryFrom<&'a Message, Error = Malformed>,
    {
        let m: Message = answer.into();
        assert_eq!(T::try_from(&m), Ok(answer));
        let wrong = Message { tag: ukernel_abi::Tag::new(RAM, m.tag.words(), 0), ..m };
        assert_eq!(T::try_from(&wrong), Err(Malformed), "not the label of an answer");
    }

    #[test]
    fn answers_round_trip() {
        round_trip(Found { thread: ThreadId::new(3, 0, 1) });
        round_trip(Module { size: 12345, align_offset: 0x1000 });
        round_trip(Part { next: 0x40_0000 });
        round_trip(Ram { phys: 0x1_0000_0000, left: 0 });
        round_trip(Devices { more: 1 });
        round_trip(Info { budget: 1 << 28, left: 1 << 27, spare: 1 << 30, kernel_frames: 4096 });
        round_trip(Args { bytes: Bytes::split(b"--strace\0").0 });
    }

    #[test]
    fn nobody_is_not_a_server() {
        assert_eq!(Found::try_from(&Message::ok([0])), Err(Malformed));
        assert_eq!(Found::try_from(&Message::ok([u64::MAX])), Err(Malformed));
    }
}
