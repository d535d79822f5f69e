//! What the kernel sends in the name of a thread or an interrupt line (`ukernel_abi::msg::Label`).
//!
//! No program can send these labels, so what has one is well formed; it is checked all the same, because it
//! costs nothing and because a server must not panic whatever comes.

use crate::message::{Malformed, Message};
use ukernel_abi::{Label, Rights};

/// A thread whose pager the receiver is cannot go on without memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageFault {
    pub address: u64,
    pub ip: u64,
    /// Exactly one of read, write, execute.
    pub access: Rights,
    /// Error code of the processor (SDM vol. 3, 4.7).
    pub code: u64,
}

/// A thread whose handler the receiver is has raised an exception.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exception {
    pub vector: u64,
    pub code: u64,
    pub ip: u64,
    pub sp: u64,
    pub rflags: u64,
}

/// A system call that is not L4's: its number and six arguments.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Foreign {
    pub number: u64,
    pub args: [u64; 6],
}

/// An interrupt line has fired.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interrupt {
    pub line: u64,
    /// Since the last message.
    pub count: u64,
}

/// A time slice of a thread whose preempter the receiver is has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Preemption {
    pub ip: u64,
    pub tsc: u64,
}

/// Everything that the kernel sends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    PageFault(PageFault),
    Exception(Exception),
    Foreign(Foreign),
    Interrupt(Interrupt),
    Preemption(Preemption),
}

impl TryFrom<&Message> for Event {
    type Error = Malformed;

    fn try_from(m: &Message) -> Result<Self, Malformed> {
        match m.label() {
            Label::PAGE_FAULT => {
                let [address, ip, access, code] = m.args()?;
                let access = [Rights::R, Rights::W, Rights::X].into_iter().find(|r| u64::from(r.0) == access);
                Ok(Self::PageFault(PageFault { address, ip, access: access.ok_or(Malformed)?, code }))
            }
            Label::EXCEPTION => {
                let [vector, code, ip, sp, rflags] = m.args()?;
                Ok(Self::Exception(Exception { vector, code, ip, sp, rflags }))
            }
            Label::FOREIGN => {
                let [number, args @ ..] = m.args::<7>()?;
                Ok(Self::Foreign(Foreign { number, args }))
            }
            Label::INTERRUPT => {
                let [line, count] = m.args()?;
                Ok(Self::Interrupt(Interrupt { line, count }))
            }
            Label::PREEMPTION => {
                let [ip, tsc] = m.args()?;
                Ok(Self::Preemption(Preemption { ip, tsc }))
            }
            _ => Err(Malformed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events() {
        let fault = Message::new(Label::PAGE_FAULT, [0x1234, 0x20_0000, 2, 6]);
        let want = PageFault { address: 0x1234, ip: 0x20_0000, access: Rights::W, code: 6 };
        assert_eq!(Event::try_from(&fault), Ok(Event::PageFault(want)));
        let call = Message::new(Label::FOREIGN, [39, 1, 2, 3, 4, 5, 6]);
        let want = Foreign { number: 39, args: [1, 2, 3, 4, 5, 6] };
        assert_eq!(Event::try_from(&call), Ok(Event::Foreign(want)));
        let irq = Message::new(Label::INTERRUPT, [5, 1]);
        assert_eq!(Event::try_from(&irq), Ok(Event::Interrupt(Interrupt { line: 5, count: 1 })));
        let preemption = Message::new(Label::PREEMPTION, [1, 2]);
        assert_eq!(Event::try_from(&preemption), Ok(Event::Preemption(Preemption { ip: 1, tsc: 2 })));
        let exception = Message::new(Label::EXCEPTION, [13, 0, 1, 2, 3]);
        let want = Exception { vector: 13, code: 0, ip: 1, sp: 2, rflags: 3 };
        assert_eq!(Event::try_from(&exception), Ok(Event::Exception(want)));
    }

    #[test]
    fn not_events() {
        for m in [
            Message::new(Label(1), [0; 4]),
            Message::new(Label::PAGE_FAULT, [0; 3]),
            Message::new(Label::PAGE_FAULT, [0, 0, 6, 0]),
            Message::new(Label::FOREIGN, [0; 6]),
        ] {
            assert_eq!(Event::try_from(&m), Err(Malformed), "{m:?}");
        }
    }
}
