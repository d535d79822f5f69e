//! The buffers of one request.
//!
//! `virtio-queue` walks a descriptor chain and, where something is wrong, simply ends: a device would work on half a request. Here a
//! chain is taken whole and checked whole, or the driver is [`Broken`]: every buffer is in RAM, those to read come before those to write
//! (2.7.4.2), there are no more of them than the queue has entries (2.7.5.3.1), and there is at least one.

use super::{Broken, Memory};
use virtio_queue::DescriptorChain;
use vm_memory::{Bytes, GuestAddress, GuestMemory, Permissions};

/// A buffer in the guest's RAM. Never empty.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    pub addr: GuestAddress,
    pub len: u32,
}

/// A request: its buffers, checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// Index of the first descriptor: what the used ring calls the request.
    pub head: u16,
    /// What the driver wrote.
    pub readable: Vec<Range>,
    /// What the device is to write.
    pub writable: Vec<Range>,
}

impl Chain {
    /// Takes `chain` off a queue of `size` entries. Descriptors of no bytes are left out. `spare` is done with, and lends its room.
    pub(super) fn check(
        chain: DescriptorChain<&Memory>,
        memory: &Memory,
        size: u16,
        spare: Self,
    ) -> Result<Self, Broken> {
        let mut checked = Self { head: chain.head_index(), ..spare };
        checked.readable.clear();
        checked.writable.clear();
        let (mut count, mut goes_on) = (0, true);
        for descriptor in chain {
            count += 1;
            goes_on = descriptor.has_next();
            if count > size {
                return Err(Broken("a chain of more descriptors than the queue has"));
            }
            let range = Range { addr: descriptor.addr(), len: descriptor.len() };
            if range.len == 0 {
                continue;
            }
            if !memory.check_range(range.addr, range.len as usize, Permissions::ReadWrite) {
                return Err(Broken("a buffer outside of RAM"));
            }
            match descriptor.is_write_only() {
                true => checked.writable.push(range),
                false if checked.writable.is_empty() => checked.readable.push(range),
                false => return Err(Broken("a buffer to read behind one to write")),
            }
        }
        // It ended before its end: an index or a table that is none, a loop, a table in a table, or over 4 GiB.
        if goes_on { Err(Broken("a chain of descriptors that leads nowhere")) } else { Ok(checked) }
    }

    /// Bytes that the driver wrote.
    pub fn readable_len(&self) -> u64 {
        total(&self.readable)
    }

    /// Bytes that the device may write.
    pub fn writable_len(&self) -> u64 {
        total(&self.writable)
    }
}

/// Bytes in `ranges`.
pub fn total(ranges: &[Range]) -> u64 {
    ranges.iter().map(|range| u64::from(range.len)).sum()
}

/// Cuts `ranges` in two, `at` bytes behind their begin, or at their end if that is less.
pub fn split(ranges: &[Range], at: u64) -> (Vec<Range>, Vec<Range>) {
    let (mut front, mut back, mut left) = (Vec::new(), Vec::new(), at);
    for range in ranges {
        // At most the length, which is 32 bits.
        let here = left.min(u64::from(range.len)) as u32;
        left -= u64::from(here);
        if here > 0 {
            front.push(Range { len: here, ..*range });
        }
        if here < range.len {
            back.push(Range { addr: GuestAddress(range.addr.0 + u64::from(here)), len: range.len - here });
        }
    }
    (front, back)
}

/// Leaves the first `len` bytes of `ranges`.
pub fn keep(ranges: &mut Vec<Range>, mut len: u64) {
    let mut kept = 0;
    for range in &mut *ranges {
        if len == 0 {
            break;
        }
        // At most what it was, which is 32 bits.
        range.len = len.min(range.len.into()) as u32;
        len -= u64::from(range.len);
        kept += 1;
    }
    ranges.truncate(kept);
}

/// Takes the first `len` bytes from `ranges`.
pub fn skip(ranges: &mut Vec<Range>, mut len: u64) {
    let whole = ranges.iter().take_while(|range| match len.checked_sub(range.len.into()) {
        Some(left) => {
            len = left;
            true
        }
        None => false,
    });
    let whole = whole.count();
    ranges.drain(..whole);
    if let Some(first) = ranges.first_mut() {
        // Less than its length, which is 32 bits.
        *first = Range { addr: GuestAddress(first.addr.0 + len), len: first.len - len as u32 };
    }
}

/// Reads from the begin of `ranges` as much as they have and `into` takes; the number of bytes.
pub fn read(memory: &Memory, ranges: &[Range], into: &mut [u8]) -> Result<usize, Broken> {
    let mut done = 0;
    for range in ranges {
        let len = (range.len as usize).min(into.len() - done);
        memory.read_slice(&mut into[done..done + len], range.addr).map_err(not_ram)?;
        done += len;
    }
    Ok(done)
}

/// Writes `bytes` to the begin of `ranges`, as many as fit; their number.
pub fn write(memory: &Memory, ranges: &[Range], bytes: &[u8]) -> Result<usize, Broken> {
    let mut done = 0;
    for range in ranges {
        let len = (range.len as usize).min(bytes.len() - done);
        memory.write_slice(&bytes[done..done + len], range.addr).map_err(not_ram)?;
        done += len;
    }
    Ok(done)
}

// RAM stays where it is, and the ranges were checked: this does not happen.
fn not_ram(_: vm_memory::GuestMemoryError) -> Broken {
    Broken("a buffer outside of RAM")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(addr: u64, len: u32) -> Range {
        Range { addr: GuestAddress(addr), len }
    }

    #[test]
    fn ranges_are_split_anywhere() {
        let ranges = [range(0x100, 16), range(0x300, 8)];
        assert_eq!(split(&ranges, 0), (vec![], ranges.to_vec()));
        assert_eq!(split(&ranges, 5), (vec![range(0x100, 5)], vec![range(0x105, 11), range(0x300, 8)]));
        assert_eq!(split(&ranges, 16), (vec![range(0x100, 16)], vec![range(0x300, 8)]));
        assert_eq!(split(&ranges, 17), (vec![range(0x100, 16), range(0x300, 1)], vec![range(0x301, 7)]));
        assert_eq!(split(&ranges, 99), (ranges.to_vec(), vec![]));
    }

    #[test]
    fn either_part_may_be_left_in_place() {
        let ranges = vec![range(0x100, 16), range(0x300, 8), range(0x500, 1)];
        for at in 0..30 {
            let (front, back) = split(&ranges, at);
            let (mut kept, mut rest) = (ranges.clone(), ranges.clone());
            keep(&mut kept, at);
            skip(&mut rest, at);
            assert_eq!((kept, rest), (front, back), "{at}");
        }
    }

    #[test]
    fn bytes_go_to_the_ranges_in_turn() {
        let memory = Memory::from_ranges(&[(GuestAddress(0), 0x1000)]).unwrap();
        let ranges = [range(0x100, 3), range(0x200, 3)];
        assert_eq!(write(&memory, &ranges, b"abcdefgh").unwrap(), 6);
        let mut back = [0; 5];
        assert_eq!(read(&memory, &ranges, &mut back).unwrap(), 5);
        assert_eq!(&back, b"abcde");
        assert_eq!(memory.read_obj::<[u8; 4]>(GuestAddress(0x200)).unwrap(), *b"def\0");
        assert_eq!(read(&memory, &ranges, &mut [0; 9]).unwrap(), 6);
    }
}
