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
    pub name: &'static str,
    pub entry: u64,
    pub stack_end: u64,
    pub kernel_frames: u64,
    pub priority: u8,
}

pub trait Machine {
    fn kip(&self) -> &'static Kip;
    /// The kernel's command line; empty if it is not text.
    fn cmdline(&mut self) -> &'static str;
    /// σ0's answer. Memory that it gives is at `place::PHYSICAL` plus its address.
    fn sigma0(&mut self, request: Request) -> Result<Message, Refusal>;
    /// The bytes of a module, all pages of which are then mapped likewise.
    fn module(&mut self, module: &Module) -> Result<&'static [u8], Refusal>;
    /// Asks σ0 for these pages, which are then mapped likewise.
    fn map(&mut self, phys: u64, size: u64) -> Result<(), Refusal>;
    /// A word of memory, or a register, that σ0 has given.
    fn load(&self, phys: u64) -> u32;
    fn store(&mut self, phys: u64, value: u32);
    /// Copies memory that σ0 has given.
    fn copy(&mut self, from: u64, to: u64, len: u64);
    /// Makes a task whose pager and handler is root.
    fn new_server(&mut self, server: &NewServer) -> Result<ThreadId, Status>;
    /// Deletes the task that `thread` is the first of.
    fn delete(&mut self, thread: ThreadId) -> Result<(), Status>;
    /// Microseconds since some moment.
    fn now(&self) -> u64;
    /// Writes to the debug port.
    fn debug(&mut self, bytes: &[u8]);
}
