//! Private copies of pages that programs share.
//!
//! A program's text is in many address spaces at once: in those of all that run the same file, in its page cache, in the servers of one ELF file. A
//! breakpoint is for one of them, and so is what a debugger writes there. So that space gets a copy of the page, as ptrace(2) does it on Linux;
//! it lies in memory that the guest does not know of, but that its kernel can reach ([`super::reach`]). The kernel keeps to what it has noted about the page, and only the page-table entry has another address.

use super::agent;
use super::machine::Machine;
use super::reach::{self, Reach};
use crate::debug::debuggee::Error;
use crate::debug::view::View;
use crate::inspect::Kernel;
use crate::inspect::paging::{PAGE, Page};
use std::collections::BTreeMap;

const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

struct Copy {
    /// Where the entry was led before.
    theirs: u64,
    frame: u64,
    users: u32,
}

#[derive(Default)]
pub struct Copies {
    /// By task and address of the page.
    pages: BTreeMap<(u16, u64), Copy>,
    /// As soon as there has been one.
    reach: Option<Reach>,
}

impl Copy {
    /// Has the entry at `address` as it was, and those of whom `place` has given the page to meanwhile.
    fn lead_back(&self, place: &Place<'_>, address: u64) -> Result<(), Error> {
        let (machine, kernel) = (place.machine, place.kernel);
        let mut left = vec![(place.task, place.root, address)];
        while let Some((task, root, address)) = left.pop() {
            let place = Place { machine, kernel, task, root };
            // Each is changed once, so this ends, whatever the mapping database says.
            let Some(page) = place.page(address).filter(|page| page.frame == self.frame) else { continue };
            let chain = kernel.chain(machine, root, address);
            place.lead(&page, self.theirs)?;
            for receiver in chain.into_iter().flat_map(|chain| chain.receivers) {
                let root = receiver.task.and_then(|task| Some((task, kernel.space(machine, task)?)));
                left.extend(root.map(|(task, root)| (task, root, receiver.address)));
            }
        }
        Ok(())
    }
}

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
        if let Some(copy) = self.pages.get_mut(&key) {
            if copy.frame == page.frame {
                copy.users += 1;
                return Ok(page);
            }
            // The program has something else there by now.
            self.pages.remove(&key);
        }
        if self.reach.is_none() {
            self.reach = Some(Reach::give(place.machine, place.kernel)?);
        }
        let frame = self.free().ok_or_else(|| Error::Other("no memory is left for breakpoints".into()))?;
        let mut content = [0; PAGE as usize];
        place.machine.read(page.frame, &mut content)?;
        place.machine.write(frame, &content)?;
        place.lead(&page, frame)?;
        self.pages.insert(key, Copy { theirs: page.frame, frame, users: 1 });
        Ok(Page { frame, ..page })
    }

    /// The page need not be a copy any more, if nobody else wants it.
    pub fn release(&mut self, place: &Place<'_>, address: u64) -> Result<(), Error> {
        let key = (place.task, address & !(PAGE - 1));
        let Some(copy) = self.pages.get_mut(&key) else { return Ok(()) };
        copy.users -= 1;
        if copy.users > 0 {
            return Ok(());
        }
        self.pages.remove(&key).map_or(Ok(()), |copy| copy.lead_back(place, key.1))
    }

    /// No page is to be a copy any more. What the debugger has written there goes, too.
    pub fn clear(&mut self, machine: &Machine, kernel: &Kernel) -> Result<(), Error> {
        while let Some(((task, at), copy)) = self.pages.pop_first() {
            let Some(root) = kernel.space(machine, task) else { continue };
            copy.lead_back(&Place { machine, kernel, task, root }, at)?;
        }
        self.reach.take().map_or(Ok(()), |reach| reach.take(machine, kernel))
    }

    /// Forgets those that their tasks do not have any more.
    pub fn prune(&mut self, machine: &Machine, kernel: &Kernel) {
        self.pages.retain(|&(task, at), copy| {
            let root = kernel.space(machine, task);
            let page = root.and_then(|root| Place { machine, kernel, task, root }.page(at));
            page.is_some_and(|page| page.frame == copy.frame)
        });
    }

    fn free(&self) -> Option<u64> {
        reach::FRAMES
            .step_by(PAGE as usize)
            .find(|frame| self.pages.values().all(|copy| copy.frame != *frame))
    }
}
