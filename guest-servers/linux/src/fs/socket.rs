//! Pairs of connected sockets (`socketpair`).
//!
//! Two pipes, one for each direction. There is no network and no socket with a name; pairs are here because ordinary programs use them
//! among themselves: Rust's standard library, for one, has a child tell its parent through one that it could not be started.

use alloc::collections::VecDeque;
use alloc::format;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use super::context::{Credentials, FsContext};
use super::dentry::Dentry;
use super::file::{File, FileOps, Io};
use super::inode::Inode;
use super::metadata::{Change, DeviceId, FileKind, Metadata, Owner};
use super::pipe::{CAPACITY, Pipe, PipeEnd};
use super::poll::Events;
use super::statfs::StatFs;
use crate::buf::{Limited, Sink, Source};
use crate::errno::{Errno, Result};
use crate::exec::WaitQueue;
use linux_raw_sys::general as raw;

/// Most messages under way in one direction: Linux's `net.unix.max_dgram_qlen` is of this order.
const MESSAGES: usize = 256;

/// What a pair carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes (SOCK_STREAM).
    Stream,
    /// Messages that stay apart (SOCK_SEQPACKET).
    Messages,
}

/// The lengths of the messages in a pipe, oldest first.
type Lengths = Rc<RefCell<VecDeque<usize>>>;

/// One of the two.
struct Socket {
    kind: Kind,
    incoming: PipeEnd,
    outgoing: PipeEnd,
    lengths_in: Lengths,
    lengths_out: Lengths,
}

impl FileOps for Socket {
    /// Of a message, what the reader has no room for is lost.
    fn read(&self, io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        let front = self.lengths_in.borrow().front().copied();
        let (Kind::Messages, Some(len)) = (self.kind, front) else { return self.incoming.read(io, sink) };
        let n = match sink.remaining() {
            0 => 0,
            _ => self.incoming.read(io, &mut Limited::new(sink, len))?,
        };
        self.lengths_in.borrow_mut().pop_front();
        self.incoming.pipe().discard(len - n);
        Ok(n)
    }

    /// A message goes in as a whole or not at all, up to where its memory cannot be read.
    fn write(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        if self.kind == Kind::Stream {
            return self.outgoing.write(io, source);
        }
        let len = source.remaining();
        if len > CAPACITY {
            return Err(Errno::EMSGSIZE);
        }
        let full = self.lengths_out.borrow().len() >= MESSAGES || self.outgoing.pipe().len() + len > CAPACITY;
        if full && !self.is_alone() {
            return Err(Errno::EAGAIN);
        }
        let n = self.outgoing.write(io, source)?;
        if n > 0 {
            self.lengths_out.borrow_mut().push_back(n);
        }
        Ok(n)
    }

    fn poll(&self, queue: &mut dyn FnMut(&WaitQueue)) -> Events {
        let mut events = self.incoming.poll(queue) | self.outgoing.poll(queue);
        if self.is_alone() {
            // Nothing that is done to it will wait. To a socket it is no error that the other one has gone.
            events.remove(Events::ERR);
            events |= Events::READABLE | Events::WRITABLE | Events::HUP | Events::RDHUP;
        } else if self.lengths_out.borrow().len() >= MESSAGES {
            events.remove(Events::WRITABLE);
        }
        events
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn readable_bytes(&self) -> Result<usize> {
        match self.kind {
            Kind::Stream => self.incoming.readable_bytes(),
            Kind::Messages => Ok(self.lengths_in.borrow().front().copied().unwrap_or(0)),
        }
    }
}

impl Socket {
    /// Whether the other one has been closed.
    fn is_alone(&self) -> bool {
        !self.outgoing.has_reader()
    }
}

/// socketpair. `flags`: O_NONBLOCK or none.
pub fn pair(ctx: &FsContext<'_>, kind: Kind, flags: u32) -> Result<(Rc<File>, Rc<File>)> {
    let slots = (ctx.vfs.open_files().take()?, ctx.vfs.open_files().take()?);
    let pipes = [(); 2].map(|()| Pipe::new(ctx.vfs.pool().clone()));
    let lengths: [Lengths; 2] = Default::default();
    let socket = |incoming: usize| Socket {
        kind,
        incoming: PipeEnd::new(&pipes[incoming], true, false),
        outgoing: PipeEnd::new(&pipes[1 - incoming], false, true),
        lengths_in: lengths[incoming].clone(),
        lengths_out: lengths[1 - incoming].clone(),
    };
    let file = |incoming, slot| {
        let (device, number) = ctx.vfs.next_pipe();
        let dentry = Dentry::new_anonymous(
            format!("socket:[{number}]").as_bytes(),
            Rc::new(SocketInode::new(device, number, ctx)),
        );
        File::new(dentry, Rc::new(socket(incoming)), flags & raw::O_NONBLOCK | raw::O_RDWR, slot)
    };
    Ok((file(0, slots.0), file(1, slots.1)))
}

/// What fstat of a socket sees. It cannot be opened again.
struct SocketInode {
    device: DeviceId,
    number: u64,
    owner: Cell<Owner>,
}

impl SocketInode {
    fn new(device: DeviceId, number: u64, ctx: &FsContext<'_>) -> Self {
        let Credentials { uid, gid, .. } = *ctx.creds;
        Self { device, number, owner: Cell::new(Owner::new(0o777, uid, gid, ctx.now())) }
    }
}

impl Inode for SocketInode {
    fn metadata(&self) -> Metadata {
        self.owner.get().metadata(self.device, self.number, FileKind::Socket)
    }
    fn change(&self, change: &Change) -> Result<()> {
        Owner::apply_in(&self.owner, change);
        Ok(())
    }
    fn statfs(&self) -> StatFs {
        StatFs::empty(StatFs::SOCKET)
    }
    fn open(self: Rc<Self>, _flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Err(Errno::ENXIO)
    }
}
