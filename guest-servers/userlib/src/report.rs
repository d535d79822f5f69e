//! Lets a debugger ask this server while the machine stands still ([`vmm_abi::report`]).

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Answers a request: puts the answer into the second argument, and returns how long it is.
pub type Answer = &'static dyn Fn(&[u8], &mut [u8]) -> usize;

struct Place(UnsafeCell<Option<Answer>>);

// SAFETY: it is written by the first caller of `offer` alone, and read by `ukvmm_report` alone, which runs where nothing else does.
unsafe impl Sync for Place {}

static ANSWER: Place = Place(UnsafeCell::new(None));
static OFFERED: AtomicBool = AtomicBool::new(false);

/// From now on, a debugger's requests are answered by `answer`. It is never called in this task: it is called in a copy of its memory, at some
/// moment at which the machine was stopped, and what it does is lost with the copy. Only the first call of this counts.
pub fn offer(answer: Answer) {
    if !OFFERED.swap(true, Ordering::Relaxed) {
        // SAFETY: nobody else gets here, and nobody reads while this task runs.
        unsafe { *ANSWER.0.get() = Some(answer) };
    }
    // Nothing else keeps the function in the program.
    core::hint::black_box(ukvmm_report as *const ());
}

/// What the debugger runs.
// SAFETY: nothing else has this name (`vmm_abi::report::SYMBOL`).
#[cfg_attr(target_os = "none", unsafe(no_mangle))]
extern "C" fn ukvmm_report(request: *const u8, len: usize, out: *mut u8, room: usize) -> usize {
    // SAFETY: no thread runs in the copy but this one. The one that has called `offer` may stand inside of what the function works on;
    // then the copy does not make sense, but there is nothing in it that could be harmed.
    let Some(answer) = (unsafe { *ANSWER.0.get() }) else { return 0 };
    // SAFETY: the debugger passes two separate pieces of memory that are there for this run.
    let (request, out) =
        unsafe { (core::slice::from_raw_parts(request, len), core::slice::from_raw_parts_mut(out, room)) };
    answer(request, out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_offer_counts() {
        let ask = |request: &[u8]| {
            let mut out = [0; 8];
            let len = ukvmm_report(request.as_ptr(), request.len(), out.as_mut_ptr(), out.len());
            out[..len].to_vec()
        };
        assert_eq!(ask(b"abc"), b"");
        offer(&|request, out| {
            out[..request.len()].copy_from_slice(request);
            request.len()
        });
        offer(&|_, _| 0);
        assert_eq!(ask(b"abc"), b"abc");
    }
}
