//! Client of σ0, for root: physical memory, at `place::PHYSICAL` plus its address.

use crate::ipc;
use crate::utcb::Utcb;
use crate::window::Window;
use core::ops::Range;
use proto::sigma0::{Extent, Request};
use proto::{Message, Refusal, place};
use ukernel_abi::kip::{Kip, Module};
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Fpage, Rights, ThreadId};

/// Asks σ0 for something. The receive window is open for σ0's answer only: what other servers send must not
/// land among the memory that root hands out.
pub fn ask(utcb: Utcb, request: Request) -> Result<Message, Refusal> {
    let all = Fpage::memory(place::PHYSICAL, place::PHYSICAL_LOG2, Rights::RWX);
    utcb.set_window(all).map_err(|_| Refusal::BadRequest)?;
    let reply = ipc::call(ThreadId::SIGMA0, &request.into());
    utcb.set_window(Fpage::NIL).map_err(|_| Refusal::BadRequest)?;
    reply.map_err(|_| Refusal::NoMemory)?.accepted()
}

/// Asks for `size` bytes at `phys`, page by page aligned; all of them are then mapped, or the answer is an error.
pub fn exact(utcb: Utcb, phys: u64, size: u64) -> Result<(), Refusal> {
    let (mut phys, end) = (phys, phys.checked_add(size).ok_or(Refusal::BadRequest)?);
    while phys < end {
        let reply = ask(utcb, Request::Exact { phys, size: end - phys })?;
        let Extent { next } = Extent::try_from(&reply)?;
        if next <= phys {
            return Err(Refusal::BadRequest);
        }
        phys = next;
    }
    Ok(())
}

/// The kernel's command line, which the boot loader has left in memory.
pub fn cmdline(utcb: Utcb, kip: &Kip) -> Result<&'static [u8], Refusal> {
    let (phys, size) = (kip.cmdline_phys, kip.cmdline_size);
    if size == 0 {
        return Ok(&[]);
    }
    let (start, end) = (phys & !(PAGE - 1), phys.saturating_add(size).next_multiple_of(PAGE));
    exact(utcb, start, end - start)?;
    let address = (place::PHYSICAL + phys) as usize;
    // SAFETY: σ0 has mapped every page, for ever, and gives nobody the right to write to them.
    Ok(unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(address), size as usize) })
}

/// Physical memory that σ0 has given, as bytes and registers: a window from physical address 0 on. Where nothing has been given an
/// access is a page fault, and the machine ends. What holds a Rust object is not in it: root's own image, heap and stack are elsewhere.
pub fn physical() -> Window {
    Window::physical()
}

/// All pages of a boot module. Its bytes, when every page has been given.
pub fn module(utcb: Utcb, module: &Module) -> Result<&'static [u8], Refusal> {
    let Range { start: phys, end } = module.area();
    if end - phys < module.size {
        return Err(Refusal::BadRequest);
    }
    exact(utcb, phys, end - phys)?;
    let address = (place::PHYSICAL + module.phys) as usize;
    // SAFETY: σ0 has mapped every page. Whoever asks for a module's bytes does not let anybody write to them:
    // root gives modules away read-only, but for the data segment of an ELF, which it reads no more once it
    // has parsed the headers.
    Ok(unsafe {
        core::slice::from_raw_parts(core::ptr::with_exposed_provenance(address), module.size as usize)
    })
}
