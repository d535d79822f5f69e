//! What root does for drivers and their clients (`proto::drivers`).

use crate::ipc;
use crate::root::{ask, ask_mapping, name};
use crate::space::Range;
use crate::utcb::Utcb;
use crate::window::Window;
use proto::drivers::{Request, Shared, Virtio};
use proto::{Message, Refusal};
use ukernel_abi::layout::PAGE;
use ukernel_abi::{Fpage, Rights, ThreadId};

/// The registers of a device, and its interrupt line, to which the caller now has the right.
#[derive(Debug)]
pub struct Device {
    pub registers: Window,
    pub line: u8,
    /// The device ID (virtio 1.2, 5).
    pub id: u32,
}

/// Memory with a physical address.
#[derive(Debug)]
pub struct Dma {
    pub window: Window,
    pub phys: u64,
}

impl Dma {
    /// 2^`log2` bytes of the budget.
    pub fn new(log2: u32) -> Result<Self, Refusal> {
        crate::root::dma(log2).map(|(window, phys)| Self { window, phys })
    }
}

/// The `index`th device of this server's set line.
pub fn device(index: u64) -> Result<Device, Refusal> {
    let utcb = Utcb::current();
    let range = Range::reserve(PAGE, PAGE, 0).ok_or(Refusal::NoMemory)?;
    utcb.accept_devices(true);
    let page = Fpage::memory(range.base(), 12, Rights::RW);
    // SAFETY: the range is ours and empty.
    let answer = unsafe { ask_mapping(utcb, page, Request::Virtio { index, base: range.base() }) };
    utcb.accept_devices(false);
    let virtio: Virtio = answer?;
    let (offset, size) = (virtio.offset as usize, virtio.size as usize);
    let registers =
        Window::new(range).split(offset).and_then(|(_, rest)| rest.split(size)).map(|(first, _)| first);
    let registers = registers.ok_or(Refusal::BadRequest)?;
    Ok(Device { registers, line: virtio.line, id: virtio.device })
}

/// 2^`log2` bytes of the budget that are shared with the server `with`, and by which name it hears of them.
pub fn share(log2: u32, with: &str) -> Result<(Window, u64), Refusal> {
    let with = name(with)?;
    let range = reserve(log2)?;
    let window = Fpage::memory(range.base(), log2, Rights::RW);
    // SAFETY: the range is ours and empty.
    let shared: Shared =
        unsafe { ask_mapping(Utcb::current(), window, Request::Share { log2, base: range.base(), with }) }?;
    Ok((Window::new(range), shared.id))
}

/// The region `id` of `client`, which shares it with this server.
#[derive(Debug)]
pub struct Region {
    /// Its first page: what is behind it is for the device.
    pub lists: Window,
    /// Physical address and log2 size of all of it.
    pub phys: u64,
    pub log2: u32,
}

/// The region `id` of `client`. Only its first page is mapped: each page costs, and again when this server has died.
pub fn region(client: ThreadId, id: u64) -> Result<Region, Refusal> {
    let range = reserve(PAGE.trailing_zeros())?;
    let window = Fpage::memory(range.base(), PAGE.trailing_zeros(), Rights::RW);
    // With a window that is smaller than what is mapped, the base says which part of it is wanted: the first.
    let request = Request::Region { client, id, base: 0 };
    // SAFETY: the range is ours and empty.
    let answer: proto::drivers::Region = unsafe { ask_mapping(Utcb::current(), window, request) }?;
    Ok(Region { lists: Window::new(range), phys: answer.phys, log2: answer.log2 as u32 })
}

fn reserve(log2: u32) -> Result<Range, Refusal> {
    let size = 1u64.checked_shl(log2).filter(|size| *size >= PAGE).ok_or(Refusal::BadRequest)?;
    Range::reserve(size, size, 0).ok_or(Refusal::NoMemory)
}

/// Starts a server again; the set has to allow it.
pub fn kill(server: &str) -> Result<(), Refusal> {
    ask::<Nothing>(Request::Kill { name: name(server)? }).map(|_| ())
}

/// An answer without words.
pub(crate) struct Nothing;

impl TryFrom<&Message> for Nothing {
    type Error = proto::Malformed;

    fn try_from(m: &Message) -> Result<Self, Self::Error> {
        m.args::<0>().map(|_| Self)
    }
}

/// Has root look whether this server is alive.
pub(crate) fn watch() {
    // Root always receives; if it does not take it there is nobody to look.
    let _ = ipc::send(ThreadId::ROOT, &Request::Watch.into(), ipc::NEVER);
}
