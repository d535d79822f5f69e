//! Private copies of pages that programs share.
//!
//! A program's text is in many address spaces at once: in those of all that run the same file, in its page cache, in the servers of one ELF file. A
//! breakpoint is for one of them, and so is what a debugger writes there. So that space gets a copy of the page, as ptrace(2) does it on Linux;
//! it lies in memory that the guest does not know of. The kernel keeps to what it has noted about the page, and only the page-table entry has another address.

use super::agent;
use super::machine::Machine;
use crate::debug::debuggee::Error;
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::paging::{PAGE, Page};
use crate::slots::RESERVE;
use std::collections::BTreeMap;

/// Bytes of the reserve.
pub const SIZE: u64 = 4 << 20;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

struct Copy {
    /// Where the entry was led before.
    theirs: u64,
    frame: u64,
    users: u32,
}

/// By task and address of the page.
#[derive(Default)]
pub struct Copies(BTreeMap<(u16, u64), Copy>);

/// Who wants a page, and whose it is.
pub struct Place<'a> {
    pub machine: &'a Machine,
    pub kernel: &'a Kernel,
    pub task: u16,
    /// Page-table root of the task.
    pub root: u64,
}

impl Place<'_> {
    pub fn page(&self, address: u64) -> Option<Page> {
        crate::inspect::paging::translate(self.machine, self.root, address)
    }

    /// Whether other spaces may see what is written to `page`: what the program may write to is its own, and superpages hold no text.
    pub fn is_shared(page: &Page) -> bool {
        page.user && !page.writable && page.size == PAGE
    }

    fn lead(&self, page: &Page, to: u64) -> Result<(), Error> {
        let value = self.machine.read_u64(page.entry)?;
        let info = self.kernel.info();
        let slot = info.spaces.physmap.wrapping_add(page.entry);
        agent::store(self.machine, info.addresses.debug_page, slot, value & !ADDRESS | to)
    }
}

impl Copies {
    /// Has `place` have a copy of the page at `address`, which is shared or is one already, and returns it. To be released as often.
    pub fn acquire(&mut self, place: &Place<'_>, address: u64) -> Result<Page, Error> {
        let at = address & !(PAGE - 1);
        let page = place.page(at).ok_or(Error::NotMapped(address))?;
        let key = (place.task, at);
        if let Some(copy) = self.0.get_mut(&key) {
            if copy.frame == page.frame {
                copy.users += 1;
                return Ok(page);
            }
            // The program has something else there by now.
            self.0.remove(&key);
        }
        let frame = self.free().ok_or_else(|| Error::Other("no memory is left for breakpoints".into()))?;
        let mut content = [0; PAGE as usize];
        place.machine.read(page.frame, &mut content)?;
        place.machine.write(frame, &content)?;
        place.lead(&page, frame)?;
        self.0.insert(key, Copy { theirs: page.frame, frame, users: 1 });
        Ok(Page { frame, ..page })
    }

    /// The page need not be a copy any more, if nobody else wants it.
    pub fn release(&mut self, place: &Place<'_>, address: u64) -> Result<(), Error> {
        let key = (place.task, address & !(PAGE - 1));
        let Some(copy) = self.0.get_mut(&key) else { return Ok(()) };
        copy.users -= 1;
        if copy.users > 0 {
            return Ok(());
        }
        let (theirs, frame) = (copy.theirs, copy.frame);
        self.0.remove(&key);
        match place.page(key.1) {
            Some(page) if page.frame == frame => place.lead(&page, theirs),
            _ => Ok(()),
        }
    }

    /// No page is to be a copy any more. What the debugger has written there goes, too.
    pub fn clear(&mut self, machine: &Machine, kernel: &Kernel) -> Result<(), Error> {
        while let Some(((task, at), copy)) = self.0.pop_first() {
            let Some(root) = kernel.space(machine, task) else { continue };
            let place = Place { machine, kernel, task, root };
            if let Some(page) = place.page(at).filter(|page| page.frame == copy.frame) {
                place.lead(&page, copy.theirs)?;
            }
        }
        Ok(())
    }

    /// Forgets those that their tasks do not have any more.
    pub fn prune(&mut self, machine: &Machine, kernel: &Kernel) {
        self.0.retain(|&(task, at), copy| {
            let root = kernel.space(machine, task);
            let page = root.and_then(|root| Place { machine, kernel, task, root }.page(at));
            page.is_some_and(|page| page.frame == copy.frame)
        });
    }

    fn free(&self) -> Option<u64> {
        let frames = (RESERVE..RESERVE + SIZE).step_by(PAGE as usize);
        frames.into_iter().find(|frame| self.0.values().all(|copy| copy.frame != *frame))
    }
}
