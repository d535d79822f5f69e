//! What debuggers read and write of a process's memory.

use super::copies::Place;
use super::guest::Guest;
use crate::debug::debuggee::Error;
use crate::debug::thread::Process;
use crate::debug::view::View;

impl Guest {
    /// Reads what is mapped from `address` on. Returns how many bytes that were.
    pub fn read_memory(&self, process: Process, address: u64, into: &mut [u8]) -> Result<usize, Error> {
        match self.translation(process)?.read(self, address, into) {
            0 if !into.is_empty() => Err(Error::NotMapped(address)),
            count => Ok(count),
        }
    }

    /// Writes all or nothing. A page that others have too becomes a copy of the process's own, and stays it.
    pub fn write_memory(&mut self, process: Process, address: u64, from: &[u8]) -> Result<(), Error> {
        let pieces = self.pieces(process, address, from.len())?;
        let mut rest = from;
        for (at, count) in pieces {
            let (physical, _) = self.own(process, at)?.ok_or(Error::NotMapped(at))?;
            let (piece, behind) = rest.split_at(count);
            self.patches.write(&self.machine, physical, piece)?;
            rest = behind;
        }
        Ok(())
    }

    /// Addresses and lengths of what is on one page each. All is mapped.
    fn pieces(&self, process: Process, address: u64, length: usize) -> Result<Vec<(u64, usize)>, Error> {
        let mut pieces = Vec::new();
        let mut done = 0;
        while done < length {
            let at = address.checked_add(done as u64).ok_or(Error::NotMapped(address))?;
            let page = self.page(process, at)?.ok_or(Error::NotMapped(at))?;
            // What is not RAM is nothing to write to.
            self.machine.read(page.physical(at), &mut [0])?;
            let count = (page.size - at % page.size).min((length - done) as u64) as usize;
            pieces.push((at, count));
            done += count;
        }
        Ok(pieces)
    }

    /// The physical address of a byte that only `process` sees when it is changed, and whether its page is a copy made for that. `None` if nothing is mapped there.
    pub fn own(&mut self, process: Process, address: u64) -> Result<Option<(u64, bool)>, Error> {
        let Some(page) = self.page(process, address)? else { return Ok(None) };
        if process.is_kernel() || !Place::is_shared(&page) {
            return Ok(Some((page.physical(address), false)));
        }
        let mut copies = std::mem::take(&mut self.copies);
        let page = self.place(process).and_then(|place| copies.acquire(&place, address));
        self.copies = copies;
        Ok(Some((page?.physical(address), true)))
    }

    /// The page at `address` need not be a copy for this any more.
    pub fn disown(&mut self, process: Process, address: u64) -> Result<(), Error> {
        let mut copies = std::mem::take(&mut self.copies);
        let done = self.place(process).and_then(|place| copies.release(&place, address));
        self.copies = copies;
        done
    }
}
