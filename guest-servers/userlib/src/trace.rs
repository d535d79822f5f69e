//! Records of the TSC channel (`vmm_abi::trace`): when what happened in this server, for a profile.
//!
//! A server calls [`start`] once. If nobody makes a profile, that is all, and each place that would record something is one branch, which is never
//! taken. Otherwise the server has a ring of records of its own, which the host reads. Nobody waits for anybody: what finds the ring full is counted
//! and dropped.

mod ring;

use crate::clock::tsc;
use crate::drivers::Nothing;
use crate::root::ask_mapping;
use crate::utcb::Utcb;
use crate::{kip, thread};
use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicBool, Ordering};
use proto::place;
use proto::root::Request;
use ring::Writer;
use ukernel_abi::{Fpage, Rights, ThreadId};
use vmm_abi::trace::{MODULE, RING_SIZE};

pub use vmm_abi::trace::Event;

/// Whether the ring is there.
static ON: AtomicBool = AtomicBool::new(false);

/// Records that tell what recording costs.
const CALIBRATION: u64 = 64;

const _: () = assert!(RING_SIZE == 1 << place::TRACE_LOG2);

/// Begins to record, if somebody makes a profile.
pub fn start() {
    if is_on() || kip::kip().module(MODULE).is_none() {
        return;
    }
    let window = Fpage::memory(place::TRACE, place::TRACE_LOG2, Rights::RW);
    let request = Request::Trace { base: place::TRACE };
    // SAFETY: that part of the address space is this module's, for the ring alone (`proto::place`).
    let answer: Result<Nothing, _> = unsafe { ask_mapping(Utcb::current(), window, request) };
    if let Err(why) = answer {
        crate::log!("the profile goes without this server: {why:?}");
        return;
    }
    ON.store(true, Ordering::Release);
    calibrate(thread::current());
}

/// Records one behind the other, whose times are apart what a record costs. The loop itself is counted with one in four, so that it does not seem to be
/// part of that.
fn calibrate(me: ThreadId) {
    let one = || event_of(me, Event::SERVER_CALIBRATE, 0);
    for _ in 0..CALIBRATION / 4 {
        one();
        one();
        one();
        one();
    }
}

/// Whether records are made: for what would otherwise be computed in vain.
#[inline(always)]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Records something about the calling thread. In another thread than the first that costs a system call, to find out which it is; where it is known,
/// [`event_of`] is better.
#[inline(always)]
pub fn event(event: Event, argument: u64) {
    if is_on() {
        record(thread::current(), event, argument);
    }
}

/// Records something about `thread`, which may be of another task.
#[inline(always)]
pub fn event_of(thread: ThreadId, event: Event, argument: u64) {
    if is_on() {
        record(thread, event, argument);
    }
}

/// One function for all places, so that what is measured of one holds for all. It keeps all registers but those of its arguments: else who calls it would have
/// to save its own, which is work that no measurement of records would find. That it keeps those, too, is not said, so that each call has to load them.
#[inline(always)]
fn record(thread: ThreadId, event: Event, argument: u64) {
    // SAFETY: the function changes nothing but flags and the ring.
    unsafe {
        asm!(
            "call {keeping_registers}",
            inout("rdi") thread.0 => _,
            inout("rsi") u64::from(event.0) => _,
            inout("rdx") argument => _,
            keeping_registers = sym keeping_registers,
        );
    }
}

/// [`write`], but all registers are as before. Those that a Rust function may change are saved; in a server there are no vector registers.
#[unsafe(naked)]
extern "C" fn keeping_registers(thread: u64, event: u64, argument: u64) {
    naked_asm!(
        "push rax; push rcx; push rdx; push rsi; push rdi; push r8; push r9; push r10; push r11",
        "call {write}",
        "pop r11; pop r10; pop r9; pop r8; pop rdi; pop rsi; pop rdx; pop rcx; pop rax",
        "ret",
        write = sym write,
    );
}

extern "C" fn write(thread: u64, event: u64, argument: u64) {
    writer().record(Event(event as u16), ThreadId(thread), argument, tsc);
}

/// The ring, when it is there.
#[inline(always)]
fn writer() -> Writer<'static> {
    let base = core::ptr::with_exposed_provenance(place::TRACE as usize);
    // SAFETY: nobody comes here before root has mapped a whole ring there, for reading and writing, where nothing else ever is; the
    // memory is this task's and the host's, who use it as `vmm_abi::trace` says.
    unsafe { Writer::at(base) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_profile_nothing_is_recorded() {
        assert!(!is_on());
        // There is no ring at the address: whoever wrote to it would die.
        event_of(ThreadId::ROOT, Event::user(1), 2);
        event(Event::user(1), 2);
    }
}
