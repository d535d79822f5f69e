//! Thread ids as GDB's multiprocess extension writes them, and as one number.
//!
//! `p5.2` is thread 2 of process 5, in hexadecimal; -1 in place of a number is "all of them", 0 is "any of them", and `p5` is `p5.-1`
//! (GDB manual, "Packets", *thread-id syntax*). Where gdb has not asked for the extension, and always towards crate `gdbstub`, which knows one
//! process, a thread is one number: the process above [`NUMBER_BITS`] bits of the thread's own.

use crate::debug::thread::{Process, Thread};
use std::num::NonZeroUsize;

/// Threads of a task are counted by 10 bits in the kernel, vCPUs by fewer.
const NUMBER_BITS: u32 = 16;

/// A number, or several at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Of<T> {
    One(T),
    Any,
    All,
}

/// What a thread id in a packet means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Id {
    pub process: Of<Process>,
    pub number: Of<u32>,
}

impl Id {
    /// Reads a thread id in either form.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let Some(text) = text.strip_prefix(b"p") else {
            return Some(match number(text)? {
                Of::One(packed) => {
                    let thread = unpack(packed)?;
                    Self { process: Of::One(thread.process), number: Of::One(thread.number) }
                }
                Of::Any => Self { process: Of::Any, number: Of::Any },
                Of::All => Self { process: Of::All, number: Of::All },
            });
        };
        let mut parts = text.split(|&byte| byte == b'.');
        let process = match number(parts.next()?)? {
            Of::One(task) => Of::One(Process(u32::try_from(task).ok()?)),
            Of::Any => Of::Any,
            Of::All => Of::All,
        };
        let number = match parts.next().map_or(Some(Of::All), number)? {
            Of::One(thread) => Of::One(u32::try_from(thread).ok()?),
            Of::Any => Of::Any,
            Of::All => Of::All,
        };
        parts.next().is_none().then_some(Self { process, number })
    }

    /// The thread, if it is one.
    pub fn thread(self) -> Option<Thread> {
        match (self.process, self.number) {
            (Of::One(process), Of::One(number)) => Some(Thread { process, number }),
            _ => None,
        }
    }
}

fn number(text: &[u8]) -> Option<Of<u64>> {
    match text {
        b"-1" => Some(Of::All),
        _ => Some(match hex(text)? {
            0 => Of::Any,
            value => Of::One(value),
        }),
    }
}

/// Reads a hexadecimal number of digits alone.
pub fn hex(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_hexdigit).then_some(text)?;
    u64::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// A thread as one number, which is not 0; `None` for a thread that cannot be.
pub fn pack(thread: Thread) -> Option<NonZeroUsize> {
    let number = (thread.number < 1 << NUMBER_BITS).then_some(u64::from(thread.number))?;
    NonZeroUsize::new((u64::from(thread.process.0) << NUMBER_BITS | number) as usize)
}

pub fn unpack(packed: u64) -> Option<Thread> {
    let process = Process(u32::try_from(packed >> NUMBER_BITS).ok()?);
    Some(Thread { process, number: (packed & ((1 << NUMBER_BITS) - 1)) as u32 })
}

/// Writes a thread id: in the form of the extension, or as one number.
pub fn write(thread: Thread, multiprocess: bool) -> String {
    match pack(thread) {
        Some(packed) if !multiprocess => format!("{packed:x}"),
        _ => format!("p{:x}.{:x}", thread.process.0, thread.number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: Thread = Thread { process: Process(18), number: 2 };

    #[test]
    fn ids_are_read_in_both_forms() {
        assert_eq!(Id::parse(b"p12.2").and_then(Id::thread), Some(THREAD));
        assert_eq!(Id::parse(b"120002").and_then(Id::thread), Some(THREAD));
        assert_eq!(Id::parse(b"p12.-1"), Some(Id { process: Of::One(Process(18)), number: Of::All }));
        assert_eq!(Id::parse(b"p12"), Id::parse(b"p12.-1"));
        assert_eq!(Id::parse(b"p12.0"), Some(Id { process: Of::One(Process(18)), number: Of::Any }));
        assert_eq!(Id::parse(b"-1"), Some(Id { process: Of::All, number: Of::All }));
        assert_eq!(Id::parse(b"0"), Id::parse(b"p0.0"));
        assert_eq!(Id::parse(b"p-1.-1"), Id::parse(b"-1"));
    }

    #[test]
    fn what_is_no_id_is_not_read() {
        for text in [
            &b""[..],
            b"p",
            b"p.",
            b"p1.",
            b"p1.2.3",
            b"x",
            b"+1",
            b"-2",
            b"p1ffffffff.1",
            b"10000000000000000",
            b"p1.100000000",
        ] {
            assert_eq!(Id::parse(text), None, "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn ids_are_written_as_they_are_read() {
        assert_eq!(write(THREAD, true), "p12.2");
        assert_eq!(write(THREAD, false), "120002");
        let vcpu = Thread::vcpu(3);
        assert_eq!(pack(vcpu).and_then(|packed| unpack(packed.get() as u64)), Some(vcpu));
        assert_eq!(pack(Thread { process: Process(1), number: 0x1_0000 }), None);
    }
}
