//! Pipes and FIFOs.
//!
//! A ring of 64 KiB whose pages are taken when bytes are first put into them and given back when the last byte is taken out, so an
//! idle pipe has none. Writes of up to PIPE_BUF bytes go in as a whole or not at all (POSIX, write()).

use alloc::format;
use alloc::rc::Rc;
use core::cell::{Cell, RefCell};

use super::context::{Credentials, FsContext};
use super::dentry::Dentry;
use super::file::{File, FileOps, Io};
use super::inode::Inode;
use super::metadata::{Change, DeviceId, FileKind, Metadata, Owner};
use super::poll::Events;
use super::statfs::StatFs;
use crate::buf::{Sink, Source};
use crate::errno::{Errno, Result};
use crate::exec::WaitQueue;
use crate::frames::{FRAME_SIZE, Frame, FramePool};
use linux_raw_sys::general as raw;

/// Bytes that a pipe holds.
pub const CAPACITY: usize = 16 * FRAME_SIZE;
/// Writes of up to this many bytes are not mixed with others.
pub const PIPE_BUF: usize = raw::PIPE_BUF as usize;

pub struct Pipe {
    pool: FramePool,
    ring: RefCell<Ring>,
    readers: Ends,
    writers: Ends,
}

/// The open ends of one side.
#[derive(Default)]
struct Ends {
    open: Cell<usize>,
    /// How many there ever were.
    ever: Cell<u64>,
    /// Woken when this side may have something to do.
    queue: WaitQueue,
}

impl Ends {
    fn add(&self) {
        self.open.set(self.open.get() + 1);
        self.ever.set(self.ever.get() + 1);
    }
}

/// Bytes `start..end` of the stream are in the ring, byte n in page n / 4096 modulo 16.
#[derive(Default)]
struct Ring {
    start: u64,
    end: u64,
    pages: [Option<Frame>; CAPACITY / FRAME_SIZE],
}

impl Ring {
    fn len(&self) -> usize {
        (self.end - self.start) as usize
    }
    fn room(&self) -> usize {
        CAPACITY - self.len()
    }
    fn page(position: u64) -> usize {
        (position / FRAME_SIZE as u64) as usize % (CAPACITY / FRAME_SIZE)
    }
    /// Bytes from `position` to the end of its page.
    fn to_page_end(position: u64) -> usize {
        FRAME_SIZE - (position % FRAME_SIZE as u64) as usize
    }
}

impl Pipe {
    pub fn new(pool: FramePool) -> Rc<Self> {
        Rc::new(Self { pool, ring: RefCell::default(), readers: Ends::default(), writers: Ends::default() })
    }

