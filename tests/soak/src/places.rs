//! Where things are in the tasks of a run. The image is where it is in the server: its text and constants are the
//! programs' too.

use ukernel_abi::layout::PAGE;

/// A page for each thread, with what it shares with the supervisor ([`word`]).
pub const CONTEXTS: u64 = 0x6000_0000;
/// Stacks, of two pages.
pub const STACKS: u64 = 0x6010_0000;
/// Identifiers of all sorts, read-only.
pub const CENSUS: u64 = 0x6020_0000;
/// Memory for a program's own use.
pub const DATA: u64 = 0x6030_0000;
/// A superpage of the fuzzer's.
pub const SUPERPAGE: u64 = 0x6040_0000;
/// Where the victim that answers everybody takes what it is sent.
pub const WINDOW: u64 = 0x6080_0000;
pub const WINDOW_LOG2: u32 = 16;

pub const STACK_PAGES: u64 = 2;
/// Contexts and stacks that a task can have.
pub const THREADS: u64 = 16;
pub const DATA_PAGES: u64 = 8;

/// Words of a context page.
pub mod word {
    /// What the thread has done: rounds of a victim, calls of the fuzzer's.
    pub const DONE: u64 = 0;
    /// State of a fuzzing thread's random numbers.
    pub const SEED: u64 = 1;
    /// What a victim has found wrong: number of the check, what it found, what it should be.
    pub const CHECK: u64 = 2;
    pub const GOT: u64 = 3;
    pub const WANT: u64 = 4;
    /// Identifiers that the fuzzer has been given for what it made; so many of them.
    pub const MADE: u64 = 16;
    pub const MADE_COUNT: u64 = 16;
}

pub const fn context(thread: u64) -> u64 {
    CONTEXTS + thread * PAGE
}

/// Stack pointer of a thread that is about to run a function, as after a call (System V ABI, 3.4.1).
pub const fn stack_top(thread: u64) -> u64 {
    STACKS + (thread + 1) * STACK_PAGES * PAGE - 64 - 8
}
