//! Patterns in memory, and timers.

use super::Victim;
use crate::places::{DATA, DATA_PAGES};
use crate::random::mix;
use ukernel_abi::layout::PAGE;
use userlib::clock::{Clock, tsc};
use userlib::kip;

/// Every so many words are written: a look at each would take the processor from others.
const STEP: usize = 64;
const REST_US: u32 = 2_000;
/// Clock and timer are converted from one another: a thousandth may get lost.
const EARLY_NS_A_US: u64 = 999;
/// More than anything may take in addition, where the kernel is emulated too.
const LATE_NS: u64 = 2_000_000_000;
/// The same with several CPUs: there what others do in the kernel on another CPU has to end first, again and again, and an emulated
/// kernel takes 0.3 s for the largest of the fuzzer's unmaps.
const LATE_SEVERAL_NS: u64 = 15_000_000_000;

fn addresses() -> impl Iterator<Item = u64> {
    (DATA..DATA + DATA_PAGES * PAGE).step_by(STEP * 8)
}

pub extern "C" fn keeper(context: u64, partner: u64, own: u64, pace: u32) -> ! {
    // SAFETY: the supervisor starts it so.
    let me = unsafe { Victim::new(context, partner, own, pace) };
    let clock = Clock::of(kip::kip());
    let late = if kip::kip().cpus > 1 { LATE_SEVERAL_NS } else { LATE_NS };
    let early = u64::from(REST_US * pace) * EARLY_NS_A_US;
    for round in 1.. {
        for address in addresses() {
            me.program.write(address, mix(address ^ round << 48));
        }
        let before = tsc();
        me.rest(REST_US);
        let elapsed = clock.monotonic_ns(tsc()) - clock.monotonic_ns(before);
        me.same(2, elapsed.clamp(early, early + late), elapsed);
        for address in addresses() {
            me.same(3, me.program.read(address), mix(address ^ round << 48));
        }
        me.done(round);
    }
    unreachable!()
}
