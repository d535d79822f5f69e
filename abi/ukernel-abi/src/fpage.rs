//! Flexpages: aligned ranges of 2^n units of a resource, with the rights to it.
//!
//! ```text
//! 63                          12 11 10 9        4 3  2   0
//! +------------------------------+-----+----------+--+-----+
//! |        base (address)        |kind | log2 size|0 | rwx |   memory: bytes, log2 size 12–47
//! |        base (unit << 12)     |kind | log2 size|0 | rwx |   ports, interrupts: units, 0–16
//! +------------------------------+-----+----------+--+-----+
//! ```
//!
//! As in L4 V2, one mechanism hands out memory, I/O ports and interrupt lines: an item in a message
//! maps a flexpage of the sender's to the receiver.

/// What may be done with a page. Bits as in the flexpage word.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Rights(pub u8);

impl Rights {
    pub const NONE: Self = Self(0);
    pub const X: Self = Self(1);
    pub const W: Self = Self(2);
    pub const R: Self = Self(4);
    pub const RW: Self = Self(6);
    pub const RX: Self = Self(5);
    pub const RWX: Self = Self(7);

    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// The resource that a flexpage is a range of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FpageKind {
    /// Virtual memory, in bytes.
    Memory = 0,
    /// x86 I/O ports.
    Ports = 1,
    /// Interrupt lines (GSIs).
    Irqs = 2,
}

/// A flexpage. Any `u64` is one; [`Fpage::is_valid`] tells whether it describes a range.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Fpage(pub u64);

impl Fpage {
    /// The empty flexpage.
    pub const NIL: Self = Self(0);
    /// All of user memory.
    pub const ALL: Self = Self::memory(0, 47, Rights::RWX);

    /// 2^`log2` bytes of memory at `base`, which the caller has aligned.
    pub const fn memory(base: u64, log2: u32, rights: Rights) -> Self {
        Self((base & !0xfff) | ((log2 as u64) << 4) | rights.0 as u64)
    }
    /// 2^`log2` I/O ports from `port`.
    pub const fn ports(port: u16, log2: u32) -> Self {
        Self(((port as u64) << 12) | (1 << 10) | ((log2 as u64) << 4) | Rights::RW.0 as u64)
    }
    /// 2^`log2` interrupt lines from `line`.
    pub const fn irqs(line: u8, log2: u32) -> Self {
        Self(((line as u64) << 12) | (2 << 10) | ((log2 as u64) << 4) | Rights::RW.0 as u64)
    }

    pub const fn kind(self) -> Option<FpageKind> {
        match self.0 >> 10 & 3 {
            0 => Some(FpageKind::Memory),
            1 => Some(FpageKind::Ports),
            2 => Some(FpageKind::Irqs),
            _ => None,
        }
    }
    /// log2 of the size, in the unit of the kind.
    pub const fn log2(self) -> u32 {
        (self.0 >> 4) as u32 & 0x3f
    }
    pub const fn rights(self) -> Rights {
        Rights(self.0 as u8 & 7)
    }
    pub const fn with_rights(self, rights: Rights) -> Self {
        Self(self.0 & !7 | rights.0 as u64)
    }
    /// First address, port or line.
    pub const fn base(self) -> u64 {
        match self.kind() {
            Some(FpageKind::Memory) => self.0 & !0xfff,
            _ => self.0 >> 12,
        }
    }
    /// Number of bytes, ports or lines.
    pub const fn size(self) -> u64 {
        1 << self.log2()
    }
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }
    /// Whether kind, size and alignment are those of a flexpage.
    pub const fn is_valid(self) -> bool {
        let (max, limit) = match self.kind() {
            Some(FpageKind::Memory) => (47, 1u64 << 47),
            Some(FpageKind::Ports) => (16, 1 << 16),
            Some(FpageKind::Irqs) => (6, 64),
            None => return false,
        };
        if matches!(self.kind(), Some(FpageKind::Memory)) && self.log2() < 12 {
            return false;
        }
        self.log2() <= max && self.0 & 8 == 0 && self.base() & (self.size() - 1) == 0 && self.base() < limit
    }
    pub const fn contains(self, addr: u64) -> bool {
        addr >= self.base() && addr - self.base() < self.size()
    }

    /// The largest flexpage of memory that starts at `base`, is aligned and no longer than `len` bytes.
    /// `base` is page-aligned and `len` at least one page.
    pub const fn largest_at(base: u64, len: u64, rights: Rights) -> Self {
        let by_len = 63 - len.leading_zeros();
        let by_base = if base == 0 { 47 } else { base.trailing_zeros() };
        let log2 = if by_len < by_base { by_len } else { by_base };
        Self::memory(base, if log2 > 47 { 47 } else { log2 }, rights)
    }
}

impl core::fmt::Debug for Fpage {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?}[{:#x}+2^{} {:03b}]", self.kind(), self.base(), self.log2(), self.rights().0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validity() {
        assert!(Fpage::ALL.is_valid());
        assert!(Fpage::memory(0x20_0000, 21, Rights::RX).is_valid());
        assert!(!Fpage::memory(0x1000, 13, Rights::RX).is_valid(), "unaligned");
        assert!(!Fpage::memory(0, 11, Rights::R).is_valid(), "smaller than a page");
        assert!(!Fpage::memory(0, 48, Rights::R).is_valid(), "larger than user memory");
        assert!(!Fpage::memory(1 << 47, 12, Rights::R).is_valid(), "not user memory");
        assert!(Fpage::ports(0x3f8, 3).is_valid());
        assert!(!Fpage::ports(0x3f9, 3).is_valid());
        assert!(Fpage::irqs(4, 0).is_valid());
        assert!(!Fpage(3 << 10).is_valid());
        assert!(!Fpage::NIL.is_valid());
    }

    #[test]
    fn largest_is_bounded_by_alignment_and_length() {
        assert_eq!(Fpage::largest_at(0x3000, 0x10000, Rights::R).log2(), 12);
        assert_eq!(Fpage::largest_at(0x4000, 0x10000, Rights::R).log2(), 14);
        assert_eq!(Fpage::largest_at(0, 0x5000, Rights::R).log2(), 14);
        assert_eq!(Fpage::largest_at(0, u64::MAX, Rights::R).log2(), 47);
    }
}
