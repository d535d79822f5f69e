//! Watchpoints: places of memory whose changes, or reads, the debugger wants to hear of.
//!
//! The pages that they are on are read-only for the guest, or not there, so that its accesses come to us; the vCPU's thread makes them, and tells those that
//! touch a place ([`crate::debug::control::watch`]). Whoever makes them, a program, a server or the kernel on somebody's behalf, is noticed, but not
//! devices and the debugger itself. Debug registers would be faster, but not on every KVM do they work.
//!
//! What KVM cannot do for the guest, such as to store a whole vector register, is done by the guest itself while nothing is watched, and then it is
//! looked what has changed ([`Watchpoints::snapshot`]).

use super::guest::Guest;
use crate::debug::control::watch::{Hit, Kinds};
use crate::debug::debuggee::{Access, Error};
use crate::debug::thread::Process;
use crate::debug::view::View;
use crate::slots::{Protection, Slots};
use std::collections::BTreeMap;
use std::ops::Range;

const PAGE: u64 = 4096;
/// Bytes that may be watched at once.
const LENGTH_MAX: u64 = 4096;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Watchpoint {
    pub process: Process,
    pub address: u64,
    pub length: u64,
    pub access: Access,
}

impl Watchpoint {
    fn kinds(&self) -> Kinds {
        Kinds { read: self.access != Access::Write, write: self.access != Access::Read }
    }

    /// Where it is in physical memory, as far as something is mapped.
    fn places(&self, guest: &Guest) -> Vec<Range<u64>> {
        let mut places = Vec::new();
        let end = self.address.saturating_add(self.length);
        let mut at = self.address;
        while at < end {
            let next = end.min((at / PAGE + 1).saturating_mul(PAGE));
            if let Ok(Some(page)) = guest.page(self.process, at) {
                let start = page.physical(at);
                places.push(start..start + (next - at));
            }
            at = next;
        }
        places
    }
}

#[derive(Default)]
pub struct Watchpoints(Vec<Watchpoint>);

/// What was in all places at one time.
pub struct Snapshot(Vec<(Watchpoint, Vec<u8>)>);

impl Watchpoints {
    pub fn insert(&mut self, guest: &Guest, slots: &mut Slots, new: Watchpoint) -> Result<(), Error> {
        if new.length == 0 || new.length > LENGTH_MAX {
            return Err(Error::Other(format!("up to {LENGTH_MAX} bytes can be watched")));
        }
        let bytes: u64 = new.places(guest).iter().map(|place| place.end - place.start).sum();
        if bytes < new.length {
            return Err(Error::NotMapped(new.address));
        }
        self.0.push(new);
        let done = self.protect(guest, slots);
        if done.is_err() {
            self.0.pop();
            self.protect(guest, slots)?;
        }
        done
    }

    pub fn remove(&mut self, guest: &Guest, slots: &mut Slots, old: Watchpoint) -> Result<(), Error> {
        if let Some(index) = self.0.iter().position(|watchpoint| *watchpoint == old) {
            self.0.remove(index);
        }
        self.protect(guest, slots)
    }

    pub fn clear(&mut self, guest: &Guest, slots: &mut Slots) -> Result<(), Error> {
        self.0.clear();
        self.protect(guest, slots)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Has accesses come to us as is wanted now; a page may be in another place since. All vCPUs are parked.
    pub fn protect(&self, guest: &Guest, slots: &mut Slots) -> Result<(), Error> {
        let mut pages = BTreeMap::new();
        let mut places = Vec::new();
        for watchpoint in &self.0 {
            for place in watchpoint.places(guest) {
                let kinds = watchpoint.kinds();
                let protection = if kinds.read { Protection::All } else { Protection::Writes };
                let page = pages.entry(place.start / PAGE * PAGE).or_insert(protection);
                *page = protection.max(*page);
                places.push((place, kinds));
            }
        }
        if *slots.protected() != pages {
            slots.protect(pages.clone()).map_err(|e| Error::Other(e.to_string()))?;
        }
        guest.machine.control.watches().set(pages.into_keys().collect(), places);
        Ok(())
    }

    /// The watchpoint that a hit is told for, if it is worth it: to write what is there already is not.
    pub fn meant(&self, guest: &Guest, hit: &Hit) -> Option<Watchpoint> {
        let end = hit.address + hit.after.len() as u64;
        let touches = |place: &Range<u64>| place.start < end && hit.address < place.end;
        let differs = |place: &Range<u64>| {
            let bytes = hit.before.iter().zip(&hit.after).zip(hit.address..);
            bytes.into_iter().any(|((before, after), at)| place.contains(&at) && before != after)
        };
        let wants = |watchpoint: &&Watchpoint| {
            let mut places = watchpoint.places(guest).into_iter();
            match (hit.write, watchpoint.access) {
                (true, Access::Write) => places.any(|place| touches(&place) && differs(&place)),
                (true, Access::Both) | (false, Access::Read | Access::Both) => {
                    places.any(|place| touches(&place))
                }
                (true, Access::Read) | (false, Access::Write) => false,
            }
        };
        self.0.iter().find(wants).copied()
    }

    pub fn snapshot(&self, guest: &Guest) -> Snapshot {
        Snapshot(self.0.iter().map(|&watchpoint| (watchpoint, content(guest, &watchpoint))).collect())
    }

    /// The first one whose content has changed since.
    pub fn changed(&self, guest: &Guest, before: &Snapshot) -> Option<Watchpoint> {
        let changed = |(watchpoint, before): &&(Watchpoint, Vec<u8>)| content(guest, watchpoint) != *before;
        before.0.iter().find(changed).map(|(watchpoint, _)| *watchpoint)
    }
}

fn content(guest: &Guest, watchpoint: &Watchpoint) -> Vec<u8> {
    let mut all = Vec::new();
    for place in watchpoint.places(guest) {
        let mut bytes = vec![0; (place.end - place.start) as usize];
        // What cannot be read has not changed.
        let _ = guest.machine.read(place.start, &mut bytes);
        all.extend(bytes);
    }
    all
}
