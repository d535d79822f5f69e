//! The split virtqueue, the driver's side (virtio 1.2, 2.7).
//!
//! The device can write to all of the queue's memory, so nothing is read from there but what only it can know: which chains it has
//! used. What the driver itself wrote (which descriptors are free, how chains go on) it keeps a copy of.

use crate::Broken;
use crate::memory::Memory;
use alloc::vec::Vec;
use core::sync::atomic::{Ordering, fence};

/// A part of a request: memory that the device reads, or writes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    pub phys: u64,
    pub len: u32,
    /// The device writes to it. Parts that it reads come first.
    pub writable: bool,
}

impl Part {
    pub const fn readable(phys: u64, len: u32) -> Self {
        Self { phys, len, writable: false }
    }
    pub const fn writable(phys: u64, len: u32) -> Self {
        Self { phys, len, writable: true }
    }
}

/// A request that the device has used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Used {
    /// What [`Queue::add`] returned.
    pub head: u16,
    /// Bytes that it says it has written: at most those of the writable parts.
    pub written: u32,
}

/// There are not enough descriptors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

/// Most descriptors of a queue.
pub const SIZE_MAX: u16 = 256;
const DESCRIPTOR: usize = 16;
const NEXT: u16 = 1;
const WRITE: u16 = 2;
const NO_INTERRUPT: u16 = 1;
const NO_NOTIFY: u16 = 1;

/// Where the three parts of a queue are.
#[derive(Clone, Copy, Debug)]
struct Layout {
    size: u16,
}

impl Layout {
    const fn available(self) -> usize {
        self.size as usize * DESCRIPTOR
    }
    const fn available_entry(self, index: u16) -> usize {
        self.available() + 4 + (index & (self.size - 1)) as usize * 2
    }
    const fn used_event(self) -> usize {
        self.available() + 4 + self.size as usize * 2
    }
    const fn used(self) -> usize {
        (self.used_event() + 2).next_multiple_of(4)
    }
    const fn used_entry(self, index: u16) -> usize {
        self.used() + 4 + (index & (self.size - 1)) as usize * 8
    }
    const fn available_event(self) -> usize {
        self.used() + 4 + self.size as usize * 8
    }
    const fn bytes(self) -> usize {
        self.available_event() + 2
    }
}

/// Bytes of memory that a queue of `size` descriptors takes; it begins at a multiple of 16.
pub const fn bytes(size: u16) -> usize {
    Layout { size }.bytes().next_multiple_of(DESCRIPTOR)
}

/// A queue.
pub struct Queue<M> {
    memory: M,
    layout: Layout,
    event_index: bool,
    /// Descriptors that no chain has.
    free: Vec<u16>,
    /// Of each descriptor that begins a chain under way: the chain.
    chains: Vec<Option<Chain>>,
    /// Which descriptor follows in its chain.
    next: Vec<u16>,
    /// Number of chains ever made available, and how many of them the device has been told of.
    available: u16,
    published: u16,
    /// Number of used chains ever taken.
    used: u16,
}

#[derive(Clone, Copy, Debug)]
struct Chain {
    descriptors: u16,
    writable: u32,
}

impl<M: Memory> Queue<M> {
    /// With the largest size that the device (`max`), the memory and [`SIZE_MAX`] allow; `None` if that is none, or the memory is not
    /// aligned.
    pub(crate) fn new(memory: M, max: u32, event_index: bool) -> Option<Self> {
        let mut size = 1u16 << max.min(SIZE_MAX.into()).checked_ilog2()?;
        while bytes(size) > memory.size() {
            size = if size == 1 { return None } else { size / 2 };
        }
        if !memory.phys().is_multiple_of(DESCRIPTOR as u64) {
            return None;
        }
        let mut queue = Self {
            memory,
            layout: Layout { size },
            event_index,
            free: Vec::new(),
            chains: Vec::new(),
            next: alloc::vec![0; size.into()],
            available: 0,
            published: 0,
            used: 0,
        };
        queue.restart(event_index);
        Some(queue)
    }

    /// Empties it. The device has been reset, and does not know of it yet.
    pub(crate) fn restart(&mut self, event_index: bool) {
        let size = self.layout.size;
        self.memory.clear();
        self.event_index = event_index;
        self.free = (0..size).rev().collect();
        self.chains = alloc::vec![None; size.into()];
        (self.available, self.published, self.used) = (0, 0, 0);
    }

    pub fn size(&self) -> u16 {
        self.layout.size
    }

    /// Descriptors that are free.
    pub fn room(&self) -> usize {
        self.free.len()
    }

    /// Chains under way.
    pub fn under_way(&self) -> usize {
        self.chains.iter().flatten().count()
    }

