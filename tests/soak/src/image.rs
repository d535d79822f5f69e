//! This server's image, which the programs run from: read and execute, never write.

use core::ptr;
use proto::place::IMAGE;
use ukernel_abi::layout::PAGE;
use userlib::{Fpage, MapItem, Rights};

/// Bytes that are mapped at once.
const AROUND: u64 = 32 << 10;

/// Offsets in an ELF header and a program header of 64 bits, and the type of a segment that is loaded (System V ABI, 4 and 5).
const PHOFF: u64 = 32;
const PHNUM: u64 = 56;
const PH_SIZE: u64 = 56;
const P_VADDR: u64 = 16;
const P_MEMSZ: u64 = 40;
const PT_LOAD: u32 = 1;

fn peek<T: Copy>(offset: u64) -> T {
    // SAFETY: in the image, which begins with its ELF header (`server.ld`) and has the program headers in its first segment.
    // All that is read is aligned, and any bytes are a number.
    unsafe { ptr::with_exposed_provenance::<T>((IMAGE + offset) as usize).read_volatile() }
}

/// End of the last segment.
fn end() -> u64 {
    let (first, count) = (peek::<u64>(PHOFF), u64::from(peek::<u16>(PHNUM)));
    let headers = (0..count).map(|n| first + n * PH_SIZE).filter(|&at| peek::<u32>(at) == PT_LOAD);
    headers.map(|at| peek::<u64>(at + P_VADDR) + peek::<u64>(at + P_MEMSZ)).max().unwrap_or(IMAGE)
}

/// Has root map all of it: only what is there can be passed on, and nothing is to become of it during a run.
pub fn touch() {
    for offset in (0..end() - IMAGE).step_by(PAGE as usize) {
        peek::<u8>(offset);
    }
}

/// The item that maps what is around `address` to where it is here; `None` if that is not in the image.
pub fn item(address: u64) -> Option<MapItem> {
    let end = end();
    if !(IMAGE..end).contains(&address) {
        return None;
    }
    let block = address & !(AROUND - 1);
    Some(MapItem::map(Fpage::memory(block, AROUND.ilog2(), Rights::RX), block))
}
