//! What a debugger changes in the guest's kernel to hear of what happens in user mode: its own page, two gates of the IDT, and, while it
//! waits for pages to appear, the ways out to user mode. [`Hooks::remove`] leaves the kernel as it was.
//!
//! A kernel that has just been loaded has no gates yet. Then it is on its first way out that they are changed.

use super::machine::Machine;
use super::page;
use super::patches::Patches;
use crate::debug::debuggee::Error;
use crate::debug::view::View;
use crate::inspect::Kernel;

const DEBUG: u64 = 1;
const BREAKPOINT: u64 = 3;
const GATES: usize = 2;
/// Bytes of a gate; where in it is whether it is one.
const GATE: usize = 16;
const ACCESS: usize = 5;
const PRESENT: u8 = 0x80;
/// Bytes of the kernel's own entry for an exception.
const KERNEL_ENTRY: u64 = 16;
const IRETQ: [u8; 2] = [0x48, 0xcf];

/// An instruction by which threads go on in user mode.
struct Exit {
    address: u64,
    physical: u64,
    is_iretq: bool,
}

/// Where a vCPU has come to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arrival {
    /// On a breakpoint or step; where RSP points to is the frame that the processor has pushed.
    Breakpoint,
    Debug,
    /// About to go to user mode, with the frame that RSP points to.
    Leaving,
    /// About to go to user mode by SYSRETQ.
    LeavingBySysret,
}

/// What has been changed.
pub struct Hooks {
    /// The page, at a virtual address.
    page: u64,
    /// The kernel's own entries for exceptions.
    exceptions: u64,
    /// Physical address and former content of each gate.
    gates: Vec<(u64, [u8; GATE])>,
    /// Physical address and former content of the page.
    code: (u64, [u8; page::SIZE]),
    exits: Vec<Exit>,
    watching: bool,
}

impl Hooks {
    /// Puts them into the kernel.
    pub fn install(machine: &Machine, kernel: &Kernel) -> Result<Self, Error> {
        let at = |address: u64| {
            let page = kernel.page(machine, address).ok_or(Error::NotMapped(address))?;
            Ok::<u64, Error>(page.physical(address))
        };
        let addresses = kernel.info().addresses;
        let place = addresses.debug_page;
        let mut former = [0; page::SIZE];
        machine.read(at(place)?, &mut former)?;
        machine.write(at(place)?, &page::code(addresses.exceptions + BREAKPOINT * KERNEL_ENTRY))?;
        let mut exits = Vec::new();
        for address in kernel.exits(machine) {
            let physical = at(address)?;
            let mut code = [0; 2];
            machine.read(physical, &mut code)?;
            exits.push(Exit { address, physical, is_iretq: code == IRETQ });
        }
        let exceptions = addresses.exceptions;
        let code = (at(place)?, former);
        let mut hooks = Self { page: place, exceptions, gates: Vec::new(), code, exits, watching: false };
        hooks.lead_gates(machine, kernel)?;
        Ok(hooks)
    }

    /// Has the gates lead to us, if the kernel has any by now and that has not been done.
    pub fn lead_gates(&mut self, machine: &Machine, kernel: &Kernel) -> Result<(), Error> {
        for (vector, way_in) in [(DEBUG, page::ON_DEBUG), (BREAKPOINT, page::ON_BREAKPOINT)] {
            let address = kernel.info().addresses.idt + vector * GATE as u64;
            let physical = kernel.page(machine, address).ok_or(Error::NotMapped(address))?.physical(address);
            let mut gate = [0; GATE];
            machine.read(physical, &mut gate)?;
            if self.is_ready() || gate[ACCESS] & PRESENT == 0 {
                return Ok(());
            }
            machine.write(physical, &lead(gate, self.page + way_in))?;
            self.gates.push((physical, gate));
        }
        Ok(())
    }

    /// Whether exceptions of user mode come to us.
    pub fn is_ready(&self) -> bool {
        self.gates.len() == GATES
    }

