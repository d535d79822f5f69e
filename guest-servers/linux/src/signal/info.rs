//! `siginfo_t`: why a signal was sent (`include/uapi/asm-generic/siginfo.h`).

use super::set::Signal;
use crate::bytes::{put_u32, put_u64, u32_at, u64_at};

pub const SIGINFO_SIZE: usize = 128;

pub const SI_USER: i32 = 0;
pub const SI_KERNEL: i32 = 0x80;
pub const SI_QUEUE: i32 = -1;
pub const SI_TIMER: i32 = -2;
pub const SI_TKILL: i32 = -6;
pub const CLD_EXITED: i32 = 1;
pub const CLD_KILLED: i32 = 2;
pub const CLD_STOPPED: i32 = 5;
pub const CLD_CONTINUED: i32 = 6;
pub const SEGV_MAPERR: i32 = 1;
pub const SEGV_ACCERR: i32 = 2;
pub const BUS_ADRALN: i32 = 1;
pub const BUS_ADRERR: i32 = 2;
pub const ILL_ILLOPN: i32 = 2;
pub const FPE_INTDIV: i32 = 1;
pub const FPE_FLTDIV: i32 = 3;
pub const FPE_FLTOVF: i32 = 4;
pub const FPE_FLTUND: i32 = 5;
pub const FPE_FLTRES: i32 = 6;
pub const FPE_FLTINV: i32 = 7;
pub const TRAP_BRKPT: i32 = 1;
pub const TRAP_TRACE: i32 = 2;

/// What goes into the union of `siginfo_t`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Detail {
    None,
    /// From kill(2): who sent it.
    Sender {
        pid: i32,
        uid: u32,
    },
    /// With a value (sigqueue(3)).
    Value {
        pid: i32,
        uid: u32,
        value: u64,
    },
    /// SIGCHLD.
    Child {
        pid: i32,
        uid: u32,
        status: i32,
        utime: u64,
        stime: u64,
    },
    /// SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP.
    Fault {
        addr: u64,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SigInfo {
    pub signal: Signal,
    pub code: i32,
    pub detail: Detail,
}

impl SigInfo {
    /// Sent by this server itself.
    pub const fn kernel(signal: Signal) -> Self {
        Self { signal, code: SI_KERNEL, detail: Detail::None }
    }
    pub const fn user(signal: Signal, pid: i32, uid: u32) -> Self {
        Self { signal, code: SI_USER, detail: Detail::Sender { pid, uid } }
    }
    pub const fn fault(signal: Signal, code: i32, addr: u64) -> Self {
        Self { signal, code, detail: Detail::Fault { addr } }
    }

    /// The structure as programs see it.
    pub fn to_bytes(self) -> [u8; SIGINFO_SIZE] {
        let mut b = [0; SIGINFO_SIZE];
        put_u32(&mut b, 0, self.signal.number() as u32);
        put_u32(&mut b, 8, self.code as u32);
        match self.detail {
            Detail::None => {}
            Detail::Sender { pid, uid } => {
                put_u32(&mut b, 16, pid as u32);
                put_u32(&mut b, 20, uid);
            }
            Detail::Value { pid, uid, value } => {
                put_u32(&mut b, 16, pid as u32);
                put_u32(&mut b, 20, uid);
                put_u64(&mut b, 24, value);
            }
            Detail::Child { pid, uid, status, utime, stime } => {
                put_u32(&mut b, 16, pid as u32);
                put_u32(&mut b, 20, uid);
                put_u32(&mut b, 24, status as u32);
                put_u64(&mut b, 32, utime);
                put_u64(&mut b, 40, stime);
            }
            Detail::Fault { addr } => put_u64(&mut b, 16, addr),
        }
        b
    }

    /// What a program passes to rt_sigqueueinfo(2): the sender's claims and a value.
    pub fn from_queue(signal: Signal, b: &[u8; SIGINFO_SIZE]) -> Self {
        let detail = Detail::Value { pid: u32_at(b, 16) as i32, uid: u32_at(b, 20), value: u64_at(b, 24) };
        Self { signal, code: u32_at(b, 8) as i32, detail }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_that_of_x86_64() {
        let b = SigInfo {
            signal: Signal::SIGCHLD,
            code: CLD_EXITED,
            detail: Detail::Child { pid: 7, uid: 1, status: 3, utime: 10, stime: 11 },
        }
        .to_bytes();
        assert_eq!((u32_at(&b, 0), u32_at(&b, 4), u32_at(&b, 8)), (17, 0, 1));
        assert_eq!((u32_at(&b, 16), u32_at(&b, 20), u32_at(&b, 24)), (7, 1, 3));
        assert_eq!((u64_at(&b, 32), u64_at(&b, 40)), (10, 11));
    }

    #[test]
    fn a_queued_value_survives() {
        let info = SigInfo {
            signal: Signal::SIGUSR1,
            code: SI_QUEUE,
            detail: Detail::Value { pid: 1, uid: 2, value: 99 },
        };
        assert_eq!(SigInfo::from_queue(Signal::SIGUSR1, &info.to_bytes()), info);
    }
}
