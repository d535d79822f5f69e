//! io_uring: reading, writing and flushing, handed to the kernel by shared memory.
//!
//! All that comes with one doorbell of the guest's goes to the kernel in one call. What it can do at once (data that is in the page cache) is
//! done when that call returns, and is taken from the completion queue there; so while the call lasts, completions do not write the eventfd that
//! wakes us for all others. Looking once more after that has been allowed again closes the gap in between.
//!
//! The kernel may read or write less than it was asked to. What is left is asked for again; nothing at all is the end of the file.

use super::image::Image;
use super::perform::shrunk;
use super::vectors::Vectors;
use devices::virtio::Memory;
use devices::virtio::block::Operation;
use io_uring::register::Restriction;
use io_uring::{IoUring, cqueue, opcode, squeue, types};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use vmm_sys_util::eventfd::EventFd;

/// Entries of the submission queue. The completion queue has twice as many.
const ENTRIES: u32 = 256;

/// What has come to an end, and how.
pub type Done = (u16, io::Result<()>);

/// An io_uring for one disk.
pub struct Ring {
    ring: IoUring,
    flights: Vec<Flight>,
    /// Indices of those of `flights` that are none.
    free: Vec<usize>,
    /// Indices of those that the kernel has not got yet.
    waiting: VecDeque<usize>,
    /// How many it has got.
    in_kernel: usize,
    /// How many it may have: as many as there is room for answers.
    room: usize,
    image: Arc<Image>,
    /// Keeps the mapping that `flights` refers to.
    memory: Memory,
}

/// An operation that is under way.
#[derive(Default)]
struct Flight {
    slot: u16,
    kind: Kind,
    offset: u64,
    vectors: Vectors,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    Read,
    Write {
        durable: bool,
    },
    #[default]
    Flush,
}

/// From here on the ring does what disks need and nothing else, whoever fills it: filters of system calls do not see what is done by it
/// ([`crate::jail`]).
fn confine(ring: &IoUring) -> io::Result<()> {
    let codes = [opcode::Readv::CODE, opcode::Writev::CODE, opcode::Fsync::CODE];
    ring.submitter().register_restrictions(&mut codes.map(Restriction::sqe_op))?;
    ring.submitter().register_enable_rings()
}

impl Ring {
    /// An error if the kernel has no io_uring, one that is too old (before Linux 5.10), or does not allow us to use it. `ready` is written when
    /// something has come to an end.
    pub fn new(image: Arc<Image>, memory: Memory, ready: &EventFd) -> io::Result<Self> {
        let ring = IoUring::builder().setup_clamp().setup_r_disabled().build(ENTRIES)?;
        let parameters = ring.params();
        if !parameters.is_feature_submit_stable() {
            return Err(ErrorKind::Unsupported.into());
        }
        ring.submitter().register_eventfd(ready.as_raw_fd())?;
        confine(&ring)?;
        Ok(Self {
            room: parameters.cq_entries() as usize,
            ring,
            flights: Vec::new(),
            free: Vec::new(),
            waiting: VecDeque::new(),
            in_kernel: 0,
            image,
            memory,
        })
    }

