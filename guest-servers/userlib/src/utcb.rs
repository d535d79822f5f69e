//! A thread's view of its UTCB: message words beyond the seventh, receive windows, register state for other
//! threads.
//!
//! Nothing here makes a reference into the page: the kernel writes to it during calls, so everything is
//! copied.

use crate::thread;
use core::marker::PhantomData;
use core::ptr::{self, addr_of, addr_of_mut};
use proto::place;
use ukernel_abi::call::Timeouts;
use ukernel_abi::msg::{REGISTER_WORDS, StringItem, WORDS};
use ukernel_abi::utcb::{BUFFERS, FpuState, Regs, Utcb as Page};
use ukernel_abi::{Fpage, FpageKind, MapItem, Status, ThreadId, layout};

/// The UTCB of the thread that holds this. Cannot be sent to another thread.
#[derive(Clone, Copy)]
pub struct Utcb {
    page: *mut Page,
    _thread: PhantomData<*mut ()>,
}

impl Utcb {
    /// # Safety
    ///
    /// `lthread` is the number of the calling thread, and it was made `WITH_UTCB`.
    pub(crate) unsafe fn of(lthread: u16) -> Self {
        let page = ptr::with_exposed_provenance_mut(layout::utcb(lthread) as usize);
        Self { page, _thread: PhantomData }
    }

    /// The calling thread's.
    pub fn current() -> Self {
        // SAFETY: every thread of a server has a UTCB: the first by root, others by `spawn`.
        unsafe { Self::of(thread::current().lthread()) }
    }

    /// Where memory items may be received; [`Fpage::NIL`]: nowhere. Refused if it is not a flexpage of memory
    /// or touches what is Rust's (image, heap, stack).
    pub fn set_window(&self, window: Fpage) -> Result<(), Status> {
        if !window.is_nil() && !is_outside_program(window) {
            return Err(Status::BadArgument);
        }
        // SAFETY: nothing of Rust's is there.
        unsafe { self.set_window_unchecked(window) };
        Ok(())
    }

    /// # Safety
    ///
    /// What is received before the window is set again may lie there.
    pub(crate) unsafe fn set_window_unchecked(&self, window: Fpage) {
        // SAFETY: the page is mapped (`of`) and only this thread and the kernel, during calls, access it.
        unsafe { addr_of_mut!((*self.page).window).write(window) };
    }

    pub fn window(&self) -> Fpage {
        // SAFETY: as in `set_window_unchecked`; any bits are an `Fpage`.
        unsafe { addr_of!((*self.page).window).read() }
    }

    /// Whether port and interrupt items are received.
    pub fn accept_devices(&self, yes: bool) {
        let window = if yes { Fpage::ports(0, 16) } else { Fpage::NIL };
        // SAFETY: as in `set_window_unchecked`.
        unsafe { addr_of_mut!((*self.page).io_window).write(window) };
    }

