//! Names of processes and threads, as a debugger has them.

use std::fmt;

/// A process: an L4 task, or the kernel. A task's is its number, 1 to 65535.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Process(pub u32);

impl Process {
    /// The kernel, whose threads are the vCPUs. One more than the highest task.
    pub const KERNEL: Self = Self(0x1_0000);

    pub fn is_kernel(self) -> bool {
        self == Self::KERNEL
    }
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A thread of a process. Debuggers count from 1, where 0 means "any": thread `number` of a task is its lthread `number - 1`, and that of
/// the kernel is vCPU `number - 1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Thread {
    pub process: Process,
    pub number: u32,
}

impl Thread {
    pub const fn vcpu(index: usize) -> Self {
        Self { process: Process::KERNEL, number: index as u32 + 1 }
    }

    pub const fn l4(task: u16, lthread: u16) -> Self {
        Self { process: Process(task as u32), number: lthread as u32 + 1 }
    }

    /// The vCPU, if this is one.
    pub fn as_vcpu(self) -> Option<usize> {
        (self.process.is_kernel() && self.number > 0).then(|| self.number as usize - 1)
    }

    /// Task and lthread, if this is an L4 thread.
    pub fn as_l4(self) -> Option<(u16, u16)> {
        let task = u16::try_from(self.process.0).ok()?;
        Some((task, u16::try_from(self.number.checked_sub(1)?).ok()?))
    }
}

/// As GDB writes it: `5.2`.
impl fmt::Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.process, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_counted_from_one() {
        assert_eq!(Thread::vcpu(1).to_string(), "65536.2");
        assert_eq!(Thread::vcpu(1).as_vcpu(), Some(1));
        assert_eq!(Thread::vcpu(1).as_l4(), None);
        assert_eq!(Thread::l4(5, 1).to_string(), "5.2");
        assert_eq!(Thread::l4(5, 1).as_l4(), Some((5, 1)));
        assert_eq!(Thread::l4(5, 1).as_vcpu(), None);
        assert_eq!(Thread { process: Process(5), number: 0 }.as_l4(), None);
    }
}