    /// Takes them out again. No vCPU is in the page.
    pub fn remove(mut self, machine: &Machine, patches: &mut Patches) -> Result<(), Error> {
        self.watch_exits(machine, patches, false)?;
        for (physical, gate) in &self.gates {
            machine.write(*physical, gate)?;
        }
        machine.write(self.code.0, &self.code.1)
    }

    /// Whether we are to hear of every way out to user mode.
    pub fn watch_exits(&mut self, machine: &Machine, patches: &mut Patches, on: bool) -> Result<(), Error> {
        if on == self.watching || self.exits.is_empty() {
            return Ok(());
        }
        for exit in &self.exits {
            for (byte, at) in page::OUT.into_iter().zip(exit.physical..) {
                if on {
                    patches.put(machine, at, byte)?;
                } else {
                    patches.take(machine, at)?;
                }
            }
        }
        self.watching = on;
        Ok(())
    }

    /// Where a vCPU whose RIP is `rip` has written to the port, if anywhere.
    pub fn arrival(&self, rip: u64) -> Option<Arrival> {
        match rip.wrapping_sub(self.page) {
            page::AFTER_BREAKPOINT => return Some(Arrival::Breakpoint),
            page::AFTER_DEBUG => return Some(Arrival::Debug),
            page::IRETQ => return Some(Arrival::Leaving),
            _ => {}
        }
        let exit = self.exits.iter().find(|exit| exit.address + page::OUT.len() as u64 == rip)?;
        Some(if exit.is_iretq { Arrival::Leaving } else { Arrival::LeavingBySysret })
    }

    /// Whether the instruction at `rip` is one by which threads go on in user mode.
    pub fn is_exit(&self, rip: u64) -> bool {
        self.exits.iter().any(|exit| exit.address == rip)
    }

    /// Whether a vCPU whose RIP is `rip` is on a way in and has not come to us yet; if so, the kernel's own entry.
    pub fn passes(&self, rip: u64) -> Option<u64> {
        let vector = match rip.wrapping_sub(self.page) {
            page::ON_BREAKPOINT..page::AFTER_BREAKPOINT | page::PASS => BREAKPOINT,
            page::ON_DEBUG..page::AFTER_DEBUG => DEBUG,
            _ => return None,
        };
        Some(self.exceptions + vector * KERNEL_ENTRY)
    }

    /// Address of an IRETQ that is always one.
    pub fn iretq(&self) -> u64 {
        self.page + page::IRETQ
    }

    /// Address of one of the kernel's own.
    pub fn kernel_iretq(&self) -> Option<u64> {
        Some(self.exits.iter().find(|exit| exit.is_iretq)?.address)
    }

    /// The kernel's own entry for the exception by which a vCPU has arrived, if it has.
    pub fn entry(&self, arrival: Arrival) -> Option<u64> {
        match arrival {
            Arrival::Breakpoint => Some(self.exceptions + BREAKPOINT * KERNEL_ENTRY),
            Arrival::Debug => Some(self.exceptions + DEBUG * KERNEL_ENTRY),
            Arrival::Leaving | Arrival::LeavingBySysret => None,
        }
    }
}

/// `gate` with another offset (SDM vol. 3, 7.14.1).
fn lead(gate: [u8; GATE], to: u64) -> [u8; GATE] {
    let to = to.to_le_bytes();
    let mut gate = gate;
    gate[0..2].copy_from_slice(&to[0..2]);
    gate[6..12].copy_from_slice(&to[2..8]);
    gate
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_leads_elsewhere_and_stays_what_it_is() {
        let gate = *b"\x11\x11\x10\x00\x00\xee\x22\x22\x33\x33\x33\x33\x00\x00\x00\x00";
        let led = lead(gate, 0xffff_ffff_8011_0020);
        assert_eq!(led, *b"\x20\x00\x10\x00\x00\xee\x11\x80\xff\xff\xff\xff\x00\x00\x00\x00");
    }
}