    /// Takes `operation`; `None` if it is of a kind that is done elsewhere.
    pub fn submit(&mut self, slot: u16, operation: &Operation) -> Option<io::Result<()>> {
        let (kind, offset, ranges) = match *operation {
            Operation::Read { offset, ref into } => (Kind::Read, offset, into.as_slice()),
            Operation::Write { offset, ref from, durable } => {
                (Kind::Write { durable }, offset, from.as_slice())
            }
            Operation::Flush => (Kind::Flush, 0, &[][..]),
            Operation::Discard { .. } | Operation::WriteZeroes { .. } => return None,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.flights.push(Flight::default());
            self.flights.len() - 1
        });
        let flight = &mut self.flights[index];
        (flight.slot, flight.kind, flight.offset) = (slot, kind, offset);
        if let Err(error) = flight.vectors.fill(&self.memory, ranges) {
            self.free.push(index);
            return Some(Err(error));
        }
        self.waiting.push_back(index);
        Some(Ok(()))
    }

    /// Hands over what was submitted, and adds what has come to an end to `done`.
    pub fn start(&mut self, done: &mut VecDeque<Done>) {
        if self.waiting.is_empty() {
            return;
        }
        self.ring.completion().disable_eventfd();
        self.fill();
        self.enter(0);
        self.take(done);
        self.ring.completion().enable_eventfd();
        // What ends after this look writes the eventfd.
        fence(Ordering::SeqCst);
        self.take(done);
    }

    /// Adds what has come to an end to `done`.
    pub fn take(&mut self, done: &mut VecDeque<Done>) {
        while let Some(answer) = self.next_answer() {
            let index = answer.user_data() as usize;
            self.in_kernel -= 1;
            match self.flights[index].advance(answer.result()) {
                Some(result) => {
                    done.push_back((self.flights[index].slot, result));
                    self.free.push(index);
                }
                None => self.waiting.push_back(index),
            }
        }
        self.fill();
        self.enter(0);
    }

    fn next_answer(&mut self) -> Option<cqueue::Entry> {
        self.ring.completion().next()
    }

    /// Waits until nothing is under way. What comes to an end is forgotten.
    pub fn drain(&mut self) {
        self.fill();
        while self.in_kernel > 0 {
            if !self.enter(1) {
                return;
            }
            self.take(&mut VecDeque::new());
        }
    }

    /// Moves what waits into the submission queue, as much as there is room for answers.
    fn fill(&mut self) {
        while self.in_kernel < self.room
            && let Some(index) = self.waiting.pop_front()
        {
            let entry = self.flights[index].entry(&self.image).user_data(index as u64);
            // SAFETY: the buffers of the flight are in the mapping of `memory`, and its list of them stays as it is until the kernel has
            // answered (only then is it in `free` or `waiting`); both live until `drop` has seen all answers.
            if unsafe { self.ring.submission().push(&entry) }.is_err() {
                self.waiting.push_front(index);
                if !self.enter(0) {
                    return;
                }
                continue;
            }
            self.in_kernel += 1;
        }
    }

    /// Hands over everything, and waits for `want` answers. False if the kernel does not do that, which is not to be expected.
    fn enter(&mut self, mut want: usize) -> bool {
        while want > 0 || !self.ring.submission().is_empty() {
            match self.ring.submit_and_wait(want) {
                Ok(_) => want = 0,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Short of memory.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => std::thread::yield_now(),
                Err(error) => {
                    tracing::error!(%error, "disk {}: io_uring failed", self.image.path.display());
                    return false;
                }
            }
        }
        true
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        self.drain();
    }
}

impl Flight {
    fn entry(&self, image: &Image) -> squeue::Entry {
        let offset = self.offset;
        let aligned = |block: u32| offset.is_multiple_of(block.into()) && self.vectors.are_aligned(block);
        let (list, count) = (self.vectors.left().as_ptr(), self.vectors.left().len() as u32);
        match self.kind {
            Kind::Read => {
                let fd = types::Fd(image.data_fd(aligned));
                opcode::Readv::new(fd, list, count).offset(offset).build()
            }
            Kind::Write { durable } => {
                let fd = types::Fd(image.data_fd(aligned));
                let flags = if durable { libc::RWF_DSYNC } else { 0 };
                opcode::Writev::new(fd, list, count).offset(offset).rw_flags(flags).build()
            }
            Kind::Flush => {
                opcode::Fsync::new(types::Fd(image.fd())).flags(types::FsyncFlags::DATASYNC).build()
            }
        }
    }

    /// What the kernel's answer means. `None`: it is not done.
    fn advance(&mut self, answer: i32) -> Option<io::Result<()>> {
        match answer {
            0.. if self.kind == Kind::Flush => Some(Ok(())),
            0 => Some(Err(shrunk())),
            1.. => {
                self.vectors.advance(answer as usize);
                self.offset += answer as u64;
                self.vectors.is_empty().then_some(Ok(()))
            }
            _ if matches!(-answer, libc::EINTR | libc::EAGAIN) => None,
            _ => Some(Err(io::Error::from_raw_os_error(-answer))),
        }
    }
}
