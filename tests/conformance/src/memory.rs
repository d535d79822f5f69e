//! Memory that is shared with puppets: pages of this server's image that Rust makes no references into.

use core::cell::UnsafeCell;
use core::ptr;
use ukernel_abi::layout::PAGE;
use userlib::{Fpage, MapItem, Rights};

/// Number of pages; they are aligned to all of them together.
pub const PAGES: usize = 16;
const WORDS: usize = PAGES * PAGE as usize / 8;

#[repr(C, align(65536))]
struct Pages(UnsafeCell<[u64; WORDS]>);

// SAFETY: the words are only ever accessed by volatile copies, below, and by other tasks.
unsafe impl Sync for Pages {}

static SHARED: Pages = Pages(UnsafeCell::new([0; WORDS]));

/// A page of the shared memory.
#[derive(Clone, Copy)]
pub struct Page(pub usize);

impl Page {
    pub fn address(self) -> u64 {
        (SHARED.0.get().expose_provenance() + self.0 % PAGES * PAGE as usize) as u64
    }

    /// Its first word.
    pub fn read(self) -> u64 {
        // SAFETY: an address of `SHARED`, aligned; nobody has a reference to it.
        unsafe { ptr::with_exposed_provenance::<u64>(self.address() as usize).read_volatile() }
    }

    pub fn write(self, value: u64) {
        // SAFETY: as in `read`; the memory is in an `UnsafeCell`.
        unsafe { ptr::with_exposed_provenance_mut::<u64>(self.address() as usize).write_volatile(value) }
    }

    pub fn fpage(self, rights: Rights) -> Fpage {
        Fpage::memory(self.address(), 12, rights)
    }

    /// The item that maps it to `base`.
    pub fn item(self, rights: Rights, base: u64) -> MapItem {
        MapItem::map(self.fpage(rights), base)
    }
}

/// A byte of the shared memory.
pub fn byte(at: usize) -> u8 {
    assert!(at < WORDS * 8);
    // SAFETY: an address of `SHARED`; nobody has a reference to it.
    unsafe { SHARED.0.get().cast::<u8>().add(at).read_volatile() }
}

pub fn set_byte(at: usize, value: u8) {
    assert!(at < WORDS * 8);
    // SAFETY: as in `byte`; the memory is in an `UnsafeCell`.
    unsafe { SHARED.0.get().cast::<u8>().add(at).write_volatile(value) }
}

/// All pages, as one flexpage.
pub fn all(rights: Rights) -> Fpage {
    Fpage::memory(Page(0).address(), 16, rights)
}

/// Makes root map everything that puppets are to get.
pub fn touch() {
    for page in 0..PAGES {
        Page(page).write(0);
    }
    crate::code::touch_code();
}
