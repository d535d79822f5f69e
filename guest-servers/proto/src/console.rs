//! console: the terminal.
//!
//! A client calls the server's first thread: [`Request::Attach`] with a region that it shares with the server
//! (`crate::drivers`), or [`Request::Setup`] for a buffer of the server's, and then [`Request::Write`] after it has put bytes into the
//! region or the buffer. A region outlives the server: when that was started again, the client attaches again.
//! What is printed is printed at least once, then; what was typed and had not been sent yet is lost. A second thread of the server sends [`Event`]s to the client,
//! which does not answer them: that thread waits for as long as the client does not receive, and meanwhile
//! the input stays where it is.

use crate::message::{Malformed, Message, OK};
use crate::text::Bytes;
use ukernel_abi::{Label, ThreadId};

pub const SETUP: Label = Label(0x301);
pub const WRITE: Label = Label(0x302);
pub const INPUT: Label = Label(0x303);
pub const END: Label = Label(0x304);
pub const RESIZE: Label = Label(0x305);
pub const ATTACH: Label = Label(0x306);

/// From a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// The client wants the terminal; events go to its thread `events`, which is of the caller's task. The
    /// output buffer is mapped at `base` of the receive window (give a window of [`BUFFER_LOG2`]). Answer:
    /// [`Terminal`] with one item. Setting up again replaces the client.
    Setup { events: ThreadId, base: u64 },
    /// As [`Request::Setup`], but bytes to be printed are at the beginning of the region with this name. Answer: [`Terminal`]; its
    /// buffer is the region, as far as it is used.
    Attach { events: ThreadId, region: u64 },
    /// Print the first `len` bytes of the buffer on channel 1 or 2 (`vmm_abi::console`). Answer: `OK` with no
    /// words, when they have been taken.
    Write { channel: u32, len: u32 },
}

/// log2 of the output buffer's size.
pub const BUFFER_LOG2: u32 = 13;

/// Answer to [`Request::Setup`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terminal {
    /// `vmm_abi::console::STDIN_TTY` and so on.
    pub flags: u32,
    /// 0: not known.
    pub size: Size,
    /// Bytes of the output buffer.
    pub buffer: u32,
    /// The thread that sends the events.
    pub sender: ThreadId,
}

/// Of a terminal, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
    pub rows: u16,
    pub cols: u16,
}

/// From the server to its client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    Input(Bytes),
    /// There will be no more input.
    End,
    Resize(Size),
}

impl Size {
    const fn to_word(self) -> u64 {
        self.rows as u64 | (self.cols as u64) << 16
    }

    fn from_word(word: u64) -> Result<Self, Malformed> {
        let word = u32::try_from(word).map_err(|_| Malformed)?;
        Ok(Self { rows: word as u16, cols: (word >> 16) as u16 })
    }
}

impl From<Request> for Message {
    fn from(request: Request) -> Self {
        match request {
            Request::Setup { events, base } => Self::new(SETUP, [events.0, base]),
            Request::Attach { events, region } => Self::new(ATTACH, [events.0, region]),
            Request::Write { channel, len } => Self::new(WRITE, [channel.into(), len.into()]),
        }
    }
}

impl TryFrom<&Message> for Request {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            SETUP => {
                let [events, base] = m.request()?;
                let events = ThreadId(events);
                if events.is_valid() && base & 0xfff == 0 {
                    Ok(Self::Setup { events, base })
                } else {
                    Err(Malformed)
                }
            }
            ATTACH => {
                let [events, region] = m.request()?;
                let events = ThreadId(events);
                if events.is_valid() { Ok(Self::Attach { events, region }) } else { Err(Malformed) }
            }
            WRITE => {
                let [Ok(channel), Ok(len)] = m.request()?.map(u32::try_from) else { return Err(Malformed) };
                if matches!(channel, 1 | 2) && len <= 1 << BUFFER_LOG2 {
                    Ok(Self::Write { channel, len })
                } else {
                    Err(Malformed)
                }
            }
            _ => Err(Malformed),
        }
    }
}

impl From<Terminal> for Message {
    fn from(t: Terminal) -> Self {
        Self::ok([t.flags.into(), t.size.to_word(), t.buffer.into(), t.sender.0])
    }
}

impl TryFrom<&Message> for Terminal {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        let [flags, size, buffer, sender] = m.args()?;
        let (Ok(flags), Ok(buffer)) = (u32::try_from(flags), u32::try_from(buffer)) else {
            return Err(Malformed);
        };
        let sender = ThreadId(sender);
        if m.label() != OK || !sender.is_valid() || buffer > 1 << BUFFER_LOG2 {
            return Err(Malformed);
        }
        Ok(Self { flags, size: Size::from_word(size)?, buffer, sender })
    }
}

impl From<Event> for Message {
    fn from(event: Event) -> Self {
        match event {
            Event::Input(bytes) => Self::new(INPUT, bytes.to_words()),
            Event::End => Self::new(END, []),
            Event::Resize(size) => Self::new(RESIZE, [size.to_word()]),
        }
    }
}

impl TryFrom<&Message> for Event {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            INPUT => Ok(Self::Input(Bytes::from_words(m.request()?)?)),
            END => m.request::<0>().map(|_| Self::End),
            RESIZE => {
                let [size] = m.request()?;
                Ok(Self::Resize(Size::from_word(size)?))
            }
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: ThreadId = ThreadId::new(4, 0, 1);

    #[test]
    fn requests_round_trip() {
        for r in [
            Request::Setup { events: THREAD, base: 0x3000_0000 },
            Request::Attach { events: THREAD, region: u64::MAX },
            Request::Write { channel: 1, len: 8192 },
            Request::Write { channel: 2, len: 0 },
        ] {
            assert_eq!(Request::try_from(&r.into()), Ok(r));
        }
    }

    #[test]
    fn bad_requests() {
        for m in [
            Message::new(SETUP, [0, 0x3000_0000]),
            Message::new(SETUP, [THREAD.0, 1]),
            Message::new(ATTACH, [0, 1]),
            Message::new(ATTACH, [THREAD.0]),
            Message::new(WRITE, [0, 1]),
            Message::new(WRITE, [3, 1]),
            Message::new(WRITE, [1, 8193]),
            Message::new(WRITE, [1, u32::MAX.into()]),
            Message::new(WRITE, [1 << 32 | 1, 1]),
            Message::new(WRITE, [1, 1, 0]),
            Message::new(INPUT, [0; 7]),
        ] {
            assert_eq!(Request::try_from(&m), Err(Malformed), "{m:?}");
        }
    }

    #[test]
    fn terminal_round_trips_and_a_lying_buffer_size_does_not() {
        let t = Terminal { flags: 7, size: Size { rows: 24, cols: 80 }, buffer: 8192, sender: THREAD };
        assert_eq!(Terminal::try_from(&t.into()), Ok(t));
        assert_eq!(Terminal::try_from(&Terminal { buffer: 8193, ..t }.into()), Err(Malformed));
        assert_eq!(Terminal::try_from(&Terminal { sender: ThreadId::NIL, ..t }.into()), Err(Malformed));
    }

    #[test]
    fn events_round_trip() {
        for e in [
            Event::Input(Bytes::split(b"ls -l\r").0),
            Event::End,
            Event::Resize(Size { rows: 50, cols: 132 }),
        ] {
            assert_eq!(Event::try_from(&e.into()), Ok(e));
        }
        assert_eq!(Event::try_from(&Message::new(RESIZE, [1 << 32])), Err(Malformed));
        assert_eq!(Event::try_from(&Message::new(END, [1])), Err(Malformed));
    }
}
