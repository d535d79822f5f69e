//! The devices, in AML.

use super::{OEM_ID, OEM_REVISION, OEM_TABLE_ID};
use acpi_tables::Aml;
use acpi_tables::aml::{
    Device, EISAName, IO, Interrupt, Memory32Fixed, Name, Package, Path, ResourceTemplate, Scope,
};
use acpi_tables::sdt::Sdt;
use devices::{acpi as registers, rtc};
use vmm_abi::ports;
use vmm_abi::virtio::{LINES, SIZE, base};

/// Size of a table without content.
const HEADER: u32 = 36;
const REVISION: u8 = 2;
const UART_PORTS: u8 = 8;

/// The table (DSDT; ACPI 6.5, 5.2.11.1).
pub fn table(cpus: u8, virtio: usize) -> Sdt {
    let mut aml = Vec::new();
    power_off().to_aml_bytes(&mut aml);
    let mut devices = Vec::new();
    for cpu in 0..cpus {
        device(format!("C{cpu:03X}"), &"ACPI0007", cpu, &[], &mut devices);
    }
    let uart = u16_range(ports::UART, UART_PORTS);
    device("COM1".into(), &EISAName::new("PNP0501"), 0, &[&uart, &line(ports::UART_IRQ)], &mut devices);
    let clock = u16_range(ports::RTC, rtc::PORTS as u8);
    device("RTC0".into(), &EISAName::new("PNP0B00"), 0, &[&clock], &mut devices);
    for (index, &irq) in LINES.iter().enumerate().take(virtio) {
        // Both are below 4 GiB, the index below 12.
        let registers = Memory32Fixed::new(true, base(index) as u32, SIZE as u32);
        device(format!("V{index:03X}"), &"LNRO0005", index as u8, &[&registers, &line(irq)], &mut devices);
    }
    aml.extend(Scope::raw(Path::new("\\_SB_"), devices));
    let mut table = Sdt::new(*b"DSDT", HEADER, REVISION, OEM_ID, OEM_TABLE_ID, OEM_REVISION);
    table.append_slice(&aml);
    table
}

/// The one state of sleep (ACPI 6.5, 7.4.2): its type, for the sleep control register.
fn power_off() -> Name {
    let soft_off = registers::SOFT_OFF;
    Name::new(Path::new("\\_S5_"), &Package::new(vec![&soft_off, &0u8, &0u8, &0u8]))
}

/// Appends a device. Of those of one kind, each has another `unique` number.
fn device(name: String, hardware_id: &dyn Aml, unique: u8, resources: &[&dyn Aml], aml: &mut Vec<u8>) {
    let hardware_id = Name::new(Path::new("_HID"), hardware_id);
    let unique = Name::new(Path::new("_UID"), &unique);
    let resources = ResourceTemplate::new(resources.to_vec());
    let resources = Name::new(Path::new("_CRS"), &resources);
    Device::new(Path::new(&name), vec![&hardware_id, &unique, &resources]).to_aml_bytes(aml);
}

fn u16_range(first: u16, count: u8) -> IO {
    IO::new(first, first, 1, count)
}

/// An interrupt line: the device's own, edge-triggered, active when high.
fn line(number: u8) -> Interrupt {
    Interrupt::new(true, true, false, false, number.into())
}
