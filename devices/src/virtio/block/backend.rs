//! The disk behind the device.

use crate::virtio::Range;

/// The smallest unit of a disk: sectors are counted in it whatever the disk's blocks are (5.2.4).
pub const SECTOR: u64 = 512;

/// What does not change about a disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Disk {
    /// Bytes, a multiple of [`SECTOR`].
    pub size: u64,
    pub read_only: bool,
    /// Bytes of a logical block: what the disk reads and writes at once. A power of two, at least [`SECTOR`].
    pub block: u32,
    /// Bytes of a physical block: what it had better write at once. A power of two, at least `block`.
    pub physical_block: u32,
    /// What the driver is told when it asks for the disk's identity: 20 bytes at most, without NULs.
    pub serial: Vec<u8>,
}

/// What is to be done. Offsets and lengths are bytes, multiples of [`SECTOR`] and within the disk; what a read-only disk cannot do is not
/// asked of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Operation {
    Read {
        offset: u64,
        into: Vec<Range>,
    },
    /// `durable`: not done before it is on the medium.
    Write {
        offset: u64,
        from: Vec<Range>,
        durable: bool,
    },
    /// Brings every write that was done before to the medium.
    Flush,
    /// The contents do not matter any more.
    Discard {
        offset: u64,
        len: u64,
    },
    /// `unmap`: the medium may give up the room. `durable` as above.
    WriteZeroes {
        offset: u64,
        len: u64,
        unmap: bool,
        durable: bool,
    },
}

/// It could not be done. The backend has told the user why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure;

/// An operation that is no longer under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finished {
    /// The `slot` that came with it.
    pub slot: u16,
    pub result: Result<(), Failure>,
}

/// Does operations, on the memory that it was made with. None of its calls but [`Self::drain`] waits for one.
pub trait Backend: Send {
    fn disk(&self) -> &Disk;

    /// Begins with an operation, or takes a copy of it for [`Self::start`]. Several may have the same slot: each will be finished once.
    fn submit(&mut self, slot: u16, operation: &Operation);

    /// No more operations come for the moment: time to begin with those there are.
    fn start(&mut self);

    /// One that has finished. The device asks after [`Self::start`], and when it is told that the backend is ready.
    fn finished(&mut self) -> Option<Finished>;

    /// Waits for all that is under way, and forgets it: when it returns, nothing touches the memory any more.
    fn drain(&mut self);
}
