//! The queues of a device: taking requests off the available rings, putting them onto the used rings (2.7, by `virtio-queue`).

use super::{Broken, Chain, Interrupt, Memory};
use virtio_queue::{Queue, QueueOwnedT, QueueT};
use vm_memory::GuestAddress;

/// What the registers of a queue hold until it is made ready.
#[derive(Clone, Copy, Default)]
pub(super) struct Setup {
    pub size: u32,
    pub descriptors: u64,
    pub available: u64,
    pub used: u64,
}

struct Slot {
    queue: Queue,
    setup: Setup,
    /// Requests that the device may still take before it is called again: a driver that always adds one more does not keep it for ever.
    share: u16,
    popped: bool,
    pushed: bool,
}

/// All queues of a device.
pub struct Queues {
    slots: Vec<Slot>,
    /// What the next chain is put into: a device that gives its chains back has no memory allocated for them all the time.
    spare: Chain,
}

impl Queues {
    /// Queues of these sizes at most: each a power of two, up to 32768. Others become 1.
    pub(super) fn new(sizes: &[u16]) -> Self {
        let slot = |&size: &u16| {
            let queue = Queue::new(size).unwrap_or_default();
            let setup = Setup { size: queue.max_size().into(), ..Setup::default() };
            Slot { queue, setup, share: 0, popped: false, pushed: false }
        };
        Self { slots: sizes.iter().map(slot).collect(), spare: Chain::default() }
    }

    pub fn len(&self) -> usize {
        self.slots.len()
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn reset(&mut self) {
        for slot in &mut self.slots {
            slot.queue.reset();
            slot.setup = Setup { size: slot.queue.max_size().into(), ..Setup::default() };
            (slot.popped, slot.pushed) = (false, false);
        }
    }

    pub(super) fn max_size(&self, index: usize) -> u32 {
        self.slots.get(index).map_or(0, |slot| slot.queue.max_size().into())
    }

    /// Its registers, if there is such a queue and it is not ready: then they must not change any more.
    pub(super) fn setup(&mut self, index: usize) -> Option<&mut Setup> {
        self.slots.get_mut(index).filter(|slot| !slot.queue.ready()).map(|slot| &mut slot.setup)
    }

    pub(super) fn is_ready(&self, index: usize) -> bool {
        self.slots.get(index).is_some_and(|slot| slot.queue.ready())
    }

    /// Makes a queue ready, from what its registers hold.
    pub(super) fn make_ready(&mut self, index: usize, memory: &Memory) -> Result<(), Broken> {
        let Some(slot) = self.slots.get_mut(index) else { return Ok(()) };
        let Setup { size, descriptors, available, used } = slot.setup;
        let queue = &mut slot.queue;
        let size = u16::try_from(size).map_err(|_| Broken("a queue of a size that is not allowed"))?;
        queue.try_set_size(size).map_err(|_| Broken("a queue of a size that is not allowed"))?;
        let misaligned = |_| Broken("a queue whose parts are not aligned");
        queue.try_set_desc_table_address(GuestAddress(descriptors)).map_err(misaligned)?;
        queue.try_set_avail_ring_address(GuestAddress(available)).map_err(misaligned)?;
        queue.try_set_used_ring_address(GuestAddress(used)).map_err(misaligned)?;
        queue.set_ready(true);
        if queue.is_valid(memory) {
            Ok(())
        } else {
            queue.set_ready(false);
            Err(Broken("a queue outside of RAM"))
        }
    }

    pub(super) fn make_unready(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.queue.set_ready(false);
        }
    }

    pub(super) fn set_event_idx(&mut self, on: bool) {
        self.slots.iter_mut().for_each(|slot| slot.queue.set_event_idx(on));
    }

    /// Gives each queue its share of a call of the device.
    pub(super) fn begin(&mut self) {
        for slot in &mut self.slots {
            slot.share = slot.queue.size();
            slot.popped = false;
        }
    }

    pub(super) fn pop(&mut self, index: usize, memory: &Memory) -> Result<Option<Chain>, Broken> {
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.queue.ready()) else { return Ok(None) };
        if slot.share == 0 {
            return Ok(None);
        }
        let size = slot.queue.size();
        let mut requests =
            slot.queue.iter(memory).map_err(|_| Broken("an available ring that overtakes itself"))?;
        let Some(chain) = requests.next() else {
            slot.popped = true;
            return Ok(None);
        };
        (slot.share, slot.popped) = (slot.share - 1, true);
        Chain::check(chain, memory, size, std::mem::take(&mut self.spare)).map(Some)
    }

    pub(super) fn recycle(&mut self, chain: Chain) {
        self.spare = chain;
    }

    pub(super) fn unpop(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.queue.go_to_previous_position();
            // It would be asked again and again whether there is something in this queue.
            slot.popped = false;
        }
    }

    pub(super) fn push(
        &mut self,
        index: usize,
        head: u16,
        written: u32,
        memory: &Memory,
    ) -> Result<(), Broken> {
        let Some(slot) = self.slots.get_mut(index).filter(|slot| slot.queue.ready()) else { return Ok(()) };
        slot.pushed = true;
        slot.queue.add_used(memory, head, written).map_err(|_| Broken("a used ring outside of RAM"))
    }

    /// Sends the interrupt for what was pushed, if the driver wants it.
    pub(super) fn signal(&mut self, memory: &Memory, interrupt: &Interrupt) -> Result<(), Broken> {
        let mut wanted = false;
        for slot in self.slots.iter_mut().filter(|slot| slot.pushed) {
            slot.pushed = false;
            wanted |= slot.queue.needs_notification(memory).map_err(|_| Broken("a ring outside of RAM"))?;
        }
        if wanted {
            interrupt.used();
        }
        Ok(())
    }

    /// Asks the driver to ring for what comes next in the queues that were read. Returns those that have something already.
    pub(super) fn listen(&mut self, memory: &Memory) -> Result<Vec<usize>, Broken> {
        let mut more = Vec::new();
        for (index, slot) in self.slots.iter_mut().enumerate().filter(|(_, slot)| slot.popped) {
            if slot.queue.enable_notification(memory).map_err(|_| Broken("a ring outside of RAM"))? {
                more.push(index);
            }
        }
        Ok(more)
    }
}
