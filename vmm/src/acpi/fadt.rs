//! What kind of machine it is.

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use acpi_tables::fadt::{FADT, FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use devices::acpi::{RESET, RESET_VALUE, SLEEP_CONTROL, SLEEP_STATUS};
use vmm_abi::ports;

/// Bits of `IAPC_BOOT_ARCH` (ACPI 6.5, 5.2.9.3): devices of the ISA bus that no AML describes; no VGA; no message-signalled
/// interrupts on PCI, of which there is none. That there is a keyboard controller is not said: it has no keyboard, and a kernel would
/// spend a second on finding that out.
const LEGACY_DEVICES: u16 = 1 << 0;
const NO_VGA: u16 = 1 << 2;
const NO_MSI: u16 = 1 << 3;

/// The table (FADT; ACPI 6.5, 5.2.9) for a DSDT at this address.
pub fn table(dsdt: u64) -> FADT {
    let mut fadt = FADTBuilder::new(OEM_ID, OEM_TABLE_ID, OEM_REVISION)
        .dsdt_64(dsdt)
        .flag(Flags::Wbinvd)
        .flag(Flags::PwrButton)
        .flag(Flags::SlpButton)
        .flag(Flags::ResetRegSup)
        .flag(Flags::Headless)
        .flag(Flags::HwReducedAcpi);
    fadt.iapc_boot_arch = (LEGACY_DEVICES | NO_VGA | NO_MSI).into();
    fadt.reset_reg = register(RESET);
    fadt.reset_value = RESET_VALUE;
    fadt.sleep_control_reg = register(SLEEP_CONTROL);
    fadt.sleep_status_reg = register(SLEEP_STATUS);
    fadt.hypervisor_vendor_identity = u64::from_le_bytes(*b"UKVMM\0\0\0").into();
    fadt.finalize()
}

/// A register of a byte.
fn register(offset: u16) -> GAS {
    GAS::new(AddressSpace::SystemIo, 8, 0, AccessSize::ByteAccess, (ports::ACPI + offset).into())
}
