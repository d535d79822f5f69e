//! Breakpoints: where a debugger wants to stop, and whether it can be stopped there now.
//!
//! A page may not be there yet, or go and come back. So all are looked at again whenever the machine stands still, and while one waits for its page
//! we hear of every way out of the kernel. A breakpoint is of one process: when another gets its number, it stays without effect.

use super::decode::is_everybody_s;
use super::guest::Guest;
use crate::debug::debuggee::Error;
use crate::debug::thread::{Process, Thread};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

const INT3: u8 = 0xcc;
/// End of the addresses of user mode.
pub const USER_END: u64 = 1 << 47;

/// One place where a byte is ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Set {
    physical: u64,
    /// The page is a copy of the process's own.
    copied: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Point {
    set: Option<Set>,
    /// Of its process: identifier of the first thread.
    owner: Option<u64>,
    /// How many want it: the debugger, and we.
    wanted: u32,
    used: u32,
}

/// Who wants a breakpoint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum For {
    Debugger,
    /// Who comes there is not to be told unless we know why.
    Us,
}

impl Point {
    fn count(&mut self, who: For) -> &mut u32 {
        match who {
            For::Debugger => &mut self.wanted,
            For::Us => &mut self.used,
        }
    }
}

#[derive(Default)]
pub struct Points(BTreeMap<(Process, u64), Point>);

impl Points {
    /// Wants to hear when `process` is at `address`. To be taken back as often.
    pub fn insert(
        &mut self,
        guest: &mut Guest,
        process: Process,
        address: u64,
        who: For,
    ) -> Result<(), Error> {
        let key = (process, address);
        let point = match self.0.entry(key) {
            Entry::Occupied(point) => point.into_mut(),
            Entry::Vacant(place) => {
                let set = set(guest, process, address)?;
                place.insert(Point { set, owner: owner(guest, process), wanted: 0, used: 0 })
            }
        };
        *point.count(who) += 1;
        Ok(())
    }

    pub fn remove(
        &mut self,
        guest: &mut Guest,
        process: Process,
        address: u64,
        who: For,
    ) -> Result<(), Error> {
        let Some(point) = self.0.get_mut(&(process, address)) else { return Ok(()) };
        let count = point.count(who);
        *count = count.saturating_sub(1);
        if point.wanted + point.used > 0 {
            return Ok(());
        }
        let set = point.set;
        self.0.remove(&(process, address));
        set.map_or(Ok(()), |set| unset(guest, process, address, set))
    }

    pub fn clear(&mut self, guest: &mut Guest) -> Result<(), Error> {
        while let Some(((process, address), point)) = self.0.pop_first() {
            if let Some(set) = point.set {
                unset(guest, process, address, set)?;
            }
        }
        Ok(())
    }

    /// Whether the debugger wants `process` to stop at `address`.
    pub fn stops(&self, process: Process, address: u64) -> bool {
        self.0.get(&(process, address)).is_some_and(|point| point.wanted > 0)
    }

    /// The byte that a program would have at `address` if it has inherited somebody's breakpoint there, with memory that it was given a copy of.
    pub fn inherited(&self, guest: &Guest, address: u64) -> Option<u8> {
        let mut same = self.0.iter().filter(|((_, at), _)| *at == address);
        same.find_map(|(_, point)| guest.patches.theirs(point.set?.physical))
    }

    /// Whether the debugger has any in a task.
    pub fn has_some_in_tasks(&self) -> bool {
        self.0.iter().any(|((process, _), point)| !process.is_kernel() && point.wanted > 0)
    }

    /// Whether one waits for its page.
    pub fn has_pending(&self) -> bool {
        self.0.values().any(|point| point.set.is_none())
    }

    /// Whether one of `process` waits for a page that is there now.
    pub fn is_due(&self, guest: &Guest, process: Process) -> bool {
        let mut waiting =
            self.0.range((process, 0)..=(process, u64::MAX)).filter(|(_, point)| point.set.is_none());
        waiting.any(|((_, address), _)| matches!(guest.page(process, *address), Ok(Some(_))))
    }

    /// As [`set`]; what cannot be set waits.
    fn try_to_set(&self, guest: &mut Guest, process: Process, address: u64) -> Option<Set> {
        set(guest, process, address).unwrap_or_else(|error| {
            tracing::debug!("breakpoint of {process} at {address:#x}: {error}");
            None
        })
    }

    /// Looks at all of them again. The machine has run.
    pub fn refresh(&mut self, guest: &mut Guest) -> Result<(), Error> {
        let keys: Vec<_> = self.0.keys().copied().collect();
        for (process, address) in keys {
            let Some(point) = self.0.get(&(process, address)).copied() else { continue };
            if !process.is_kernel() && owner(guest, process) != point.owner {
                if let Some(set) = point.set.filter(|set| !set.copied) {
                    guest.patches.take(&guest.machine, set.physical)?;
                }
                self.0.remove(&(process, address));
                continue;
            }
            let set = match point.set {
                Some(set) if is_there(guest, process, address, set)? => continue,
                Some(old) => {
                    unset(guest, process, address, old)?;
                    self.try_to_set(guest, process, address)
                }
                None => self.try_to_set(guest, process, address),
            };
            if let Some(point) = self.0.get_mut(&(process, address)) {
                point.set = set;
            }
        }
        Ok(())
    }
}

/// Identifier of the first thread of a task: another one's differs, also if it has the same number.
pub fn owner(guest: &Guest, process: Process) -> Option<u64> {
    let task = u16::try_from(process.0).ok()?;
    Some(guest.ours.as_ref()?.kernel.thread(&guest.machine, Thread::l4(task, 0))?.id.0)
}

/// Whether `set` is still what stops the process at `address`.
fn is_there(guest: &Guest, process: Process, address: u64, set: Set) -> Result<bool, Error> {
    let page = guest.page(process, address)?;
    let leads_there = page.is_some_and(|page| page.physical(address) == set.physical);
    Ok(leads_there && guest.patches.holds(&guest.machine, set.physical))
}

/// Puts it there. `None` if the page is not there.
fn set(guest: &mut Guest, process: Process, address: u64) -> Result<Option<Set>, Error> {
    if process.is_kernel() {
        if !guest.is_ready() {
            return Ok(None);
        }
        guest.check_kernel_code(address)?;
    } else if is_everybody_s(address) {
        return Err(Error::Other(format!("the code at {address:#x} is everybody's")));
    }
    let Some((physical, copied)) = guest.own(process, address)? else { return Ok(None) };
    guest.patches.put(&guest.machine, physical, INT3)?;
    Ok(Some(Set { physical, copied }))
}

fn unset(guest: &mut Guest, process: Process, address: u64, set: Set) -> Result<(), Error> {
    if !set.copied && !process.is_kernel() {
        guest.heal_copies(set.physical);
    }
    guest.patches.take(&guest.machine, set.physical)?;
    if set.copied { guest.disown(process, address) } else { Ok(()) }
}
