//! The boot modules, as root and servers see them.

use crate::machine::Machine;
use proto::items::cover;
use proto::place::PHYSICAL;
use proto::{Name, Refusal, root};
use ukernel_abi::kip::{Kip, Module};
use ukernel_abi::layout::{PAGE, SUPERPAGE};
use ukernel_abi::{MapItem, Rights};
use vmm_abi::trace;

/// Which modules σ0 has given already.
#[derive(Default)]
pub struct Modules {
    /// Bit n: module n of the kernel interface page.
    mapped: u32,
    /// Bit n: module n is a program: nobody may see it as a file.
    programs: u32,
    /// Bit n: it is mapped in place, data and all, so it can be only one server's.
    in_place: u32,
}

const _: () = assert!(ukernel_abi::kip::MODULES <= 32);

impl Modules {
    /// The bytes of module `name`.
    pub fn bytes(&mut self, machine: &mut impl Machine, name: &str) -> Result<&'static [u8], Refusal> {
        let (index, module) = find(machine.kip(), name)?;
        let bytes = machine.module(module)?;
        self.mapped |= 1 << index;
        Ok(bytes)
    }

    /// The module of a program, and its bytes. Servers that have copies of their data (`copied`) can share one.
    pub fn program(
        &mut self,
        machine: &mut impl Machine,
        name: &str,
        copied: bool,
    ) -> Result<(&'static Module, &'static [u8]), Refusal> {
        let (index, module) = find(machine.kip(), name)?;
        let taken = if copied { self.in_place } else { self.programs };
        if taken & 1 << index != 0 {
            return Err(Refusal::Denied);
        }
        self.programs |= 1 << index;
        self.in_place |= u32::from(!copied) << index;
        Ok((module, self.bytes(machine, name)?))
    }

    /// What a server is told of a module.
    pub fn describe(&self, kip: &'static Kip, name: &Name) -> Result<root::Module, Refusal> {
        let (_, module) = self.data(kip, name)?;
        Ok(root::Module { size: module.size, align_offset: module.phys % SUPERPAGE })
    }

    /// Items that map a module from `offset` on at `base`, for as many as are wanted.
    pub fn items<M: Machine>(
        &mut self,
        machine: &mut M,
        name: &Name,
        offset: u64,
        base: u64,
    ) -> Result<impl Iterator<Item = MapItem> + use<M>, Refusal> {
        let (index, module) = self.data(machine.kip(), name)?;
        if offset >= module.size {
            return Err(Refusal::BadRequest);
        }
        if self.mapped & 1 << index == 0 {
            machine.module(module)?;
            self.mapped |= 1 << index;
        }
        // All that is the module's alone, so that the last part is a large page too.
        let area = module.area();
        let start = area.start + offset;
        if !offset.is_multiple_of(PAGE) || start >= area.end {
            return Err(Refusal::BadRequest);
        }
        Ok(cover(PHYSICAL + start, base, area.end - start, Rights::R))
    }

    fn data(&self, kip: &'static Kip, name: &Name) -> Result<(usize, &'static Module), Refusal> {
        let (index, module) = find(kip, name.as_str())?;
        // What others record is none of a server's business, and what it records itself it asks for otherwise.
        let system = matches!(module.name(), "sigma0" | "root" | trace::MODULE);
        if system || self.programs & 1 << index != 0 { Err(Refusal::Denied) } else { Ok((index, module)) }
    }
}

fn find(kip: &'static Kip, name: &str) -> Result<(usize, &'static Module), Refusal> {
    kip.modules().iter().enumerate().find(|(_, m)| m.name() == name).ok_or(Refusal::NotFound)
}
