//! The fuzzer's program: each of its threads makes one random call after the other, for ever.
//!
//! Whatever that does to the thread, it is set going again from the beginning, by the supervisor or by another
//! thread, with the random numbers going on where they were. Nothing here has to work: memory, stack and the
//! context itself may be gone or another's.
//!
//! - [`calls`]: the seven calls, and what is none
//! - [`arguments`]: identifiers, flexpages and numbers that might mean something
//! - [`hazards`]: exceptions, wild jumps, memory
//! - [`pager`]: the thread that answers the faults of the tasks that the fuzzer made

mod arguments;
mod calls;
mod hazards;
mod pager;

use crate::places::{THREADS, context, word};
use crate::program::Program;
use crate::random::Random;

/// Of its threads, at most.
pub const PRIORITY: u8 = 100;
/// Its threads: of these numbers. Those of the tasks that it makes have the rest of the contexts and stacks.
pub const OWN_THREADS: u64 = 7;
/// The thread that is the pager of those tasks.
pub const PAGER: u64 = 1;

/// Words of the census: identifiers.
pub mod census {
    /// Number of identifiers, then they.
    pub const COUNT: u64 = 0;
    pub const FIRST: u64 = 1;
    pub const MOST: u64 = 64;
}

/// What a thread is.
#[derive(Clone, Copy)]
struct Fuzzer {
    program: Program,
    /// Its number: that of its context.
    number: u64,
    /// Number of its UTCB, if it has one.
    utcb: Option<u64>,
}

/// Whether the thread has a UTCB. All use the FPU: those who do not have to be trusted.
pub const fn has_utcb(number: u64) -> bool {
    number % 3 != 2
}

/// Where thread `number` of the fuzzer's own begins. Its arguments are its number and that of its lthread.
pub fn entry(number: u64) -> u64 {
    if number == PAGER { pager::pager as *const () as u64 } else { fuzz as *const () as u64 }
}

extern "C" fn fuzz(number: u64, lthread: u64) -> ! {
    // SAFETY: a fuzzer's task has nothing to lose.
    let program = unsafe { Program::new() };
    run(Fuzzer { program, number, utcb: has_utcb(number).then_some(lthread) })
}

/// Where a thread begins that the fuzzer made: rdi is its identifier or anything.
extern "C" fn child(rdi: u64) -> ! {
    // SAFETY: a fuzzer's task has nothing to lose.
    let program = unsafe { Program::new() };
    let number = OWN_THREADS + rdi % (THREADS - OWN_THREADS);
    run(Fuzzer { program, number, utcb: None })
}

fn run(me: Fuzzer) -> ! {
    let seed = context(me.number) + word::SEED * 8;
    loop {
        let mut random = Random(me.program.read(seed));
        // What comes next may not come back.
        me.program.write(seed, random.word());
        step(me, &mut random);
        let done = context(me.number) + word::DONE * 8;
        me.program.write(done, me.program.read(done).wrapping_add(1));
    }
}

fn step(me: Fuzzer, r: &mut Random) {
    if me.utcb.is_some() && r.chance(30) {
        calls::fill_utcb(me, r);
    }
    match r.below(100) {
        0..30 => calls::ipc(me, r),
        30..36 => calls::id_nearest(me, r),
        36..50 => calls::fpage_unmap(me, r),
        50..54 => calls::thread_switch(me, r),
        54..64 => calls::thread_schedule(me, r),
        64..80 => calls::lthread_ex_regs(me, r),
        80..90 => calls::task_new(me, r),
        90..93 => calls::none(me, r),
        93..96 => hazards::code(me, r),
        _ => hazards::memory(me, r),
    }
}
