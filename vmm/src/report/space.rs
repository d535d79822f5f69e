//! The address space in which a server's function is run: the server's own, with four differences.
//!
//! - What the server's Rust code may write (image, heap, stack, UTCBs) is a copy. All else is read-only, the windows too in which it has the
//!   memory of programs.
//! - System calls end the run: the gate page is ours.
//! - The stack of its first thread is empty, and ours to use: by the stack pointer its code knows which thread it is. Nothing that is reachable from
//!   elsewhere is on a stack.
//! - There is a place for request and answer.

use super::image::{Image, ImageError, PAGE, Rights};
use crate::debug::view::View;
use crate::inspect::paging::{self, Page, SUPERPAGE};
use ukernel_abi::layout;
use vm_memory::{Address, Bytes, GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};

/// From here on a server has windows, which hold no objects of its own (`proto::place::WINDOWS`).
const WINDOWS: u64 = 1 << 32;

/// The stack of the first thread of every server (`proto::place::STACK`).
const STACK: u64 = STACK_END - STACK_PAGES * PAGE;
const STACK_END: u64 = 0x4000_0000;
const STACK_PAGES: u64 = 16;

/// Our own pages: where the µ-kernel maps nothing, beside the gate page.
const OWN: u64 = 0x7f80_0000_0000;
const CODE: u64 = OWN;
const DOOR: u64 = OWN + PAGE;
const REQUEST: u64 = OWN + 0x10_0000;
const OUTPUT: u64 = OWN + 0x40_0000;
const REQUEST_PAGES: u64 = 2;
const OUTPUT_PAGES: u64 = 256;

/// Longest request and longest answer, in bytes.
pub const REQUEST_MAX: usize = (REQUEST_PAGES * PAGE) as usize;
pub const ANSWER_MAX: usize = (OUTPUT_PAGES * PAGE) as usize;

/// Where there is no memory: what the run writes there comes to us.
pub const DOOR_PHYSICAL: u64 = super::image::BASE - PAGE;
/// It has returned this value.
pub const DOOR_RETURNED: u64 = DOOR_PHYSICAL;
/// It has made a system call.
pub const DOOR_GATE: u64 = DOOR_PHYSICAL + 8;

/// `call rax; mov [rbx], rax; ud2`. All functions leave rbx as it is (psABI, 3.2.1).
const ENTER: [u8; 7] = [0xff, 0xd0, 0x48, 0x89, 0x03, 0x0f, 0x0b];
/// `mov rcx, DOOR + 8; mov [rcx], rax; ud2`, in place of the gate.
fn gate() -> Vec<u8> {
    let mut code = vec![0x48, 0xb9];
    code.extend((DOOR + (DOOR_GATE - DOOR_PHYSICAL)).to_le_bytes());
    code.extend([0x48, 0x89, 0x01, 0x0f, 0x0b]);
    code
}

/// General registers that the run begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Start {
    pub rip: u64,
    pub rsp: u64,
    pub rax: u64,
    pub rbx: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
}

/// End of the lower half of an address space.
const END: u64 = 1 << 47;

/// The server that is asked.
pub struct Server<'a> {
    pub view: &'a dyn View,
    /// The RAM behind `view`, which may differ from what is seen there: breakpoints are not seen.
    pub ram: &'a GuestMemoryMmap<()>,
    /// Its address space.
    pub cr3: u64,
}

pub struct Space {
    pub image: Image,
    request: u64,
    output: u64,
}

impl Space {
    pub fn new(server: &Server<'_>) -> Result<Self, ImageError> {
        let mut image = Image::new()?;
        let mut result = Ok(());
        paging::for_each_page(server.view, server.cr3, END, &mut |address, page| {
            let is_ours = page_of(address) == page_of(layout::GATE) || (STACK..STACK_END).contains(&address);
            if page.user && !is_ours {
                result = add(&mut image, server, Part { address, page });
            }
            result.is_ok()
        });
        result?;
        let code = image.map_new(CODE, 1, Rights::Execute)?;
        image.write(code, &ENTER)?;
        let gate_page = image.map_new(layout::GATE, 1, Rights::Execute)?;
        image.write(gate_page, &gate())?;
        image.map(DOOR, DOOR_PHYSICAL, PAGE, Rights::Write)?;
        image.map_new(STACK, STACK_PAGES, Rights::Write)?;
        let request = image.map_new(REQUEST, REQUEST_PAGES, Rights::Read)?;
        let output = image.map_new(OUTPUT, OUTPUT_PAGES, Rights::Write)?;
        Ok(Self { image, request, output })
    }

