//! Gets a vCPU out of the guest.
//!
//! A signal interrupts KVM_RUN, but one that arrives just before the ioctl begins would be lost. So `immediate_exit` in
//! the vCPU's shared page is set first: KVM_RUN then returns EINTR at once, however late it is called. A guest that
//! spins in kernel mode is interrupted in the same way on every KVM.

use crate::kvm::{KvmError, failed};
use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use vmm_sys_util::signal::{Killable, SIGRTMIN, register_signal_handler};

extern "C" fn on_kick(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

/// Sees to it that the kick's signal interrupts, and does nothing else. Call once before any vCPU runs.
pub fn install() -> Result<(), KvmError> {
    register_signal_handler(SIGRTMIN(), on_kick).map_err(failed("sigaction"))
}

/// Whether a vCPU has been kicked; for its own thread.
#[derive(Clone, Default)]
pub struct Kicked(Arc<AtomicBool>);

impl Kicked {
    pub fn get(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

/// The `immediate_exit` flag of one vCPU, for other threads.
pub struct Kicker {
    run: NonNull<kvm_run>,
    kicked: Kicked,
}

// SAFETY: the pointer is to a shared mapping of our own (see `new`), of which only one byte is used, and that atomically.
unsafe impl Send for Kicker {}

impl Kicker {
    /// Maps the vCPU's shared page a second time: the first mapping is borrowed by the vCPU's thread for good.
    pub fn new(vcpu: &VcpuFd) -> Result<Self, KvmError> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let size = size_of::<kvm_run>();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists. A vCPU's file can be
        // mapped from offset 0 for at least the size of `kvm_run` (KVM_GET_VCPU_MMAP_SIZE).
        let page = unsafe { libc::mmap(ptr::null_mut(), size, prot, libc::MAP_SHARED, vcpu.as_raw_fd(), 0) };
        match NonNull::new(page) {
            Some(run) if page != libc::MAP_FAILED => Ok(Self { run: run.cast(), kicked: Kicked::default() }),
            _ => Err(failed("mapping a vCPU's page")(kvm_ioctls::Error::last())),
        }
    }

    pub fn kicked(&self) -> Kicked {
        self.kicked.clone()
    }

    /// Makes the vCPU that `thread` runs leave the guest, now and whenever it is entered again.
    pub fn kick<T>(&self, thread: &JoinHandle<T>) {
        self.kicked.0.store(true, Ordering::SeqCst);
        // SAFETY: `run` is a live mapping of a `kvm_run` (unmapped only in `drop`); KVM only ever reads this byte and
        // the vCPU's thread does not touch it, so an atomic access is all there is to it.
        let flag = unsafe { AtomicU8::from_ptr(&raw mut (*self.run.as_ptr()).immediate_exit) };
        flag.store(1, Ordering::SeqCst);
        if let Err(error) = thread.kill(SIGRTMIN()) {
            tracing::debug!(%error, "the vCPU's thread cannot be signalled");
        }
    }
}

impl Drop for Kicker {
    fn drop(&mut self) {
        // SAFETY: `new` mapped just this, and the only pointer to it goes away with `self`.
        unsafe { libc::munmap(self.run.as_ptr().cast(), size_of::<kvm_run>()) };
    }
}