    /// In whose name propagated messages are sent.
    pub fn set_virtual_sender(&self, name: ThreadId) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe { addr_of_mut!((*self.page).virtual_sender).write(name) };
    }

    /// TSC readings for timeouts of the kind `Deadline`.
    pub fn set_deadlines(&self, send: u64, receive: u64) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe {
            addr_of_mut!((*self.page).send_deadline).write(send);
            addr_of_mut!((*self.page).receive_deadline).write(receive);
        }
    }

    /// How long transfers of strings may take.
    pub fn set_transfer_timeouts(&self, timeouts: Timeouts) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe { addr_of_mut!((*self.page).transfer_timeouts).write(timeouts) };
    }

    /// Where strings are received; buffers beyond the room of the list are left out.
    ///
    /// # Safety
    ///
    /// Until the list is set again, the memory is changed by messages that this thread receives.
    pub(crate) unsafe fn set_buffers(&self, buffers: &[StringItem]) {
        for (n, buffer) in buffers.iter().enumerate().take(BUFFERS) {
            // SAFETY: as in `set_window_unchecked`; the index is within the array.
            unsafe { addr_of_mut!((*self.page).buffers[n]).write(*buffer) };
        }
        // SAFETY: as in `set_window_unchecked`.
        unsafe { addr_of_mut!((*self.page).buffer_count).write(buffers.len().min(BUFFERS) as u64) };
    }

    /// Message word `index`, one of those that are not in registers. Beyond the last word: 0.
    pub fn word(&self, index: usize) -> u64 {
        if !(REGISTER_WORDS..WORDS).contains(&index) {
            return 0;
        }
        // SAFETY: as in `set_window_unchecked`; the index is within the array.
        unsafe { addr_of!((*self.page).words[index]).read() }
    }

    /// Sets a message word; false if `index` is that of a word in a register or there is no such word.
    #[must_use]
    pub fn set_word(&self, index: usize, word: u64) -> bool {
        if !(REGISTER_WORDS..WORDS).contains(&index) {
            return false;
        }
        // SAFETY: as in `word`.
        unsafe { addr_of_mut!((*self.page).words[index]).write(word) };
        true
    }

    /// Appends an item to `message`, in registers while there is room and in the UTCB after that; false if a
    /// message has no more room. The UTCB is used by the next message that is sent: fill one message at a
    /// time.
    #[must_use]
    pub fn push_item(&self, message: &mut proto::Message, item: MapItem) -> bool {
        let at = message.tag.words() + 2 * message.tag.items();
        if at + 2 > WORDS {
            return false;
        }
        for (index, word) in [(at, item.snd.0), (at + 1, item.base)] {
            match message.words.get_mut(index) {
                Some(register) => *register = word,
                None => {
                    let _there_is_room = self.set_word(index, word);
                }
            }
        }
        let tag = message.tag;
        message.tag = ukernel_abi::Tag::new(tag.label(), tag.words(), tag.items() + 1);
        true
    }

    /// Registers that an `lthread_ex_regs` with `GET_REGS` has copied here.
    pub fn regs(&self) -> Regs {
        // SAFETY: as in `set_window_unchecked`; any bits are `Regs`.
        unsafe { addr_of!((*self.page).regs).read() }
    }

    /// Registers for `SET_REGS`.
    pub fn set_regs(&self, regs: &Regs) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe { addr_of_mut!((*self.page).regs).write(*regs) }
    }

    pub fn fpu(&self) -> FpuState {
        // SAFETY: as in `set_window_unchecked`; any bits are an `FpuState`.
        unsafe { addr_of!((*self.page).fpu).read() }
    }

    pub fn set_fpu(&self, fpu: &FpuState) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe { addr_of_mut!((*self.page).fpu).write(*fpu) }
    }

    /// FS base and GS base that go with `regs` or `fpu`.
    pub fn bases(&self) -> (u64, u64) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe { (addr_of!((*self.page).fs_base).read(), addr_of!((*self.page).gs_base).read()) }
    }

    pub fn set_bases(&self, fs: u64, gs: u64) {
        // SAFETY: as in `set_window_unchecked`.
        unsafe {
            addr_of_mut!((*self.page).fs_base).write(fs);
            addr_of_mut!((*self.page).gs_base).write(gs);
        }
    }
}

/// Whether `page` is memory that is neither image nor heap nor stack.
pub(crate) fn is_outside_program(page: Fpage) -> bool {
    page.is_valid()
        && page.kind() == Some(FpageKind::Memory)
        && page.base() >= place::WINDOWS
        && page.base() + page.size() <= layout::USER_END
}

#[cfg(test)]
mod tests {
    use super::*;
    use ukernel_abi::Rights;

    #[test]
    fn windows_stay_away_from_the_program() {
        let ok = |base, log2| is_outside_program(Fpage::memory(base, log2, Rights::RWX));
        assert!(ok(place::WINDOWS, 32));
        assert!(ok(1 << 39, 39));
        assert!(!ok(0, 47), "everything");
        assert!(!ok(place::IMAGE, 21));
        assert!(!ok(place::HEAP, 21));
        assert!(!ok(place::STACK, 16));
        assert!(!ok(layout::UTCB_BASE, 12));
        assert!(!ok(0x4000_0000_0000, 46), "reaches over the UTCBs");
        assert!(!is_outside_program(Fpage::ports(0, 16)));
        assert!(!is_outside_program(Fpage::NIL));
    }
}
