//! A piece of the kernel's memory, and the fields in it.

/// A copy of a structure. Fields that lie outside it read as 0: where they are is what the kernel says, and it may say anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record(Vec<u8>);

impl Record {
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    fn field<const N: usize>(&self, at: u64) -> [u8; N] {
        let bytes = usize::try_from(at).ok().and_then(|at| self.0.get(at..)?.first_chunk());
        bytes.copied().unwrap_or([0; N])
    }

    pub fn u8(&self, at: u64) -> u8 {
        u8::from_le_bytes(self.field(at))
    }
    pub fn u16(&self, at: u64) -> u16 {
        u16::from_le_bytes(self.field(at))
    }
    pub fn u32(&self, at: u64) -> u32 {
        u32::from_le_bytes(self.field(at))
    }
    pub fn u64(&self, at: u64) -> u64 {
        u64::from_le_bytes(self.field(at))
    }
    pub fn bool(&self, at: u64) -> bool {
        self.u8(at) != 0
    }

    /// `N` bytes.
    pub fn bytes<const N: usize>(&self, at: u64) -> [u8; N] {
        self.field(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_outside_is_zero() {
        let record = Record::new((1..=9).collect());
        assert_eq!(record.u64(1), 0x0908_0706_0504_0302);
        assert_eq!((record.u64(2), record.u16(7), record.u8(9), record.u8(u64::MAX)), (0, 0x0908, 0, 0));
    }
}
