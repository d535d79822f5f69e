//! Thread identifiers.
//!
//! L4 V2 names a thread by a unique identifier (UID) that holds where the thread is (task and
//! number within it) and a version, so that an identifier kept after its thread has died is never
//! mistaken for the thread that took its place.
//!
//! ```text
//! 63       58 57            26 25       16 15        0
//! +----------+----------------+-----------+-----------+
//! |    0     |    version     |  lthread  |   task    |
//! +----------+----------------+-----------+-----------+
//! ```
//!
//! Task and lthread together are the index into the kernel's TCB array. The task is in the low bits
//! so that the first threads of all tasks lie side by side and share page-table pages.

/// A thread's unique identifier. Its value is opaque to programs that only communicate.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct ThreadId(pub u64);

const TASK_BITS: u32 = 16;
const LTHREAD_BITS: u32 = 10;
const VERSION_BITS: u32 = 32;
const VERSION_SHIFT: u32 = TASK_BITS + LTHREAD_BITS;

impl ThreadId {
    /// Number of tasks that can exist at one time.
    pub const TASKS: usize = 1 << TASK_BITS;
    /// Number of threads that a task can have.
    pub const LTHREADS: usize = 1 << LTHREAD_BITS;

    /// Nobody: no destination, or no source (the phase is left out).
    pub const NIL: Self = Self(0);
    /// Anybody: an open receive.
    pub const ANY: Self = Self(u64::MAX);
    /// σ0, the root of all memory. Started by the kernel.
    pub const SIGMA0: Self = Self::new(1, 0, 1);
    /// The root server. Started by the kernel.
    pub const ROOT: Self = Self::new(2, 0, 1);

    pub const fn new(task: u16, lthread: u16, version: u32) -> Self {
        Self(task as u64 | ((lthread as u64 & 0x3ff) << TASK_BITS) | ((version as u64) << VERSION_SHIFT))
    }

    /// The identifier under which interrupt line `line` (a GSI, 0–63) sends its messages.
    pub const fn irq(line: u8) -> Self {
        Self::new(0, line as u16 + 1, 0)
    }

    /// The interrupt line, if this names one.
    pub const fn as_irq(self) -> Option<u8> {
        if self.0 & !(0x3ff << TASK_BITS) == 0 && self.0 != 0 && self.lthread() <= 64 {
            Some((self.lthread() - 1) as u8)
        } else {
            None
        }
    }

    pub const fn task(self) -> u16 {
        self.0 as u16
    }
    pub const fn lthread(self) -> u16 {
        (self.0 >> TASK_BITS) as u16 & 0x3ff
    }
    pub const fn version(self) -> u32 {
        (self.0 >> VERSION_SHIFT) as u32
    }
    /// Index into the TCB array: everything but the version.
    pub const fn index(self) -> usize {
        (self.0 & ((1 << VERSION_SHIFT) - 1)) as usize
    }
    pub const fn is_nil(self) -> bool {
        self.0 == 0
    }
    pub const fn is_any(self) -> bool {
        self.0 == u64::MAX
    }
    /// Whether the reserved bits are clear and the version is that of a real thread.
    pub const fn is_valid(self) -> bool {
        self.0 >> (VERSION_SHIFT + VERSION_BITS) == 0 && self.version() != 0
    }
}

impl core::fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.is_nil() {
            write!(f, "nil")
        } else if self.is_any() {
            write!(f, "any")
        } else if let Some(line) = self.as_irq() {
            write!(f, "irq{line}")
        } else {
            write!(f, "{}.{}v{}", self.task(), self.lthread(), self.version())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_round_trip() {
        let id = ThreadId::new(0xabcd, 0x3fe, 0xdead_beef);
        assert_eq!((id.task(), id.lthread(), id.version()), (0xabcd, 0x3fe, 0xdead_beef));
        assert!(id.is_valid());
        assert_eq!(id.index(), 0x3fe_abcd);
    }

    #[test]
    fn special_ids_are_not_threads() {
        for id in [ThreadId::NIL, ThreadId::ANY, ThreadId::irq(0), ThreadId::irq(63)] {
            assert!(!id.is_valid(), "{id:?}");
        }
        assert_eq!(ThreadId::irq(4).as_irq(), Some(4));
        assert_eq!(ThreadId::NIL.as_irq(), None);
        assert_eq!(ThreadId::ANY.as_irq(), None);
        assert_eq!(ThreadId::ROOT.as_irq(), None);
    }
}
