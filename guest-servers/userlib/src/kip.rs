//! The kernel interface page.

use ukernel_abi::kip::Kip;
use ukernel_abi::layout;

/// The page: written by the kernel once, before the first server runs, and read-only.
pub fn kip() -> &'static Kip {
    // SAFETY: the kernel maps a `Kip` there in every task, aligned, and never changes it while servers run.
    unsafe { &*core::ptr::with_exposed_provenance(layout::KIP as usize) }
}
