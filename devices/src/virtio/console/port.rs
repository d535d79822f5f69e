//! One port: bytes both ways, and what the driver has to be told of it.

use super::backend::{Port, PortSpec};
use super::config::Queue;
use super::request::{Tell, check_data};
use crate::virtio::{Broken, Chain, Io, Range, chain};

/// Bytes that are moved at once.
const CHUNK: usize = 16 << 10;

/// What the driver does not know yet.
#[derive(Default)]
struct News {
    add: bool,
    console: bool,
    name: bool,
    size: bool,
    open: bool,
}

/// A port with what is under way.
pub struct State {
    name: String,
    is_console: bool,
    port: Box<dyn Port>,
    index: usize,
    news: News,
    /// The driver uses it.
    is_ready: bool,
    /// A program of the guest's has opened it.
    guest_open: bool,
    /// Whether the driver was told that somebody is at the other end.
    told_open: bool,
    /// A message of the guest's of which the other end has not taken everything: its head, and what is left.
    sending: Option<(u16, Vec<Range>)>,
    /// Buffers of the guest's, for the next bytes that come.
    receiving: Option<Chain>,
}

impl State {
    pub fn new(index: usize, spec: PortSpec) -> Self {
        Self {
            name: spec.name,
            is_console: spec.is_console,
            port: spec.port,
            index,
            news: News::default(),
            is_ready: false,
            guest_open: false,
            told_open: false,
            sending: None,
            receiving: None,
        }
    }

    /// As it was in the beginning.
    pub fn reset(&mut self) {
        self.open(false);
        self.news = News::default();
        (self.is_ready, self.told_open) = (false, false);
        (self.sending, self.receiving) = (None, None);
    }

    /// Guest → host, as far as there is room.
    pub fn send(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        let queue = Queue::Transmit(self.index).number();
        let mut chunk = [0; CHUNK];
        loop {
            let (head, mut left) = match self.sending.take() {
                Some(message) => message,
                None => match io.pop(queue)? {
                    Some(chain) => {
                        check_data(&chain)?;
                        (chain.head, chain.readable)
                    }
                    None => return Ok(()),
                },
            };
            while !left.is_empty() {
                let len = chain::read(io.memory, &left, &mut chunk)?;
                let taken = self.port.write(&chunk[..len]).min(len);
                left = chain::split(&left, taken as u64).1;
                if taken < len {
                    self.sending = Some((head, left));
                    return Ok(());
                }
            }
            io.push(queue, head, 0)?;
        }
    }

    /// Host → guest, as far as there are buffers.
    pub fn receive(&mut self, io: &mut Io<'_>) -> Result<(), Broken> {
        let queue = Queue::Receive(self.index).number();
        let mut chunk = [0; CHUNK];
        while self.guest_open {
            let Some(chain) = self.receiving.take().map_or_else(|| io.pop(queue), |chain| Ok(Some(chain)))?
            else {
                return Ok(());
            };
            let room = chain.writable_len().min(CHUNK as u64) as usize;
            if room == 0 {
                return Err(Broken("a buffer for a console's input that cannot be written"));
            }
            let len = self.port.read(&mut chunk[..room]).min(room);
            if len == 0 {
                self.receiving = Some(chain);
                return Ok(());
            }
            chain::write(io.memory, &chain.writable, &chunk[..len])?;
            io.push(queue, chain.head, len as u32)?;
        }
        Ok(())
    }

    /// Prints a byte, if there is room: nobody waits for it.
    pub fn print(&mut self, byte: u8) {
        self.port.write(&[byte]);
    }

    /// A program of the guest's has opened it, or closed it.
    pub fn open(&mut self, open: bool) {
        if self.guest_open != open {
            self.guest_open = open;
            self.port.guest_opened(open);
        }
    }

    /// The driver is to be told that it is there.
    pub fn announce(&mut self) {
        self.news.add = true;
    }

    /// The driver uses it, and is to be told everything about it.
    pub fn introduce(&mut self) {
        (self.is_ready, self.told_open) = (true, false);
        (self.news.console, self.news.size) = (self.is_console, self.is_console);
        self.news.name = !self.name.is_empty();
        self.look();
    }

    /// Looks whether somebody is at the other end.
    pub fn look(&mut self) {
        self.news.open = self.is_ready && self.port.is_open() != self.told_open;
    }

    /// The terminal has another size.
    pub fn resized(&mut self) {
        self.news.size = self.is_ready && self.is_console;
    }

    /// What the driver is to be told next. Asked again, it is the same, until [`Self::told`].
    pub fn next(&self, size: (u16, u16)) -> Option<Tell> {
        match () {
            () if self.news.add => Some(Tell::Add),
            () if self.news.console => Some(Tell::Console),
            () if self.news.name => Some(Tell::Name(self.name.clone())),
            () if self.news.size => Some(Tell::Resize(size.0, size.1)),
            () if self.news.open => Some(Tell::Open(!self.told_open)),
            () => None,
        }
    }

    /// The driver was told so.
    pub fn told(&mut self, what: &Tell) {
        match what {
            Tell::Add => self.news.add = false,
            Tell::Console => self.news.console = false,
            Tell::Name(_) => self.news.name = false,
            Tell::Resize(..) => self.news.size = false,
            Tell::Open(open) => (self.news.open, self.told_open) = (false, *open),
        }
    }
}
