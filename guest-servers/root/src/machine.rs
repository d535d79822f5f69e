//! What root asks of the µ-kernel and of σ0.

use proto::sigma0::Request;
use proto::{Message, Refusal};
use ukernel_abi::kip::{Kip, Module};
use ukernel_abi::{Status, ThreadId};

#[cfg(test)]
pub mod mock;

/// A server's first thread, to be made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NewServer {
    pub entry: u64,
    pub stack_end: u64,
    pub kernel_frames: u64,
    pub priority: u8,
}

pub trait Machine {
    fn kip(&self) -> &'static Kip;
    /// σ0's answer. Memory that it gives is at `place::PHYSICAL` plus its address.
    fn sigma0(&mut self, request: Request) -> Result<Message, Refusal>;
    /// The bytes of a module, all pages of which are then mapped likewise.
    fn module(&mut self, module: &Module) -> Result<&'static [u8], Refusal>;
    /// Makes a task whose pager and handler is root.
    fn new_server(&mut self, server: &NewServer) -> Result<ThreadId, Status>;
    /// Writes to the debug port.
    fn debug(&mut self, bytes: &[u8]);
}
