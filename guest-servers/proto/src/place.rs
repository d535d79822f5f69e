//! Where things lie in a server's address space. `root` and the run-time library agree on this.
//!
//! ```text
//! 0x0000_0020_0000   image: text, rodata, data (linker script `server.ld`)
//! 0x0000_1000_0000   heap: blocks asked of root, up to HEAP_END
//! 0x0000_3fff_0000   stack of the first thread, up to STACK_END
//! 0x0000_5000_0000   ring of the TSC channel, while there is a profile
//! 0x0001_0000_0000   windows: the server's own use
//! ```

pub const IMAGE: u64 = 0x20_0000;
/// Highest address that an image may reach.
pub const IMAGE_END: u64 = HEAP;
pub const HEAP: u64 = 0x1000_0000;
/// 512 MiB are more than the heap of any server should need.
pub const HEAP_END: u64 = 0x3000_0000;
pub const STACK_END: u64 = 0x4000_0000;
pub const STACK_LOG2: u32 = 16;
pub const STACK: u64 = STACK_END - (1 << STACK_LOG2);
/// Where a server has its ring of the TSC channel (`vmm_abi::trace`), if it records anything: a flexpage of 2^[`TRACE_LOG2`] bytes. An address that
/// is known when the server is built spares each record a load.
pub const TRACE: u64 = 0x5000_0000;
pub const TRACE_LOG2: u32 = 22;
/// From here to the end of user memory root gives a server nothing but what it asks for.
pub const WINDOWS: u64 = 0x1_0000_0000;
/// Where root has physical memory: the frame at `phys` is at `PHYSICAL + phys`.
pub const PHYSICAL: u64 = 1 << PHYSICAL_LOG2;
pub const PHYSICAL_LOG2: u32 = 39;

const _: () = assert!(IMAGE < IMAGE_END && HEAP < HEAP_END && HEAP_END <= STACK && STACK_END <= TRACE);
const _: () = assert!(TRACE.is_multiple_of(1 << TRACE_LOG2) && TRACE + (1 << TRACE_LOG2) <= WINDOWS);