    /// Puts a request where the function at `function` finds it. It is cut at [`REQUEST_MAX`].
    pub fn start(&self, function: u64, request: &[u8]) -> Result<Start, ImageError> {
        let request = &request[..request.len().min(REQUEST_MAX)];
        self.image.write(self.request, request)?;
        Ok(Start {
            rip: CODE,
            rsp: STACK_END,
            rax: function,
            rbx: DOOR,
            rdi: REQUEST,
            rsi: request.len() as u64,
            rdx: OUTPUT,
            rcx: ANSWER_MAX as u64,
        })
    }

    /// The first `len` bytes of the answer.
    pub fn answer(&self, len: u64) -> Result<Vec<u8>, ImageError> {
        let mut answer = vec![0; (len as usize).min(ANSWER_MAX)];
        self.image.read(self.output, &mut answer)?;
        Ok(answer)
    }
}

fn page_of(address: u64) -> u64 {
    address / PAGE
}

/// A page of the server's, or a part of one.
#[derive(Clone, Copy)]
struct Part {
    address: u64,
    page: Page,
}

impl Part {
    /// The parts of `size` bytes each.
    fn split(self, size: u64) -> impl Iterator<Item = Self> {
        (0..self.page.size).step_by(size as usize).map(move |offset| Self {
            address: self.address + offset,
            page: Page { frame: self.page.frame + offset, size, ..self.page },
        })
    }

    fn rights(&self) -> Rights {
        match self.page {
            Page { writable: true, .. } => Rights::Write,
            Page { executable: true, .. } => Rights::Execute,
            _ => Rights::Read,
        }
    }

    fn without_write(self) -> Self {
        Self { page: Page { writable: false, ..self.page }, ..self }
    }
}

/// Adds a page, as it is or, where it has to be copied, in small ones. What is no memory is left out.
fn add(image: &mut Image, server: &Server<'_>, all: Part) -> Result<(), ImageError> {
    let is_own = all.address < WINDOWS || all.address >= layout::USER_END;
    for part in all.split(all.page.size.min(SUPERPAGE)) {
        if all.page.writable && is_own {
            copy(image, server, part)?;
        } else if !is_ram(server.ram, &part.page) || is_own && !is_as_seen(server, &part.page) {
            copy(image, server, part.without_write())?;
        } else {
            image.map(part.address, part.page.frame, part.page.size, part.without_write().rights())?;
        }
    }
    Ok(())
}

/// Whether there are no breakpoints in a page.
fn is_as_seen(server: &Server<'_>, page: &Page) -> bool {
    let (mut seen, mut there) = (vec![0; page.size as usize], vec![0; page.size as usize]);
    let is_seen = server.view.read(page.frame, &mut seen).is_ok();
    is_seen && server.ram.read_slice(&mut there, GuestAddress(page.frame)).is_ok() && seen == there
}

/// Whether it is one piece of the RAM, which the virtual machine has at the same address.
fn is_ram(ram: &GuestMemoryMmap<()>, page: &Page) -> bool {
    let region = ram.find_region(GuestAddress(page.frame));
    region.is_some_and(|r| page.frame - r.start_addr().raw_value() + page.size <= r.len())
}

fn copy(image: &mut Image, server: &Server<'_>, all: Part) -> Result<(), ImageError> {
    let mut bytes = [0; PAGE as usize];
    for part in all.split(PAGE) {
        if server.view.read(part.page.frame, &mut bytes).is_err() {
            continue;
        }
        let physical = image.map_new(part.address, 1, part.rights())?;
        image.write(physical, &bytes)?;
    }
    Ok(())
}
