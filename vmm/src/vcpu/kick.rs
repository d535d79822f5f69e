//! Gets a vCPU out of the guest.
//!
//! A signal interrupts KVM_RUN, but one that arrives just before the ioctl begins would be lost. So `immediate_exit` in
//! the vCPU's shared page is set first: KVM_RUN then returns EINTR at once, however late it is called. A guest that
//! spins in kernel mode is interrupted in the same way on every KVM. What the guest had begun with its last exit, such as to read a
//! port, is done before that (Linux, `Documentation/virt/kvm/api.rst`, 5, `immediate_exit`).

use crate::kvm::{KvmError, failed};
use kvm_bindings::kvm_run;
use kvm_ioctls::VcpuFd;
use rustix::process::Pid;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use vmm_sys_util::signal::{SIGRTMIN, register_signal_handler};

extern "C" fn on_kick(_: libc::c_int, _: *mut libc::siginfo_t, _: *mut libc::c_void) {}

/// Sees to it that the kick's signal interrupts, and does nothing else. Call once before any vCPU runs.
pub fn install() -> Result<(), KvmError> {
    register_signal_handler(SIGRTMIN(), on_kick).map_err(failed("sigaction"))
}

/// Gets one vCPU out of the guest, from any thread.
pub struct Kicker {
    run: NonNull<kvm_run>,
    kicked: AtomicBool,
    /// The thread that runs it, while it does.
    thread: Mutex<Option<Runner>>,
}

// SAFETY: the pointer is to a shared mapping of our own (see `new`), of which only one byte is used, and that atomically.
unsafe impl Send for Kicker {}
// SAFETY: as above; all else in it is `Sync`.
unsafe impl Sync for Kicker {}

impl Kicker {
    /// Maps the vCPU's shared page a second time: the first mapping is borrowed by the vCPU's thread for good.
    pub fn new(vcpu: &VcpuFd) -> Result<Self, KvmError> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        let size = size_of::<kvm_run>();
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists. A vCPU's file can be
        // mapped from offset 0 for at least the size of `kvm_run` (KVM_GET_VCPU_MMAP_SIZE).
        let page = unsafe { libc::mmap(ptr::null_mut(), size, prot, libc::MAP_SHARED, vcpu.as_raw_fd(), 0) };
        match NonNull::new(page) {
            Some(run) if page != libc::MAP_FAILED => {
                Ok(Self { run: run.cast(), kicked: AtomicBool::new(false), thread: Mutex::new(None) })
            }
            _ => Err(failed("mapping a vCPU's page")(kvm_ioctls::Error::last())),
        }
    }

    /// To be called by the thread that runs the vCPU, which gets the signals until what this returns is dropped.
    pub fn enter(&self) -> Entered<'_> {
        *self.lock() = Some(Runner::this());
        Entered(self)
    }

    /// Ends the vCPU: makes it leave the guest, now and whenever it is entered again.
    pub fn kick(&self) {
        self.kicked.store(true, Ordering::SeqCst);
        self.interrupt();
    }

    pub fn is_kicked(&self) -> bool {
        self.kicked.load(Ordering::SeqCst)
    }

    /// Makes the vCPU leave the guest, until it is [rearmed](Self::rearm).
    pub fn interrupt(&self) {
        self.leave_next();
        // Before its thread has entered and after it has left, there is nobody to wake.
        if let Some(Err(error)) = self.lock().as_ref().map(|thread| thread.kill(SIGRTMIN())) {
            tracing::debug!(%error, "the vCPU's thread cannot be signalled");
        }
    }

    /// The same for the vCPU's own thread, which needs no signal.
    pub fn leave_next(&self) {
        self.immediate_exit().store(1, Ordering::SeqCst);
    }

    /// Takes an interruption back. Look afterwards whether it has been [kicked](Self::is_kicked).
    pub fn rearm(&self) {
        self.immediate_exit().store(0, Ordering::SeqCst);
    }

    fn immediate_exit(&self) -> &AtomicU8 {
        // SAFETY: `run` is a live mapping of a `kvm_run` (unmapped only in `drop`); KVM only ever reads this byte and
        // everybody else uses it through this reference, so an atomic access is all there is to it.
        unsafe { AtomicU8::from_ptr(&raw mut (*self.run.as_ptr()).immediate_exit) }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Runner>> {
        self.thread.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Kicker {
    fn drop(&mut self) {
        // SAFETY: `new` mapped just this, and the only pointer to it goes away with `self`.
        unsafe { libc::munmap(self.run.as_ptr().cast(), size_of::<kvm_run>()) };
    }
}

/// While it lives, the thread that made it is the one that is signalled.
pub struct Entered<'a>(&'a Kicker);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        *self.0.lock() = None;
    }
}

/// A thread that is running: it is forgotten, by [`Entered`], before it ends, so its number is nobody else's.
struct Runner(Pid);

impl Runner {
    fn this() -> Self {
        Self(rustix::thread::gettid())
    }

    /// By the call that names the process too: so the jail knows that it is ours, whatever the C library ([`crate::jail`]).
    fn kill(&self, signal: i32) -> io::Result<()> {
        // SAFETY: the call takes numbers, and the signal has a handler that does nothing.
        match unsafe {
            libc::syscall(libc::SYS_tgkill, std::process::id(), self.0.as_raw_nonzero().get(), signal)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
