//! Client of the console server.
//!
//! What is to be printed is in a region that the client shares with the server, so it outlives the server. When that has been started
//! again, whoever notices first attaches again: who prints, or who waits for events ([`Attachment`]).

use crate::trace::{self, Event};
use crate::window::Window;
use crate::{drivers, ipc, root, thread};
use core::cell::Cell;
use proto::console::{BUFFER_LOG2, Request, Terminal};
use proto::{Message, Refusal};
use ukernel_abi::ThreadId;

/// Name of the server.
const SERVER: &str = "console";
/// How long one pause is while the server is being started again, and how many there are before it is given up: 10 s.
const PAUSE_US: u32 = 500;
const PAUSES: u32 = 20_000;

/// By which a client attaches to the server, again and again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The thread, of this task, that gets the events.
    pub events: ThreadId,
    /// root's name of the region.
    pub region: u64,
}

impl Attachment {
    /// Becomes the server's client, as soon as there is a server: its first thread, and what it says. Events come from
    /// [`Terminal::sender`].
    pub fn attach(&self) -> Result<(ThreadId, Terminal), Refusal> {
        for _ in 0..PAUSES {
            match self.try_to_attach() {
                Err(Refusal::Again) => thread::sleep(PAUSE_US),
                result => return result,
            }
        }
        Err(Refusal::Again)
    }

    fn try_to_attach(&self) -> Result<(ThreadId, Terminal), Refusal> {
        let server = root::lookup(SERVER)?;
        let request = Request::Attach { events: self.events, region: self.region };
        // One that has just died is looked for again.
        let reply = ipc::call(server, &request.into()).map_err(|_| Refusal::Again)?.accepted()?;
        Ok((server, Terminal::try_from(&reply)?))
    }
}

/// The terminal, as its client sees it.
#[derive(Debug)]
pub struct Console {
    attachment: Attachment,
    buffer: Window,
    server: Cell<ThreadId>,
    terminal: Cell<Terminal>,
}

impl Console {
    /// Becomes the client of the server `console`. Events go to `events`, a thread of the caller's task; they come from
    /// [`Console::terminal`]`.sender` and are `proto::console::Event`s.
    pub fn open(events: ThreadId) -> Result<Self, Refusal> {
        let (buffer, region) = drivers::share(BUFFER_LOG2, SERVER)?;
        let attachment = Attachment { events, region };
        let (server, terminal) = attachment.attach()?;
        Ok(Self { attachment, buffer, server: Cell::new(server), terminal: Cell::new(terminal) })
    }

    pub fn terminal(&self) -> Terminal {
        self.terminal.get()
    }
    /// For the thread that gets the events, which may notice first that the server has died.
    pub fn attachment(&self) -> Attachment {
        self.attachment
    }

    /// Prints all of `bytes` on `channel` (1 output, 2 error), a buffer at a time.
    pub fn write(&self, channel: u32, bytes: &[u8]) -> Result<(), Refusal> {
        for part in bytes.chunks((self.terminal.get().buffer as usize).clamp(1, self.buffer.size())) {
            if !self.buffer.write(0, part) {
                return Err(Refusal::BadRequest);
            }
            let request = Request::Write { channel, len: part.len() as u32 };
            while let Err(why) = self.call(&request.into()) {
                match why {
                    // It has died, or has been started again and does not know this client yet.
                    Refusal::Again | Refusal::Denied => {
                        let (server, terminal) = self.attachment.attach()?;
                        self.server.set(server);
                        self.terminal.set(terminal);
                    }
                    why => return Err(why),
                }
            }
        }
        Ok(())
    }

    fn call(&self, message: &Message) -> Result<(), Refusal> {
        let server = self.server.get();
        trace::event(Event::DRIVER_REQUEST, server.0);
        let answer = ipc::call(server, message);
        trace::event(Event::DRIVER_DONE, server.0);
        answer.map_err(|_| Refusal::Again)?.accepted().map(drop)
    }
}
