//! Memory that is mapped to puppets: pages of this server's image that Rust makes no references into.

use core::cell::UnsafeCell;
use core::ptr;
use ukernel_abi::layout::PAGE;
use userlib::{Fpage, MapItem, Rights};

/// Number of pages; they are aligned to all of them together.
const PAGES: usize = 8;

#[repr(C, align(32768))]
struct Pages(UnsafeCell<[u8; PAGES * PAGE as usize]>);

// SAFETY: the bytes are only ever accessed by volatile writes, below, and by other tasks.
unsafe impl Sync for Pages {}

static SHARED: Pages = Pages(UnsafeCell::new([0; PAGES * PAGE as usize]));

/// A page of this memory.
#[derive(Clone, Copy)]
pub struct Page(pub usize);

impl Page {
    pub fn address(self) -> u64 {
        (SHARED.0.get().expose_provenance() + self.0 % PAGES * PAGE as usize) as u64
    }

    /// The end of a stack in this page.
    pub fn stack(self) -> u64 {
        self.address() + PAGE - 64
    }

    pub fn fpage(self, rights: Rights) -> Fpage {
        Fpage::memory(self.address(), 12, rights)
    }
}

/// All pages, as one flexpage.
fn all() -> Fpage {
    Fpage::memory(Page(0).address(), (PAGES as u64 * PAGE).ilog2(), Rights::RW)
}

/// The item that answers a fault at `address`, if that is in this memory or in the code of the loops.
pub fn item_at(address: u64) -> Option<MapItem> {
    let page = |rights| Fpage::memory(address & !(PAGE - 1), 12, rights);
    if all().contains(address) {
        Some(MapItem::map(page(Rights::RW), page(Rights::NONE).base()))
    } else if crate::code::pages().contains(&address) {
        Some(MapItem::map(page(Rights::RX), page(Rights::NONE).base()))
    } else {
        None
    }
}

/// Makes root map everything that puppets are to get.
pub fn touch() {
    for page in 0..PAGES {
        let byte = ptr::with_exposed_provenance_mut::<u8>(Page(page).address() as usize);
        // SAFETY: an address of `SHARED`, to which nobody has a reference; the memory is in an `UnsafeCell`.
        unsafe { byte.write_volatile(0) };
    }
    for address in crate::code::pages().step_by(PAGE as usize) {
        // SAFETY: an address in this server's text.
        unsafe { ptr::with_exposed_provenance::<u8>(address as usize).read_volatile() };
    }
}
