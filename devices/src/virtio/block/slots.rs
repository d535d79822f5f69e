//! Requests that have been begun: each has a slot until all its operations have finished.

use vm_memory::GuestAddress;

/// What has to be known to answer a request.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    pub head: u16,
    /// Where the status goes.
    pub status: GuestAddress,
    /// Bytes that the device will have written if all goes well.
    pub written: u32,
    /// Operations that have not finished. Never 0.
    pub left: u32,
    /// One of them could not be done.
    pub failed: bool,
}

/// A fixed number of slots.
pub struct Slots {
    begun: Vec<Option<Begun>>,
    free: Vec<u16>,
}

impl Slots {
    pub fn new(count: u16) -> Self {
        Self { begun: vec![None; count.into()], free: (0..count).rev().collect() }
    }

    pub fn is_full(&self) -> bool {
        self.free.is_empty()
    }

    /// The slot that `begun` gets. `None`: all are taken.
    pub fn begin(&mut self, begun: Begun) -> Option<u16> {
        let slot = self.free.pop()?;
        self.begun[usize::from(slot)] = Some(begun);
        Some(slot)
    }

    /// One operation of `slot` has finished; the request, if that was the last.
    pub fn finish(&mut self, slot: u16, failed: bool) -> Option<Begun> {
        let entry = self.begun.get_mut(usize::from(slot))?;
        let begun = entry.as_mut()?;
        begun.left -= 1;
        begun.failed |= failed;
        if begun.left > 0 {
            return None;
        }
        self.free.push(slot);
        entry.take()
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.begun.len() as u16);
    }
}
