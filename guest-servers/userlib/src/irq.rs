//! Interrupt lines. The right to a line comes from root (`root::accept_devices`).

use crate::ipc;
use ukernel_abi::{Label, Status, ThreadId};

/// Attaches the calling thread to `line`, which delivers from then on. The kernel takes the first receive
/// from a line, with timeout zero, as the wish to have it; that nothing has arrived yet is the expected
/// answer.
pub fn attach(line: u8) -> Result<(), Status> {
    match ipc::receive(ThreadId::irq(line), ipc::NOW) {
        Ok(_) | Err(Status::ReceiveTimeout) => Ok(()),
        Err(status) => Err(status),
    }
}

/// Waits for the line; the number of interrupts since the last time.
pub fn wait(line: u8) -> Result<u64, Status> {
    let message = ipc::receive(ThreadId::irq(line), ipc::NEVER)?.message;
    if message.label() == Label::INTERRUPT { Ok(message.words[1]) } else { Err(Status::BadArgument) }
}
