//! Tells whoever has frozen the machine that a vCPU has come to stand, or has ended.

use crate::kvm::KvmError;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub struct Arrivals(OwnedFd);

impl Arrivals {
    pub fn new() -> Result<Self, KvmError> {
        let made = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC);
        made.map(Self)
            .map_err(|e| KvmError::Call { what: "eventfd", source: kvm_ioctls::Error::new(e.raw_os_error()) })
    }

    /// To be called by the vCPU's thread. `wanted`: somebody waits for it.
    pub fn tell(&self, wanted: bool) {
        if wanted {
            // Fails only if it is readable already.
            let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
        }
    }

    /// Readable when somebody has come since [`Self::forget`].
    pub fn ready(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub fn forget(&self) {
        // Nothing to read is no error.
        let _ = rustix::io::read(&self.0, &mut [0; 8]);
    }
}
