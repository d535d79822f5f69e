//! A host for tests and fuzzers: programs whose ends of the streams are held by a [`Control`].

use super::{Backend, Event, Stream, Transfer};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The host. It listens at all ports below 1000.
#[derive(Default)]
pub struct Programs(Control);

/// The hand on it.
#[derive(Clone, Default)]
pub struct Control(Arc<Mutex<State>>);

/// How the host stands.
#[derive(Default)]
pub struct State {
    pub streams: BTreeMap<u64, End>,
    next: u64,
    events: VecDeque<(u64, Option<u32>)>,
}

/// The program's end of a stream.
#[derive(Default)]
pub struct End {
    /// What the program has sent.
    pub sent: VecDeque<u8>,
    /// It sends no more.
    pub sent_all: bool,
    /// What it has received, and how much more it takes.
    pub received: Vec<u8>,
    pub takes: usize,
    /// It has gone.
    pub gone: bool,
    /// What the device has done.
    pub accepted: Option<u32>,
    pub finished: bool,
    pub dropped: bool,
}

/// The device's end of a stream.
pub struct MockStream {
    id: u64,
    control: Control,
}

impl Programs {
    pub fn control(&self) -> Control {
        self.0.clone()
    }
}

impl Control {
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the program's end of stream `id`, and says so.
    pub fn with(&self, id: u64, change: impl FnOnce(&mut End)) {
        let mut state = self.state();
        if let Some(end) = state.streams.get_mut(&id) {
            change(end);
            state.events.push_back((id, None));
        }
    }

    /// A program wants to be connected to a port of the guest. Returns its stream.
    pub fn want(&self, port: u32) -> u64 {
        let mut state = self.state();
        let id = state.open();
        state.events.push_back((id, Some(port)));
        id
    }
}

impl State {
    fn open(&mut self) -> u64 {
        self.next += 1;
        self.streams.insert(self.next, End { takes: usize::MAX, ..End::default() });
        self.next
    }
}

impl Backend for Programs {
    type Stream = MockStream;

    fn connect(&mut self, port: u32) -> Option<MockStream> {
        (port < 1000).then(|| MockStream { id: self.0.state().open(), control: self.0.clone() })
    }

    fn poll(&mut self) -> Option<Event<MockStream>> {
        let (id, wanted) = self.0.state().events.pop_front()?;
        Some(match wanted {
            Some(port) => Event::Wanted { stream: MockStream { id, control: self.0.clone() }, port },
            None => Event::Ready(id),
        })
    }
}

impl MockStream {
    fn end<T>(&self, with: impl FnOnce(&mut End) -> T) -> Option<T> {
        self.control.state().streams.get_mut(&self.id).map(with)
    }
}

impl Stream for MockStream {
    fn id(&self) -> u64 {
        self.id
    }

    fn read(&mut self, into: &mut [u8]) -> Transfer {
        let read = |end: &mut End| match end.sent.len().min(into.len()) {
            0 if end.sent_all || end.gone => Transfer::Closed,
            0 => Transfer::Blocked,
            count => {
                into[..count].iter_mut().zip(end.sent.drain(..count)).for_each(|(to, from)| *to = from);
                Transfer::Done(count)
            }
        };
        self.end(read).unwrap_or(Transfer::Closed)
    }

    fn write(&mut self, bytes: &[u8]) -> Transfer {
        let write = |end: &mut End| match bytes.len().min(end.takes) {
            _ if end.gone => Transfer::Closed,
            0 => Transfer::Blocked,
            count => {
                end.received.extend(&bytes[..count]);
                end.takes -= count;
                Transfer::Done(count)
            }
        };
        self.end(write).unwrap_or(Transfer::Closed)
    }

    fn accepted(&mut self, port: u32) {
        self.end(|end| end.accepted = Some(port));
    }

    fn finish(&mut self) {
        self.end(|end| end.finished = true);
    }
}

impl Drop for MockStream {
    fn drop(&mut self) {
        self.end(|end| end.dropped = true);
    }
}