    /// Bytes that are in the pipe.
    pub fn len(&self) -> usize {
        self.ring.borrow().len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Opens an end, or both, as the access mode in `flags` says. ENXIO for a writer that will not wait when there is no reader.
    pub fn open_fifo(self: &Rc<Self>, flags: u32) -> Result<PipeEnd> {
        let mode = flags & raw::O_ACCMODE;
        let (reads, writes) = (mode != raw::O_WRONLY, mode != raw::O_RDONLY);
        let waits = flags & raw::O_NONBLOCK == 0;
        if writes && !reads && !waits && self.readers.open.get() == 0 {
            return Err(Errno::ENXIO);
        }
        let end = PipeEnd::new(self, reads, writes);
        if waits && reads != writes {
            let partners = if reads { &self.writers } else { &self.readers };
            if partners.open.get() == 0 {
                end.opened_at.set(Some(partners.ever.get()));
            }
        }
        // Whoever waits for this end in its own open, or in poll.
        self.readers.queue.wake_all();
        self.writers.queue.wake_all();
        Ok(end)
    }

    fn read(&self, sink: &mut dyn Sink) -> Result<usize> {
        let mut done = 0;
        while sink.remaining() > 0 {
            // Not borrowed while copying, which may fault.
            let (position, len, frame) = {
                let ring = self.ring.borrow();
                let len = ring.len().min(Ring::to_page_end(ring.start)).min(sink.remaining());
                (ring.start, len, ring.pages[Ring::page(ring.start)].clone())
            };
            let (true, Some(frame)) = (len > 0, frame) else { break };
            let offset = (position % FRAME_SIZE as u64) as usize;
            match sink.put_cells(&frame.cells()[offset..offset + len]) {
                Ok(n) => {
                    self.consume(n);
                    done += n;
                    if n < len {
                        break;
                    }
                }
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        if done > 0 {
            self.writers.queue.wake_all();
        }
        Ok(done)
    }

    /// Takes `n` bytes that are there, and gives them to nobody.
    pub(super) fn discard(&self, mut n: usize) {
        while n > 0 {
            let step = n.min(Ring::to_page_end(self.ring.borrow().start));
            self.consume(step);
            n -= step;
        }
        self.writers.queue.wake_all();
    }

    fn consume(&self, n: usize) {
        let mut ring = self.ring.borrow_mut();
        let page = Ring::page(ring.start);
        ring.start += n as u64;
        if ring.start == ring.end {
            // Start afresh at the page's beginning, so that small messages keep using one page.
            ring.pages[page] = None;
            ring.end = ring.end.next_multiple_of(FRAME_SIZE as u64);
            ring.start = ring.end;
        } else if ring.start.is_multiple_of(FRAME_SIZE as u64) && ring.len() <= CAPACITY - FRAME_SIZE {
            // With more in the ring, the newest bytes are in this page, too.
            ring.pages[page] = None;
        }
    }

    fn write(&self, source: &mut dyn Source) -> Result<usize> {
        let mut done = 0;
        while source.remaining() > 0 {
            let (position, len, frame) = {
                let mut ring = self.ring.borrow_mut();
                let len = ring.room().min(Ring::to_page_end(ring.end)).min(source.remaining());
                if len == 0 {
                    break;
                }
                let (position, page) = (ring.end, Ring::page(ring.end));
                let frame = match &ring.pages[page] {
                    Some(frame) => frame.clone(),
                    None if done > 0 => match self.pool.alloc_zeroed() {
                        Ok(frame) => ring.pages[page].insert(frame).clone(),
                        Err(_) => break,
                    },
                    None => ring.pages[page].insert(self.pool.alloc_zeroed()?).clone(),
                };
                (position, len, frame)
            };
            let offset = (position % FRAME_SIZE as u64) as usize;
            match source.take_cells(&frame.cells()[offset..offset + len]) {
                Ok(n) => {
                    self.ring.borrow_mut().end += n as u64;
                    done += n;
                    if n < len {
                        break;
                    }
                }
                Err(e) if done == 0 => return Err(e),
                Err(_) => break,
            }
        }
        if done > 0 {
            self.readers.queue.wake_all();
        }
        Ok(done)
    }
}

/// What an open file of a pipe works with.
pub struct PipeEnd {
    pipe: Rc<Pipe>,
    reads: bool,
    writes: bool,
    /// While the opener waits for a partner: how many there had ever been when it began.
    opened_at: Cell<Option<u64>>,
    /// Writers there had ever been when this end was opened: before there is a new one, no writers is not a hang-up.
    writers_before: u64,
}

impl PipeEnd {
    pub(super) fn new(pipe: &Rc<Pipe>, reads: bool, writes: bool) -> Self {
        let writers_before = pipe.writers.ever.get() - pipe.writers.open.get() as u64;
        if reads {
            pipe.readers.add();
        }
        if writes {
            pipe.writers.add();
        }
        Self { pipe: pipe.clone(), reads, writes, opened_at: Cell::new(None), writers_before }
    }

    pub(super) fn pipe(&self) -> &Pipe {
        &self.pipe
    }

    /// Whether anybody can still read what is written.
    pub(super) fn has_reader(&self) -> bool {
        self.pipe.readers.open.get() > 0
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        for (is_one, ends) in [(self.reads, &self.pipe.readers), (self.writes, &self.pipe.writers)] {
            if is_one {
                ends.open.set(ends.open.get() - 1);
            }
        }
        let pipe = &self.pipe;
        if pipe.readers.open.get() == 0 && pipe.writers.open.get() == 0 {
            // Of a FIFO, which may be opened again: it is empty then.
            *pipe.ring.borrow_mut() = Ring::default();
        }
        pipe.readers.queue.wake_all();
        pipe.writers.queue.wake_all();
    }
}

impl FileOps for PipeEnd {
    fn read(&self, _io: &Io<'_>, sink: &mut dyn Sink) -> Result<usize> {
        if sink.remaining() == 0 {
            return Ok(0);
        }
        if self.pipe.is_empty() {
            let ended = self.pipe.writers.open.get() == 0;
            return if ended { Ok(0) } else { Err(Errno::EAGAIN) };
        }
        self.pipe.read(sink)
    }

    fn write(&self, io: &Io<'_>, source: &mut dyn Source) -> Result<usize> {
        if source.remaining() == 0 {
            return Ok(0);
        }
        if self.pipe.readers.open.get() == 0 {
            io.caller.signal_self(raw::SIGPIPE);
            return Err(Errno::EPIPE);
        }
        let room = self.pipe.ring.borrow().room();
        let whole = source.remaining() <= PIPE_BUF;
        if room == 0 || whole && room < source.remaining() {
            return Err(Errno::EAGAIN);
        }
        self.pipe.write(source)
    }

    fn poll(&self, queue: &mut dyn FnMut(&WaitQueue)) -> Events {
        let mut events = Events::empty();
        if self.reads {
            queue(&self.pipe.readers.queue);
            if !self.pipe.is_empty() {
                events |= Events::READABLE;
            }
            let writers = &self.pipe.writers;
            if writers.open.get() == 0 && writers.ever.get() > self.writers_before {
                events |= Events::HUP;
            }
        }
        if self.writes {
            queue(&self.pipe.writers.queue);
            if self.pipe.ring.borrow().room() >= PIPE_BUF {
                events |= Events::WRITABLE;
            }
            if self.pipe.readers.open.get() == 0 {
                events |= Events::ERR;
            }
        }
        events
    }

    fn is_seekable(&self) -> bool {
        false
    }

    fn is_open(&self) -> bool {
        let partners = if self.reads { &self.pipe.writers } else { &self.pipe.readers };
        // One that came and went again in the meantime counts.
        if self.opened_at.get().is_some_and(|ever| partners.ever.get() > ever) {
            self.opened_at.set(None);
        }
        self.opened_at.get().is_none()
    }

    fn readable_bytes(&self) -> Result<usize> {
        Ok(self.pipe.len())
    }

    fn pipe_capacity(&self) -> Option<usize> {
        Some(CAPACITY)
    }
}

/// pipe2: the reading and the writing end. `flags`: O_NONBLOCK or none.
pub fn pipe(ctx: &FsContext<'_>, flags: u32) -> Result<(Rc<File>, Rc<File>)> {
    let slots = (ctx.vfs.open_files().take()?, ctx.vfs.open_files().take()?);
    let (device, number) = ctx.vfs.next_pipe();
    let inode = Rc::new(PipeInode::new(device, number, ctx));
    let dentry = Dentry::new_anonymous(format!("pipe:[{number}]").as_bytes(), inode.clone());
    let flags = flags & raw::O_NONBLOCK;
    let reader = PipeEnd::new(&inode.pipe, true, false);
    let writer = PipeEnd::new(&inode.pipe, false, true);
    Ok((
        File::new(dentry.clone(), Rc::new(reader), flags | raw::O_RDONLY, slots.0),
        File::new(dentry, Rc::new(writer), flags | raw::O_WRONLY, slots.1),
    ))
}

/// What fstat of a pipe sees; opened again through `/proc/PID/fd`.
struct PipeInode {
    pipe: Rc<Pipe>,
    device: DeviceId,
    number: u64,
    owner: Cell<Owner>,
}

impl PipeInode {
    fn new(device: DeviceId, number: u64, ctx: &FsContext<'_>) -> Self {
        let Credentials { uid, gid, .. } = *ctx.creds;
        let owner = Cell::new(Owner::new(0o600, uid, gid, ctx.now()));
        Self { pipe: Pipe::new(ctx.vfs.pool().clone()), device, number, owner }
    }
}

impl Inode for PipeInode {
    fn metadata(&self) -> Metadata {
        self.owner.get().metadata(self.device, self.number, FileKind::Fifo)
    }
    fn change(&self, change: &Change) -> Result<()> {
        Owner::apply_in(&self.owner, change);
        Ok(())
    }
    fn statfs(&self) -> StatFs {
        StatFs::empty(StatFs::PIPE)
    }
    fn open(self: Rc<Self>, flags: u32, _ctx: &FsContext<'_>) -> Result<Rc<dyn FileOps>> {
        Ok(Rc::new(self.pipe.open_fifo(flags)?))
    }
}
