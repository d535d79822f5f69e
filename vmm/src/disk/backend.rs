//! What the block device's model sees: one disk, whoever does the work.

use super::image::Image;
use super::pool::Pool;
use super::ring::{Done, Ring};
use devices::virtio::Memory;
use devices::virtio::block::{Backend, Disk, Failure, Finished, Operation};
use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use vmm_sys_util::eventfd::EventFd;

/// Who does the work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Engine {
    /// io_uring if there is one, threads if not.
    #[default]
    Auto,
    Ring,
    Threads,
}

#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("disk {}: io=uring: this host's kernel offers no io_uring to us ({source}); leave io=uring out to do without", .path.display())]
    NoRing { path: PathBuf, source: io::Error },
    #[error("disk {}: eventfd: {source}", .path.display())]
    EventFd { path: PathBuf, source: io::Error },
}

/// A disk of the host's.
pub struct HostDisk {
    ring: Option<Ring>,
    pool: Pool,
    done: VecDeque<Done>,
    image: Arc<Image>,
    ready: Arc<EventFd>,
    /// The user knows that there is something wrong.
    told: bool,
}

impl HostDisk {
    /// The disk in `image`, which reads into and writes from `memory`.
    pub fn new(image: Image, memory: Memory) -> Result<Self, DiskError> {
        let image = Arc::new(image);
        let ready = EventFd::new(libc::EFD_NONBLOCK | libc::EFD_CLOEXEC)
            .map_err(|source| DiskError::EventFd { path: image.path.clone(), source })?;
        let ready = Arc::new(ready);
        let ring = || Ring::new(image.clone(), memory.clone(), &ready);
        let ring = match image.engine {
            Engine::Threads => None,
            Engine::Ring => {
                Some(ring().map_err(|source| DiskError::NoRing { path: image.path.clone(), source })?)
            }
            Engine::Auto => ring()
                .inspect_err(
                    |error| tracing::debug!(%error, "disk {}: no io_uring; threads", image.path.display()),
                )
                .ok(),
        };
        let pool = Pool::new(image.clone(), memory, ready.clone());
        Ok(Self { ring, pool, done: VecDeque::new(), image, ready, told: false })
    }

    /// An eventfd, written when something has come to an end that [`Backend::finished`] has not told yet. Need not be read: the next time
    /// it is written again.
    pub fn ready(&self) -> Result<OwnedFd, DiskError> {
        // SAFETY: the eventfd is open for as long as it is borrowed here.
        let fd = unsafe { BorrowedFd::borrow_raw(self.ready.as_raw_fd()) };
        let failed = |source| DiskError::EventFd { path: self.image.path.clone(), source };
        fd.try_clone_to_owned().map_err(failed)
    }

    fn report(&mut self, error: &io::Error) {
        let path = self.image.path.display();
        if !std::mem::replace(&mut self.told, true) {
            tracing::warn!(%error, "disk {path}: the guest gets an I/O error (more of them only with -v)");
        } else {
            tracing::debug!(%error, "disk {path}: the guest gets an I/O error");
        }
    }
}

impl Backend for HostDisk {
    fn disk(&self) -> &Disk {
        &self.image.disk
    }

    fn submit(&mut self, slot: u16, operation: &Operation) {
        match self.ring.as_mut().and_then(|ring| ring.submit(slot, operation)) {
            Some(Ok(())) => {}
            Some(Err(error)) => self.done.push_back((slot, Err(error))),
            None => self.pool.submit(slot, operation.clone()),
        }
    }

    fn start(&mut self) {
        self.pool.start();
        if let Some(ring) = &mut self.ring {
            ring.start(&mut self.done);
        }
    }

    fn finished(&mut self) -> Option<Finished> {
        if self.done.is_empty() {
            self.pool.take(&mut self.done);
            if let Some(ring) = &mut self.ring {
                ring.take(&mut self.done);
            }
        }
        let (slot, result) = self.done.pop_front()?;
        let result = result.map_err(|error| {
            self.report(&error);
            Failure
        });
        Some(Finished { slot, result })
    }

    fn drain(&mut self) {
        if let Some(ring) = &mut self.ring {
            ring.drain();
        }
        self.pool.drain();
        self.done.clear();
    }
}
