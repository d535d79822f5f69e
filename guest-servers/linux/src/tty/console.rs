//! What descriptors 0, 1 and 2 of the first program are, and `/dev/console` and `/dev/tty`.

use alloc::rc::Rc;
use core::cell::Cell;

use super::stream::Stream;
use super::terminal::{Terminal, WindowSize};
use super::{Channel, ConsoleHost};
use crate::errno::{Errno, Result};
use crate::fs::context::FsContext;
use crate::fs::dentry::Dentry;
use crate::fs::devices::number;
use crate::fs::file::{File, FileOps};
use crate::fs::inode::Inode;
use crate::fs::metadata::{Change, DeviceId, FileKind, Metadata, Owner};
use crate::fs::path::{Base, lookup};
use crate::fs::statfs::StatFs;
use crate::fs::vfs::{Device, Vfs};
use linux_raw_sys::general as raw;

/// Which of the host's streams are terminals.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Terminals {
    pub input: bool,
    pub output: bool,
    pub error: bool,
}

/// The console: a terminal if the host's standard input is one, and the plain streams.
///
/// The host's terminal is in raw mode only if it is the host's standard input, so that is what decides whether there is a line discipline
/// here. A stream that goes elsewhere on the host (`ukvmm … > file`) is a plain stream all the same.
#[derive(Clone)]
pub struct Console {
    terminal: Option<Terminal>,
    stream: Stream,
    terminals: Terminals,
}

impl Console {
    pub fn new(host: Rc<dyn ConsoleHost>, terminals: Terminals, size: WindowSize) -> Self {
        let terminal = terminals.input.then(|| Terminal::new(host.clone(), size));
        Self { terminal, stream: Stream::new(host), terminals }
    }

    pub fn terminal(&self) -> Option<&Terminal> {
        self.terminal.as_ref()
    }

    /// Input from the host. Returns how many bytes were taken.
    pub fn input(&self, bytes: &[u8]) -> usize {
        match &self.terminal {
            Some(terminal) => terminal.input(bytes),
            None => self.stream.input(bytes),
        }
    }

    /// The host's input has ended.
    pub fn input_ended(&self) {
        match &self.terminal {
            Some(terminal) => terminal.input_ended(),
            None => self.stream.input_ended(),
        }
    }

    pub fn resize(&self, size: WindowSize) {
        if let Some(terminal) = &self.terminal {
            terminal.resize(size);
        }
    }

    /// Adds `/dev/console` and `/dev/tty`.
    pub fn add_devices(&self, vfs: &Vfs) {
        vfs.add_device(FileKind::Character, number::CONSOLE, Rc::new(ConsoleDevice(self.clone())));
        vfs.add_device(FileKind::Character, number::TTY, Rc::new(TtyDevice(self.terminal.clone())));
    }

    /// Descriptors 0, 1 and 2 of the first program.
    pub fn standard_files(&self, ctx: &FsContext<'_>) -> Result<[Rc<File>; 3]> {
        Ok([
            self.standard(ctx, self.terminals.input, None)?,
            self.standard(ctx, self.terminals.output, Some(Channel::Out))?,
            self.standard(ctx, self.terminals.error, Some(Channel::Err))?,
        ])
    }

    fn standard(&self, ctx: &FsContext<'_>, is_terminal: bool, channel: Option<Channel>) -> Result<Rc<File>> {
        let slot = ctx.vfs.open_files().take()?;
        if let Some(terminal) = self.terminal.as_ref().filter(|_| is_terminal) {
            let dentry = lookup(ctx, Base::Cwd, b"/dev/console", true)?;
            return Ok(File::new(dentry, Rc::new(terminal.clone()), raw::O_RDWR, slot));
        }
        let name: &[u8] = match channel {
            None => b"pipe:[stdin]",
            Some(Channel::Out) => b"pipe:[stdout]",
            Some(Channel::Err) => b"pipe:[stderr]",
        };
        let inode = StreamInode {
            stream: self.stream.clone(),
            channel,
            owner: Cell::new(Owner::new(0o600, 0, 0, ctx.now())),
        };
        let flags = if channel.is_none() { raw::O_RDONLY } else { raw::O_WRONLY };
        let dentry = Dentry::new_anonymous(name, Rc::new(inode));
        Ok(File::new(dentry, self.stream.end(channel), flags, slot))
    }
}

/// `/dev/console`
struct ConsoleDevice(Console);

impl Device for ConsoleDevice {
    fn open(&self, flags: u32, ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        match &self.0.terminal {
            // Linux: opening the console never makes it the controlling terminal by itself; a first program with no other wants it to.
            Some(terminal) => {
                if flags & raw::O_NOCTTY == 0 {
                    terminal.offer_control(ctx.caller);
                }
                Ok(Rc::new(terminal.clone()))
            }
            None => Ok(self.0.stream.end(Some(Channel::Out))),
        }
    }
}

/// `/dev/tty`: the caller's controlling terminal.
struct TtyDevice(Option<Terminal>);

impl Device for TtyDevice {
    fn open(&self, _flags: u32, ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        match &self.0 {
            Some(terminal) if terminal.controls(ctx.caller) => Ok(Rc::new(terminal.clone())),
            _ => Err(Errno::ENXIO),
        }
    }
}

/// What fstat of a stream sees: a pipe, as it would be of a program whose output is piped.
struct StreamInode {
    stream: Stream,
    channel: Option<Channel>,
    owner: Cell<Owner>,
}

impl Inode for StreamInode {
    fn metadata(&self) -> Metadata {
        let number = self.channel.map_or(0, |c| c as u64);
        self.owner.get().metadata(DeviceId::NONE, number, FileKind::Fifo)
    }
    fn change(&self, change: &Change) -> Result<()> {
        Owner::apply_in(&self.owner, change);
        Ok(())
    }
    fn statfs(&self) -> StatFs {
        StatFs::empty(StatFs::PIPE)
    }
    /// Opened again through `/dev/stdout` and the like.
    fn open(self: Rc<Self>, _flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Ok(self.stream.end(self.channel))
    }
}
