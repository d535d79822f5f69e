//! Client of the console server.

use crate::ipc;
use crate::space::Range;
use crate::utcb::Utcb;
use crate::window::Window;
use proto::console::{BUFFER_LOG2, Request, Terminal};
use proto::{Message, Refusal};
use ukernel_abi::{Fpage, Rights, ThreadId};

/// The terminal, as the client that has set it up sees it.
#[derive(Debug)]
pub struct Console {
    server: ThreadId,
    buffer: Window,
    terminal: Terminal,
}

impl Console {
    /// Becomes the client of `server`. Events go to `events`, a thread of the caller's task; they come from
    /// [`Console::terminal`]`.sender` and are `proto::console::Event`s.
    pub fn open(server: ThreadId, events: ThreadId) -> Result<Self, Refusal> {
        let size = 1 << BUFFER_LOG2;
        let range = Range::reserve(size, size, 0).ok_or(Refusal::NoMemory)?;
        let utcb = Utcb::current();
        let before = utcb.window();
        let window = Fpage::memory(range.base(), BUFFER_LOG2, Rights::RW);
        utcb.set_window(window).map_err(|_| Refusal::BadRequest)?;
        let reply = ipc::call(server, &Request::Setup { events, base: range.base() }.into());
        utcb.set_window(before).map_err(|_| Refusal::BadRequest)?;
        let reply = reply.map_err(|_| Refusal::NoDevice)?.accepted()?;
        let terminal = Terminal::try_from(&reply)?;
        Ok(Self { server, buffer: Window::new(range), terminal })
    }

    pub fn terminal(&self) -> &Terminal {
        &self.terminal
    }

    /// Prints all of `bytes` on `channel` (1 output, 2 error), a buffer at a time.
    pub fn write(&self, channel: u32, bytes: &[u8]) -> Result<(), Refusal> {
        for part in bytes.chunks((self.terminal.buffer as usize).max(1)) {
            if !self.buffer.write(0, part) {
                return Err(Refusal::BadRequest);
            }
            let request = Request::Write { channel, len: part.len() as u32 };
            let reply: Message = ipc::call(self.server, &request.into()).map_err(|_| Refusal::NoDevice)?;
            reply.accepted()?;
        }
        Ok(())
    }
}
