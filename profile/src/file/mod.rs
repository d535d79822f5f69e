//! The raw format: records as they were made, and what one has to know of the machine to understand them.
//!
//! It is written while the guest runs, on a CPU that the guest may want, so it is no work to write: blocks, one behind the other, and nothing that is
//! known only later stands in front. What has been written is good even if its writer has died.
//!
//! ```text
//! offset
//! 0      "UKVMMPRF"
//! 8      u32  version: 1
//! 12     u32  0
//! 16     blocks
//!
//! block:
//! 0      u32  kind
//! 4      u32  of a block of kind 2 or 5 the ring: 0–15 its number, 16–31 0 of a vCPU, 1 of user level, 2 of the host; else 0
//! 8      u64  bytes of the content
//! 16     content
//!
//! kind   content
//! 1      the header, JSON: Header. The first block
//! 2      records of one ring, 32 bytes each as vmm_abi::trace::Record is in memory, in the order in which their places were taken
//! 3      names of tasks, JSON: Names. As often as there is something new
//! 4      the trailer, JSON: Trailer. The last block; a file that has none was cut off
//! 5      of one ring, that it was full: u64, how many records were dropped between those before this block and those behind it
//! 6      samples, JSON: Samples. As often as there are some
//! ```
//!
//! All numbers are little-endian. Blocks of another kind are left out by readers, and so are members of an object that they do not know.
//!
//! Within a ring, times nearly always ascend; a thread that was interrupted between taking its place and reading the TSC comes late. Among rings there is no
//! order. A block is never longer than [`BLOCK_MAX`].
//!
//! - [`about`]: header, names, trailer; [`samples`]: where vCPUs were found
//! - [`write`], [`read`]

pub mod about;
pub mod read;
mod ring;
pub mod samples;
pub mod write;

pub use about::{
    Alignment, Certificate, Ending, Header, KernelMode, Names, Program, RingEnd, Sampling, Ticks, Trailer,
    Vcpu,
};
pub use read::{Block, ReadError, Reader, records};
pub use ring::Ring;
pub use samples::{Sample, Samples};
pub use write::Writer;

/// What a file begins with.
pub const MAGIC: &[u8; 8] = b"UKVMMPRF";
/// Of this description.
pub const VERSION: u32 = 1;
/// Most bytes that a block's content has.
pub const BLOCK_MAX: u64 = vmm_abi::trace::RING_SIZE;

/// Bytes of the head of a block.
const HEAD: usize = 16;
/// Kinds of blocks.
const HEADER: u32 = 1;
const RECORDS: u32 = 2;
const NAMES: u32 = 3;
const TRAILER: u32 = 4;
const DROPPED: u32 = 5;
const SAMPLES: u32 = 6;

#[cfg(test)]
mod tests;
