//! A server says that it is alive.
//!
//! Root cannot ask: a server that is busy does not receive, and one that spins never will. So the server notes in a page that it shares with
//! root when it goes about its work and when it is back at its loop, which costs two stores. Root looks at the page from time to
//! time, but only while there is work: the server tells it when work begins and nobody is looking.

use crate::drivers::{Nothing, watch};
use crate::root::ask_mapping;
use crate::space::Range;
use crate::utcb::Utcb;
use crate::window::Window;
use core::sync::atomic::{Ordering, fence};
use proto::Refusal;
use proto::drivers::Request;
use proto::drivers::beat::{AWAY, COUNT, WATCHED};
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Fpage, Rights};

/// What a server's main loop tells root; nothing, if its set gives it no watchdog.
#[derive(Debug)]
pub struct Beat {
    page: Option<Window>,
    count: u32,
}

impl Beat {
    /// For the loop of this server. It is away from now on.
    pub fn new() -> Result<Self, Refusal> {
        let range = Range::reserve(PAGE, PAGE, 0).ok_or(Refusal::NoMemory)?;
        let window = Fpage::memory(range.base(), 12, Rights::RW);
        // SAFETY: the range is ours and empty.
        let answer: Result<Nothing, _> =
            unsafe { ask_mapping(Utcb::current(), window, Request::Beat { base: range.base() }) };
        let page = match answer {
            Ok(_) => Some(Window::new(range)),
            Err(Refusal::NotFound) => None,
            Err(why) => return Err(why),
        };
        let mut beat = Self { page, count: 0 };
        beat.away();
        Ok(beat)
    }

    /// The server has something to do.
    pub fn away(&mut self) {
        let Some(page) = &self.page else { return };
        self.count = self.count.wrapping_add(1);
        let _in_the_page = page.store(COUNT, self.count) && page.store(AWAY, 1u32);
        // Root first says that it does not look any more, then looks once more: one of both sees the other.
        fence(Ordering::SeqCst);
        if page.load::<u32>(WATCHED) == Some(0) {
            watch();
        }
    }

    /// The server waits for messages.
    pub fn back(&mut self) {
        if let Some(page) = &self.page {
            let _in_the_page = page.store(AWAY, 0u32);
        }
    }
}
