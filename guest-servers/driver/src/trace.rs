//! Records for a profile (`vmm_abi::trace`): servers make them by `userlib`; in tests they are kept, to be looked at.

pub use vmm_abi::trace::Event;

#[cfg(all(feature = "guest", not(test)))]
pub use userlib::trace::event;

#[cfg(not(any(feature = "guest", test)))]
pub fn event(_event: Event, _argument: u64) {}

#[cfg(test)]
pub use kept::{event, take};

#[cfg(test)]
mod kept {
    use super::Event;
    use std::cell::RefCell;

    std::thread_local! {
        static RECORDS: RefCell<Vec<(Event, u64)>> = const { RefCell::new(Vec::new()) };
    }

    pub fn event(event: Event, argument: u64) {
        RECORDS.with_borrow_mut(|records| records.push((event, argument)));
    }

    /// What this thread has recorded since it was last asked.
    pub fn take() -> Vec<(Event, u64)> {
        RECORDS.take()
    }
}
