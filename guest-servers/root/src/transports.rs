//! Virtio devices: which there are, and taking them away from a server that has died.

use crate::machine::Machine;
use proto::Refusal;
use ukernel_abi::layout::PAGE;
use vmm_abi::set::Device;
use vmm_abi::transports::{Transport, transports};

/// Most devices that are looked at. QEMU's machine `microvm` has at most 24.
const MAX: usize = 32;
/// Longest time that a device may take to reset, in microseconds.
const RESET_US: u64 = 50_000;

/// Registers (virtio 1.2, 4.2.2).
const MAGIC: u64 = 0x000;
const DEVICE_ID: u64 = 0x008;
const STATUS: u64 = 0x070;
const MAGIC_VALUE: u32 = u32::from_le_bytes(*b"virt");

/// The machine's devices, once they have been looked for.
pub struct Transports {
    list: Option<[Option<Found>; MAX]>,
}

/// A transport with a device behind it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Found {
    pub transport: Transport,
    /// The device ID.
    pub id: u32,
}

impl Found {
    /// The page that its registers are in.
    pub const fn page(&self) -> u64 {
        self.transport.base & !(PAGE - 1)
    }
    /// Where in the page they begin, and how many bytes of them are in it.
    pub fn extent(&self) -> (u64, u64) {
        let offset = self.transport.base - self.page();
        (offset, self.transport.size.min(PAGE - offset))
    }
}

impl Transports {
    pub const UNKNOWN: Self = Self { list: None };

    /// A device of the set's, if the machine has it.
    pub fn find(&mut self, machine: &mut impl Machine, device: Device) -> Result<Found, Refusal> {
        let list = self.list.get_or_insert_with(|| look(machine));
        let of_kind = list.iter().flatten().filter(|found| found.id == device.kind.id());
        of_kind.copied().nth(device.index.into()).ok_or(Refusal::NoDevice)
    }

    /// Resets the devices of a server that has died: from then on they touch no memory. Comes back: one that does not reset.
    pub fn reset(
        &self,
        machine: &mut impl Machine,
        mut devices: impl Iterator<Item = Device>,
    ) -> Option<Device> {
        // What has not been looked for has not been given to anybody.
        let list = self.list.as_ref()?;
        devices.find(|device| {
            let mut of_kind = list.iter().flatten().filter(|found| found.id == device.kind.id());
            of_kind.nth(device.index.into()).is_some_and(|found| !reset(machine, found))
        })
    }
}

/// All transports that the command line names and that have a device.
fn look(machine: &mut impl Machine) -> [Option<Found>; MAX] {
    let mut list = [None; MAX];
    let all = transports(machine.cmdline());
    for (place, transport) in list.iter_mut().zip(all) {
        let page = transport.base & !(PAGE - 1);
        if machine.map(page, PAGE).is_err() || machine.load(transport.base + MAGIC) != MAGIC_VALUE {
            continue;
        }
        let id = machine.load(transport.base + DEVICE_ID);
        *place = (id != 0).then_some(Found { transport, id });
    }
    list
}

fn reset(machine: &mut impl Machine, found: &Found) -> bool {
    let status = found.transport.base + STATUS;
    let until = machine.now() + RESET_US;
    machine.store(status, 0);
    loop {
        if machine.load(status) == 0 {
            return true;
        }
        if machine.now() > until {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::mock::Mock;
    use vmm_abi::set::DeviceKind;

    const LINE: &str = "virtio_mmio.device=512@0xfeb00000:5 virtio_mmio.device=512@0xfeb00200:6 x \
                        virtio_mmio.device=4K@0xfeb02000:16 virtio_mmio.device=4K@0xfeb03000:17";

    fn device(kind: DeviceKind, index: u8) -> Device {
        Device { kind, index }
    }

    fn mock() -> Mock {
        let mut mock = Mock::new(&[]);
        mock.cmdline = LINE;
        for (base, id) in [(0xfeb0_0000, 2), (0xfeb0_0200, 1), (0xfeb0_2000, 2)] {
            mock.registers.extend([(base, MAGIC_VALUE), (base + DEVICE_ID, id), (base + STATUS, 15)]);
        }
        mock.registers.extend([(0xfeb0_3000, MAGIC_VALUE), (0xfeb0_3008, 0)]);
        mock
    }

    #[test]
    fn devices_are_found_by_kind_and_number() {
        let (mut mock, mut transports) = (mock(), Transports::UNKNOWN);
        let disk = transports.find(&mut mock, device(DeviceKind::Block, 0)).unwrap();
        assert_eq!((disk.page(), disk.extent(), disk.transport.line), (0xfeb0_0000, (0, 512), 5));
        let net = transports.find(&mut mock, device(DeviceKind::Net, 0)).unwrap();
        assert_eq!((net.page(), net.extent()), (0xfeb0_0000, (0x200, 512)));
        let disk = transports.find(&mut mock, device(DeviceKind::Block, 1)).unwrap();
        assert_eq!((disk.page(), disk.extent()), (0xfeb0_2000, (0, 4096)));
        for missing in [device(DeviceKind::Block, 2), device(DeviceKind::Rng, 0)] {
            assert_eq!(transports.find(&mut mock, missing), Err(Refusal::NoDevice));
        }
    }

    #[test]
    fn a_machine_without_devices() {
        let (mut mock, mut transports) = (Mock::new(&[]), Transports::UNKNOWN);
        assert_eq!(transports.find(&mut mock, device(DeviceKind::Net, 0)), Err(Refusal::NoDevice));
    }

    #[test]
    fn a_device_is_taken_away() {
        let (mut mock, mut transports) = (mock(), Transports::UNKNOWN);
        let (disk, other) = (device(DeviceKind::Block, 1), device(DeviceKind::Block, 0));
        assert_eq!(transports.reset(&mut mock, [disk].into_iter()), None);
        assert_eq!(mock.load(0xfeb0_2070), 15, "it has not been looked for yet");
        transports.find(&mut mock, disk).unwrap();
        assert_eq!(transports.reset(&mut mock, [disk, device(DeviceKind::Rng, 0)].into_iter()), None);
        assert_eq!((mock.load(0xfeb0_2070), mock.load(0xfeb0_0070)), (0, 15), "nobody else's");
        mock.stuck = Some(0xfeb0_0070);
        assert_eq!(transports.reset(&mut mock, [disk, other].into_iter()), Some(other));
    }
}
