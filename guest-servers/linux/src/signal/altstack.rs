//! The alternate signal stack (sigaltstack(2)).

use crate::bytes::{put_u32, put_u64, u32_at, u64_at};
use crate::errno::Errno;
use linux_raw_sys::general as raw;

/// Size of `stack_t`: address, flags, size.
pub const STACK_T_SIZE: usize = 24;

const SS_ONSTACK: u32 = raw::SS_ONSTACK;
const SS_DISABLE: u32 = raw::SS_DISABLE;
const SS_AUTODISARM: u32 = 1 << 31;
/// Smallest stack that is taken (`MINSIGSTKSZ`).
const MIN_SIZE: u64 = raw::MINSIGSTKSZ as u64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AltStack {
    pub base: u64,
    pub size: u64,
    auto_disarm: bool,
}

impl AltStack {
    pub const NONE: Self = Self { base: 0, size: 0, auto_disarm: false };

    /// What a program asks for. EINVAL for unknown flags, ENOMEM if it is too small.
    pub fn from_bytes(b: &[u8; STACK_T_SIZE]) -> Result<Self, Errno> {
        let flags = u32_at(b, 8);
        match flags & !SS_AUTODISARM {
            SS_DISABLE => return Ok(Self::NONE),
            0 | SS_ONSTACK => {}
            _ => return Err(Errno::EINVAL),
        }
        let (base, size) = (u64_at(b, 0), u64_at(b, 16));
        if size < MIN_SIZE || base.checked_add(size).is_none() {
            return Err(Errno::ENOMEM);
        }
        Ok(Self { base, size, auto_disarm: flags & SS_AUTODISARM != 0 })
    }

    /// As sigaltstack(2) tells it to a thread whose stack pointer is `sp`.
    pub fn to_bytes(self, sp: u64) -> [u8; STACK_T_SIZE] {
        let mut b = [0; STACK_T_SIZE];
        let flags = match (self.size, self.contains(sp)) {
            (0, _) => SS_DISABLE,
            (_, true) => SS_ONSTACK,
            _ => 0,
        };
        put_u64(&mut b, 0, self.base);
        put_u32(&mut b, 8, flags | if self.auto_disarm { SS_AUTODISARM } else { 0 });
        put_u64(&mut b, 16, self.size);
        b
    }

    /// Whether a thread with this stack pointer is on it.
    pub fn contains(self, sp: u64) -> bool {
        self.size != 0 && !self.auto_disarm && sp > self.base && sp - self.base <= self.size
    }
    pub fn is_enabled(self) -> bool {
        self.size != 0
    }
    /// Where a handler's stack starts. Cannot overflow: checked when it was made.
    pub fn top(self) -> u64 {
        self.base.wrapping_add(self.size)
    }
    /// What is left of it once a handler runs on it.
    pub fn after_use(self) -> Self {
        if self.auto_disarm { Self::NONE } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(base: u64, flags: u32, size: u64) -> Result<AltStack, Errno> {
        let mut b = [0; STACK_T_SIZE];
        put_u64(&mut b, 0, base);
        put_u32(&mut b, 8, flags);
        put_u64(&mut b, 16, size);
        AltStack::from_bytes(&b)
    }

    #[test]
    fn checks() {
        assert_eq!(stack(0x1000, 0, 100), Err(Errno::ENOMEM));
        assert_eq!(stack(u64::MAX, 0, 0x10000), Err(Errno::ENOMEM));
        assert_eq!(stack(0x1000, 64, 0x10000), Err(Errno::EINVAL));
        assert_eq!(stack(0x1000, SS_DISABLE, 0), Ok(AltStack::NONE));
        let s = stack(0x1000, 0, 0x2000).unwrap();
        assert!(s.contains(0x3000) && s.contains(0x1001) && !s.contains(0x1000) && !s.contains(0x3001));
        assert_eq!(u32_at(&s.to_bytes(0x2000), 8), SS_ONSTACK);
        assert_eq!(u32_at(&AltStack::NONE.to_bytes(0x2000), 8), SS_DISABLE);
    }
}
