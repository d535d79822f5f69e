//! Client of root.

use crate::ipc;
use crate::space::Range;
use crate::utcb::Utcb;
use crate::window::Window;
use proto::root::{Args, Devices, Found, Info, Module, Part, Ram, Request};
use proto::{Malformed, Message, Name, Refusal};
use ukernel_abi::layout::SUPERPAGE;
use ukernel_abi::{Fpage, Rights, ThreadId};

/// Asks root for something. That root could not be reached, or answers nonsense, is [`Refusal::BadRequest`].
pub(crate) fn ask<A: for<'a> TryFrom<&'a Message, Error = Malformed>>(
    request: impl Into<Message>,
) -> Result<A, Refusal> {
    let reply = ipc::call(ThreadId::ROOT, &request.into()).map_err(|_| Refusal::BadRequest)?;
    Ok(A::try_from(&reply.accepted()?)?)
}

/// As [`ask`], receiving items in `window`. The thread's own window is as before afterwards.
///
/// # Safety
///
/// `window` holds nothing of Rust's, or unmapped memory that is the caller's to have.
pub(crate) unsafe fn ask_mapping<A: for<'a> TryFrom<&'a Message, Error = Malformed>>(
    utcb: Utcb,
    window: Fpage,
    request: impl Into<Message>,
) -> Result<A, Refusal> {
    let before = utcb.window();
    // SAFETY: the caller's promise.
    unsafe { utcb.set_window_unchecked(window) };
    let answer = ask(request);
    // SAFETY: it was there before.
    unsafe { utcb.set_window_unchecked(before) };
    answer
}

pub(crate) fn name(text: &str) -> Result<Name, Refusal> {
    Name::new(text).ok_or(Refusal::BadRequest)
}

/// The first thread of a server.
pub fn lookup(server: &str) -> Result<ThreadId, Refusal> {
    ask::<Found>(Request::Lookup { name: name(server)? }).map(|found| found.thread)
}

/// What this server has.
pub fn info() -> Result<Info, Refusal> {
    ask(Request::Info)
}

/// A part of this server's arguments (each ended by a NUL) from byte `offset` on; `None` when there are no
/// more.
pub fn args(offset: usize) -> Result<Option<Args>, Refusal> {
    let args: Args = ask(Request::Args { offset: offset as u64 })?;
    Ok(Some(args).filter(|args| !args.bytes.as_slice().is_empty()))
}

/// A boot module, read-only. It is mapped where it gets the largest pages.
pub fn module(module: &str) -> Result<&'static [u8], Refusal> {
    let name = name(module)?;
    let Module { size, align_offset } = ask(Request::Module { name })?;
    // Room for whole large pages: the last one may be more than the module.
    let room = size.checked_next_multiple_of(SUPERPAGE).ok_or(Refusal::NoMemory)?;
    let range = Range::reserve(room, SUPERPAGE, align_offset).ok_or(Refusal::NoMemory)?;
    let utcb = Utcb::current();
    let mut offset = 0;
    while offset < size {
        let request = Request::MapModule { name, offset, base: range.base() + offset };
        // SAFETY: the window is all that lies above the program; items come at the base asked for, in a range
        // that is ours.
        let part: Part = unsafe { ask_mapping(utcb, WINDOWS, request) }?;
        if part.next <= offset {
            return Err(Refusal::BadRequest);
        }
        offset = part.next;
    }
    // SAFETY: all of it is mapped, for ever, and nobody has the right to write to a module.
    Ok(unsafe {
        core::slice::from_raw_parts(core::ptr::with_exposed_provenance(range.base() as usize), size as usize)
    })
}

/// All of the address space that windows can be in.
const WINDOWS: Fpage = Fpage::memory(0, 47, Rights::RWX);

/// A block of the budget, in a range of the caller's.
pub(crate) fn ram(utcb: Utcb, base: u64, log2: u32) -> Result<Ram, Refusal> {
    // SAFETY: root maps one block, at `base`, which is in a range that is the caller's (`Arena`).
    unsafe { ask_mapping(utcb, Fpage::memory(base, log2, Rights::RW), Request::Ram { log2, base }) }
}

/// As [`ram`], of the memory that is in nobody's budget.
pub(crate) fn spare(utcb: Utcb, base: u64, log2: u32) -> Result<Ram, Refusal> {
    // SAFETY: as in `ram`.
    unsafe { ask_mapping(utcb, Fpage::memory(base, log2, Rights::RW), Request::Spare { log2, base }) }
}

/// A block for the heap, whose memory `base` is to become.
pub(crate) fn heap_block(utcb: Utcb, base: u64, log2: u32) -> Result<(), Refusal> {
    ram(utcb, base, log2).map(|_| ())
}

/// 2^`log2` bytes for a device, and their physical address.
pub fn dma(log2: u32) -> Result<(Window, u64), Refusal> {
    let size = 1u64.checked_shl(log2).ok_or(Refusal::BadRequest)?;
    let range = Range::reserve(size, size.max(ukernel_abi::layout::PAGE), 0).ok_or(Refusal::NoMemory)?;
    let window = Fpage::memory(range.base(), log2, Rights::RW);
    let request = Request::Dma { log2, base: range.base() };
    // SAFETY: the range is ours and empty.
    let ram: Ram = unsafe { ask_mapping(Utcb::current(), window, request) }?;
    Ok((Window::new(range), ram.phys))
}

/// Receives the rights to this server's ports and interrupt lines.
pub fn accept_devices() -> Result<(), Refusal> {
    let utcb = Utcb::current();
    utcb.accept_devices(true);
    let mut skip = 0;
    loop {
        let reply = ipc::call(ThreadId::ROOT, &Request::Devices { skip }.into());
        let reply = reply.map_err(|_| Refusal::BadRequest)?.accepted()?;
        let Devices { more } = Devices::try_from(&reply)?;
        skip += reply.tag.items() as u64;
        if more == 0 || reply.tag.items() == 0 {
            utcb.accept_devices(false);
            return Ok(());
        }
    }
}

/// Ends the machine with `status`, as far as root lets this server.
pub fn exit(status: u8) {
    // If root does not take it there is nobody left to tell.
    let _ = ipc::send(ThreadId::ROOT, &Request::Exit { status: status.into() }.into(), ipc::NEVER);
}

/// Ends the machine: this server cannot go on, and has logged why.
pub fn fail() -> ! {
    if crate::log::is_debug_port() {
        crate::io::Port(vmm_abi::ports::EXIT).write_u8(vmm_abi::exit::KERNEL_PANIC);
    } else {
        let _ = ipc::send(ThreadId::ROOT, &Request::Failed.into(), ipc::NEVER);
    }
    crate::start::stop()
}
