//! A machine that stands still, to look at: one that is stopped, or the core of one that has crashed.

use super::registers::Registers;

/// There is no memory there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no memory at {0:#x}")]
pub struct NoMemory(pub u64);

/// What can be seen of it.
pub trait View {
    /// Number of vCPUs.
    fn vcpus(&self) -> usize;

    /// The registers of vCPU `index`; `None` if it waits to be started, or KVM does not tell.
    fn registers(&self, index: usize) -> Option<Registers>;

    /// Its TSC, if known.
    fn tsc(&self, index: usize) -> Option<u64>;

    /// Fills `into` from guest-physical memory at `address`. Nothing is to be read from devices.
    fn read(&self, address: u64, into: &mut [u8]) -> Result<(), NoMemory>;

    /// The ranges of its RAM: start and length in bytes.
    fn ram(&self) -> Vec<(u64, u64)>;

    fn read_u64(&self, address: u64) -> Result<u64, NoMemory> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }
}
