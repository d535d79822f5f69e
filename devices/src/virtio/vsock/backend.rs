//! The host's side: programs, and streams to them.

/// What became of bytes that were to cross.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transfer {
    /// So many did, at least one.
    Done(usize),
    /// None for now: [`Event::Ready`] says when to try again.
    Blocked,
    /// None any more.
    Closed,
}

/// A stream to a program of the host. To drop it ends it.
pub trait Stream: Send {
    /// Its number: no other stream has it.
    fn id(&self) -> u64;

    /// Reads what the program has sent. `into` is not empty.
    fn read(&mut self, into: &mut [u8]) -> Transfer;

    /// Sends to the program. `bytes` is not empty.
    fn write(&mut self, bytes: &[u8]) -> Transfer;

    /// The guest has taken the connection that the program had asked for; it comes from this port of the host.
    fn accepted(&mut self, port: u32);

    /// Nothing more will be written.
    fn finish(&mut self);
}

/// What has happened on the host.
pub enum Event<S> {
    /// A program wants to be connected to a port of the guest.
    Wanted { stream: S, port: u32 },
    /// The stream with this number can be read or written again, or has ended.
    Ready(u64),
}

/// The programs of the host. None of its calls waits.
pub trait Backend: Send {
    type Stream: Stream;

    /// Connects to whoever listens at `port`. `None`: nobody does, or has time.
    fn connect(&mut self, port: u32) -> Option<Self::Stream>;

    /// What has happened, one thing a call. The device asks when its source is ready, until there is nothing more.
    fn poll(&mut self) -> Option<Event<Self::Stream>>;
}
