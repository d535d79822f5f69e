//! CPUs and interrupt controllers.
//!
//! Nothing is said of overrides: line n of the ISA bus is input n of the IOAPIC, edge-triggered and active when high, as it is
//! unless said otherwise.

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use acpi_tables::madt::{EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic};

/// Where KVM has them (SDM vol. 3, 11.4.1; 82093AA data sheet, 3.0).
const LOCAL_APIC: u32 = 0xfee0_0000;
const IOAPIC: u32 = 0xfec0_0000;
/// KVM's IOAPIC starts with id 0, which is the boot CPU's, too; that was a problem for the APIC bus of old.
const IOAPIC_ID: u8 = 0;

/// The table (MADT; ACPI 6.5, 5.2.12). A CPU's number is its APIC id.
pub fn table(cpus: u8) -> MADT {
    let mut madt =
        MADT::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION, LocalInterruptController::Address(LOCAL_APIC));
    for cpu in 0..cpus {
        madt.add_structure(ProcessorLocalApic::new(cpu, cpu, EnabledStatus::Enabled));
    }
    madt.add_structure(IoApic::new(IOAPIC_ID, IOAPIC, 0));
    madt
}