    /// Physical addresses of descriptors, available ring and used ring.
    pub(crate) fn addresses(&self) -> [u64; 3] {
        [0, self.layout.available(), self.layout.used()].map(|at| self.memory.phys() + at as u64)
    }

    /// Makes a request of these parts. The device sees it when it is told: [`Queue::publish`].
    pub fn add(&mut self, parts: &[Part]) -> Result<u16, Full> {
        if parts.is_empty() || parts.len() > self.free.len() {
            return Err(Full);
        }
        // The last descriptor first, so that each knows the one that follows.
        let mut following = None;
        for part in parts.iter().rev() {
            let at = self.free.pop().ok_or(Full)?;
            self.describe(at, part, following);
            self.next[usize::from(at)] = following.unwrap_or(0);
            following = Some(at);
        }
        let head = following.ok_or(Full)?;
        let writable = parts.iter().filter(|p| p.writable).fold(0u32, |sum, p| sum.saturating_add(p.len));
        self.chains[usize::from(head)] = Some(Chain { descriptors: parts.len() as u16, writable });
        self.memory.write(self.layout.available_entry(self.available), &head.to_le_bytes());
        self.available = self.available.wrapping_add(1);
        Ok(head)
    }

    fn describe(&self, at: u16, part: &Part, following: Option<u16>) {
        let flags = if part.writable { WRITE } else { 0 } | if following.is_some() { NEXT } else { 0 };
        let mut bytes = [0; DESCRIPTOR];
        bytes[..8].copy_from_slice(&part.phys.to_le_bytes());
        bytes[8..12].copy_from_slice(&part.len.to_le_bytes());
        bytes[12..14].copy_from_slice(&flags.to_le_bytes());
        bytes[14..].copy_from_slice(&following.unwrap_or(0).to_le_bytes());
        self.memory.write(usize::from(at) * DESCRIPTOR, &bytes);
    }

    /// Shows the device what has been added. Whether its doorbell has to be rung.
    #[must_use]
    pub fn publish(&mut self) -> bool {
        let (old, new) = (self.published, self.available);
        if old == new {
            return false;
        }
        self.memory.store_u16(self.layout.available() + 2, new);
        self.published = new;
        // The device looks at the index after it has said that it wants to be told; so the order matters here too.
        fence(Ordering::SeqCst);
        if self.event_index {
            let event = self.memory.load_u16(self.layout.available_event());
            new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
        } else {
            self.memory.load_u16(self.layout.used()) & NO_NOTIFY == 0
        }
    }

    /// The next request that the device has used, if there is one.
    pub fn take(&mut self) -> Result<Option<Used>, Broken> {
        let index = self.memory.load_u16(self.layout.used() + 2);
        let ahead = index.wrapping_sub(self.used);
        if ahead == 0 {
            return Ok(None);
        }
        if ahead > self.layout.size {
            return Err(Broken("it used more requests than there were"));
        }
        let mut entry = [0; 8];
        self.memory.read(self.layout.used_entry(self.used), &mut entry);
        let [id, written] = [&entry[..4], &entry[4..]].map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
        let head = u16::try_from(id).ok().filter(|&id| id < self.layout.size);
        let chain = head.and_then(|head| self.chains[usize::from(head)].take());
        let (Some(head), Some(chain)) = (head, chain) else {
            return Err(Broken("it used a request that was not under way"));
        };
        self.release(head, chain.descriptors);
        self.used = self.used.wrapping_add(1);
        if written > chain.writable {
            return Err(Broken("it wrote more than it was given"));
        }
        Ok(Some(Used { head, written }))
    }

    fn release(&mut self, head: u16, descriptors: u16) {
        let mut at = head;
        for _ in 0..descriptors {
            self.free.push(at);
            at = self.next[usize::from(at)];
        }
    }

    /// Asks for an interrupt when the device uses another request. True if it has meanwhile: there may be no interrupt for that.
    #[must_use]
    pub fn listen(&mut self) -> bool {
        if self.event_index {
            self.memory.store_u16(self.layout.used_event(), self.used);
        } else {
            self.memory.store_u16(self.layout.available(), 0);
        }
        fence(Ordering::SeqCst);
        self.memory.load_u16(self.layout.used() + 2) != self.used
    }

    /// Wants no interrupts, until [`Queue::listen`].
    pub fn ignore(&mut self) {
        if self.event_index {
            // An index that has been passed: the device comes to it after 65535 more.
            self.memory.store_u16(self.layout.used_event(), self.used.wrapping_sub(1));
        } else {
            self.memory.store_u16(self.layout.available(), NO_INTERRUPT);
        }
    }
}

#[cfg(test)]
mod tests;
