//! The way to a disk's driver, as a trait.
//!
//! The disk reads and writes memory that this server shares with it, the *buffer*, which holds the data of one request.

/// Bytes of a sector: the unit of requests.
pub const SECTOR: usize = 512;

/// What is known of a disk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Sectors that it has.
    pub sectors: u64,
    /// Bytes that it writes at once.
    pub block_size: u32,
    pub read_only: bool,
    /// Bytes of the buffer.
    pub room: usize,
}

/// What is asked of a disk. `len` is a multiple of [`SECTOR`], and not 0.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request {
    /// `len` bytes of the buffer from `at` on become what the sectors from `sector` on hold.
    Read { sector: u64, at: usize, len: usize },
    /// The sectors from `sector` on become what `len` bytes of the buffer from `at` on are.
    Write { sector: u64, at: usize, len: usize },
    /// What has been written is to outlive a loss of power.
    Flush,
}

/// Who asks the driver.
pub trait Drive {
    fn facts(&self) -> Facts;
    /// Begins a request. [`Event::Disk`](crate::event::Event::Disk) tells its end, before which there is no other.
    fn begin(&self, request: Request);
    /// Copies out of the buffer.
    fn look(&self, at: usize, into: &mut [u8]);
    /// Copies into the buffer.
    fn fill(&self, at: usize, from: &[u8]);
}
