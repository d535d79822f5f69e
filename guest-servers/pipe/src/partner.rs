//! Waiting for the thread at the other end, and waking it.

use userlib::{Message, Status, ThreadId, ipc};

/// The thread at the other end.
///
/// A wake is for one wait and a wait takes one wake: one that comes first is waited with until there is somebody to take it.
pub trait Peer {
    fn wait(&self) -> Result<(), Status>;
    fn wake(&self) -> Result<(), Status>;
}

/// A thread, by IPC. That thread must not send anything else to this one while the pipe is in use.
#[derive(Clone, Copy, Debug)]
pub struct Partner(pub ThreadId);

impl Peer for Partner {
    fn wait(&self) -> Result<(), Status> {
        ipc::receive(self.0, ipc::NEVER).map(drop)
    }

    fn wake(&self) -> Result<(), Status> {
        ipc::send(self.0, &Message::ok([]), ipc::NEVER)
    }
}
