//! One request after the other, and whose turn it is.
//!
//! There is one buffer, so who wants to use the disk stands in line. A program may be ended at any time, and its future with it: it leaves the line
//! wherever it stands. Its request is the driver's, though, and goes on; until it has ended, the buffer is nobody's.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use core::cell::{Cell, RefCell};
use core::future::poll_fn;
use core::task::{Context, Poll, Waker};

use super::ahead::Ahead;
use super::drive::{Drive, Facts, Request};
use crate::errno::{Errno, Result};

/// A disk.
pub struct Disk {
    pub(super) drive: Box<dyn Drive>,
    facts: Facts,
    /// In the order of their numbers, which is the order in which they came.
    line: RefCell<VecDeque<Place>>,
    next: Cell<u64>,
    pub(super) ahead: Ahead,
    state: Cell<State>,
}

struct Place {
    number: u64,
    waker: Waker,
}

/// What the driver does. All but [`State::Abandoned`] is about the first in line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing.
    Idle,
    UnderWay,
    /// It is about a request whose turn is over.
    Abandoned,
    /// Nothing more: whether it has done what was asked.
    Ended(bool),
}

impl Disk {
    pub fn new(drive: Box<dyn Drive>) -> Self {
        let facts = drive.facts();
        let (line, next, ahead) = (RefCell::default(), Cell::new(0), Ahead::default());
        Self { drive, facts, line, next, ahead, state: Cell::new(State::Idle) }
    }

    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The request under way has ended: whether it has been done.
    pub fn ended(&self, done: bool) {
        match self.state.get() {
            State::UnderWay => self.state.set(State::Ended(done)),
            State::Abandoned => self.state.set(State::Idle),
            // The driver's thread says what nobody has asked.
            State::Idle | State::Ended(_) => {}
        }
        self.wake_first();
    }

    fn wake_first(&self) {
        if let Some(first) = self.line.borrow().front() {
            first.waker.wake_by_ref();
        }
    }

    /// Stands in line until it is one's turn.
    pub(super) async fn turn(&self) -> Turn<'_> {
        let number = self.next.replace(self.next.get() + 1);
        self.line.borrow_mut().push_back(Place { number, waker: Waker::noop().clone() });
        let turn = Turn { disk: self, number };
        poll_fn(|cx| turn.poll(cx, |state| (state == State::Idle).then_some(()))).await;
        turn
    }
}

/// The use of the disk and of its buffer, until it is dropped.
pub(super) struct Turn<'a> {
    disk: &'a Disk,
    number: u64,
}

impl Turn<'_> {
    /// Has something done, and waits until it has been. EIO if it could not be.
    pub async fn perform(&self, request: Request) -> Result<()> {
        self.disk.state.set(State::UnderWay);
        self.disk.drive.begin(request);
        let ended = |state| if let State::Ended(done) = state { Some(done) } else { None };
        let done = poll_fn(|cx| self.poll(cx, ended)).await;
        self.disk.state.set(State::Idle);
        if done { Ok(()) } else { Err(Errno::EIO) }
    }

    /// Ready when this is the first in line and the state is one that `look` waits for.
    fn poll<T>(&self, cx: &Context<'_>, look: impl FnOnce(State) -> Option<T>) -> Poll<T> {
        let mut line = self.disk.line.borrow_mut();
        let Ok(at) = line.binary_search_by_key(&self.number, |place| place.number) else {
            return Poll::Pending;
        };
        match look(self.disk.state.get()) {
            Some(found) if at == 0 => Poll::Ready(found),
            _ => {
                line[at].waker.clone_from(cx.waker());
                Poll::Pending
            }
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let is_first = |place: &Place| place.number == self.number;
        let was_first = self.disk.line.borrow().front().is_some_and(is_first);
        self.disk.line.borrow_mut().retain(|place| !is_first(place));
        if !was_first {
            return;
        }
        match self.disk.state.get() {
            State::UnderWay => self.disk.state.set(State::Abandoned),
            State::Ended(_) => self.disk.state.set(State::Idle),
            State::Idle | State::Abandoned => {}
        }
        self.disk.wake_first();
    }
}
