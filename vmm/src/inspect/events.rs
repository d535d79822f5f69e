//! The last things that happened in the kernel.

use super::kernel::Kernel;
use crate::debug::view::View;
use ukernel_abi::ThreadId;
use ukernel_abi::debug::event;

/// Rings larger than this are none.
const MAX: u64 = 1024;
const ENTRY_MAX: u64 = 256;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Event {
    /// One of [`ukernel_abi::debug::event`].
    pub kind: u8,
    /// To whom it happened; nobody has to have this identifier any more.
    pub thread: ThreadId,
    pub value: u64,
}

impl Kernel {
    /// The kernel's ring of recent events, the oldest first.
    pub fn events(&self, view: &dyn View) -> Vec<Event> {
        let at = &self.info().kernel;
        if at.event_count == 0 || at.event_count > MAX || at.event_size > ENTRY_MAX {
            return Vec::new();
        }
        let address = self.info().addresses.kernel.wrapping_add(at.events);
        let ring = self.record(view, address, (at.event_count * at.event_size) as usize);
        let (Some(ring), Some(next)) = (ring, self.state_u64(view, at.events_next)) else {
            return Vec::new();
        };
        let event = |n: u64| {
            let entry = (next % at.event_count + n) % at.event_count * at.event_size;
            Event {
                kind: ring.u8(entry.wrapping_add(at.event_kind)),
                thread: ThreadId(ring.u64(entry.wrapping_add(at.event_thread))),
                value: ring.u64(entry.wrapping_add(at.event_value)),
            }
        };
        (0..at.event_count).map(event).filter(|event| event.kind != event::NONE).collect()
    }
}
