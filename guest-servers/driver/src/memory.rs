//! Memory that a device reaches too.

/// Physically contiguous memory. A device, and in a region its client, may change it at any time, so it is only copied from and to.
/// Outside of it, reads are zero and writes go nowhere: who computes a wrong place harms only itself.
pub trait Memory: Sized {
    /// Physical address of its beginning.
    fn phys(&self) -> u64;
    /// Bytes.
    fn size(&self) -> usize;
    fn read(&self, offset: usize, into: &mut [u8]);
    fn write(&self, offset: usize, from: &[u8]);
    /// One access of 16 bits that is ordered before all that follow. `offset` is even.
    fn load_u16(&self, offset: usize) -> u16;
    /// One access of 16 bits that is ordered after all that came before. `offset` is even.
    fn store_u16(&self, offset: usize, value: u16);
    /// The first `at` bytes and the rest; `None` if there are no `at` bytes.
    fn split(self, at: usize) -> Option<(Self, Self)>;

    fn clear(&self) {
        for offset in (0..self.size()).step_by(64) {
            self.write(offset, &[0; 64][..(self.size() - offset).min(64)]);
        }
    }
}
