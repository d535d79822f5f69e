//! The ACPI tables, by which a stock kernel finds its CPUs, interrupt controllers and devices.
//!
//! The machine is of the kind that ACPI calls hardware-reduced (ACPI 6.5, 4.1): no event blocks, no timer, no SCI; what is left
//! are the registers for power-off and reset. Such a kernel takes its time from the local APICs and the hypervisor's clock.
//!
//! - [`dsdt`]: the devices, in AML
//! - [`fadt`]: what kind of machine it is
//! - [`madt`]: CPUs and interrupt controllers
//!
//! They are put where a PC has its firmware, the root (RSDP) first: boot protocols that do not name its address have kernels search
//! for it there.

mod dsdt;
mod fadt;
mod madt;

use crate::memory::GuestMemory;
use acpi_tables::Aml;
use acpi_tables::rsdp::Rsdp;
use acpi_tables::xsdt::XSDT;
use std::ops::Range;
use vm_memory::{Bytes, GuestAddress};

/// Guest-physical memory that they may have.
pub const SPACE: Range<u64> = 0xe_0000..0x10_0000;
const ALIGN: u64 = 16;

const OEM_ID: [u8; 6] = *b"UKVMM ";
const OEM_TABLE_ID: [u8; 8] = *b"UKVMM   ";
const OEM_REVISION: u32 = 1;

#[derive(Debug, thiserror::Error)]
pub enum AcpiError {
    #[error("the ACPI tables need {0} bytes; there is room for {room}", room = SPACE.end - SPACE.start)]
    TooLarge(u64),
    #[error("cannot write the ACPI tables to the guest's memory: {0}; choose a larger --memory")]
    Write(#[from] vm_memory::GuestMemoryError),
}

/// The tables of a machine, as bytes for [`SPACE`].
pub struct Tables {
    bytes: Vec<u8>,
}

impl Tables {
    /// For a machine with so many CPUs and virtio devices.
    pub fn new(cpus: u8, virtio: usize) -> Self {
        let mut tables = Self { bytes: vec![0; Rsdp::len()] };
        let dsdt = tables.put(&dsdt::table(cpus, virtio));
        let fadt = tables.put(&fadt::table(dsdt));
        let madt = tables.put(&madt::table(cpus));
        let mut xsdt = XSDT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION);
        xsdt.add_entry(fadt);
        xsdt.add_entry(madt);
        let xsdt = tables.put(&xsdt);
        let rsdp = bytes(&Rsdp::new(OEM_ID, xsdt));
        tables.bytes[..rsdp.len()].copy_from_slice(&rsdp);
        tables
    }

    /// Appends a table and returns its address.
    fn put(&mut self, table: &dyn Aml) -> u64 {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN as usize), 0);
        let address = SPACE.start + self.bytes.len() as u64;
        table.to_aml_bytes(&mut self.bytes);
        address
    }

    /// Guest-physical address of the root.
    pub fn rsdp(&self) -> u64 {
        SPACE.start
    }

    pub fn write(&self, memory: &GuestMemory) -> Result<(), AcpiError> {
        let size = self.bytes.len() as u64;
        if size > SPACE.end - SPACE.start {
            return Err(AcpiError::TooLarge(size));
        }
        Ok(memory.write_slice(&self.bytes, GuestAddress(SPACE.start))?)
    }
}

fn bytes(table: &dyn Aml) -> Vec<u8> {
    let mut bytes = Vec::new();
    table.to_aml_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests;
