//! Which signal an exception is (Linux `arch/x86/kernel/traps.c`; SDM vol. 3, table 6-1).

use super::info::{self, SigInfo};
use super::set::Signal;
use crate::bytes::u32_at;
use crate::event::Exception;
use ukernel_abi::utcb::FpuState;

/// The signal for an exception. `fpu` gets the thread's FPU state, which is needed only for floating-point errors.
pub fn signal_for(e: &Exception, fpu: impl FnOnce() -> Option<FpuState>) -> SigInfo {
    let fault = |signal, code| SigInfo::fault(signal, code, e.ip);
    match e.vector {
        0 => fault(Signal::SIGFPE, info::FPE_INTDIV),
        1 => fault(Signal::SIGTRAP, info::TRAP_TRACE),
        // int3 says nothing about where: Linux sends it as SI_KERNEL.
        3 => SigInfo::kernel(Signal::SIGTRAP),
        6 => fault(Signal::SIGILL, info::ILL_ILLOPN),
        12 => SigInfo::kernel(Signal::SIGBUS),
        16 => fault(Signal::SIGFPE, fpu().map_or(0, |f| x87_code(&f))),
        17 => SigInfo::fault(Signal::SIGBUS, info::BUS_ADRALN, 0),
        19 => fault(Signal::SIGFPE, fpu().map_or(0, |f| sse_code(&f))),
        // Overflow, bound, #GP and whatever else: an error without an address.
        _ => SigInfo::kernel(Signal::SIGSEGV),
    }
}

/// From the exceptions that the status word shows and the control word does not mask.
fn x87_code(fpu: &FpuState) -> i32 {
    let words = u32_at(&fpu.0, 0);
    fpe_code((words >> 16) & !words & 0x3f)
}

fn sse_code(fpu: &FpuState) -> i32 {
    let mxcsr = u32_at(&fpu.0, 24);
    fpe_code(mxcsr & !(mxcsr >> 7) & 0x3f)
}

/// Bits: invalid, denormal, divide by zero, overflow, underflow, precision.
fn fpe_code(errors: u32) -> i32 {
    if errors & 1 != 0 {
        info::FPE_FLTINV
    } else if errors & 4 != 0 {
        info::FPE_FLTDIV
    } else if errors & 8 != 0 {
        info::FPE_FLTOVF
    } else if errors & 0x12 != 0 {
        info::FPE_FLTUND
    } else if errors & 0x20 != 0 {
        info::FPE_FLTRES
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exception(vector: u64) -> Exception {
        Exception { vector, code: 0, ip: 0x40_0000 }
    }

    #[test]
    fn signals() {
        let signal = |v| signal_for(&exception(v), || None);
        assert_eq!(signal(0), SigInfo::fault(Signal::SIGFPE, info::FPE_INTDIV, 0x40_0000));
        assert_eq!(signal(6).signal, Signal::SIGILL);
        assert_eq!(signal(13), SigInfo::kernel(Signal::SIGSEGV));
        assert_eq!(signal(3).signal, Signal::SIGTRAP);
        assert_eq!(signal(99).signal, Signal::SIGSEGV);
    }

    #[test]
    fn floating_point_errors_say_which() {
        let mut fpu = FpuState::INIT;
        fpu.0[24] = 0x04;
        fpu.0[25] = 0x1d; // divide by zero, not masked
        assert_eq!(signal_for(&exception(19), || Some(fpu)).code, info::FPE_FLTDIV);
        let mut fpu = FpuState::INIT;
        fpu.0[0] = 0x7e; // invalid operation not masked …
        fpu.0[2] = 0x01; // … and raised
        assert_eq!(signal_for(&exception(16), || Some(fpu)).code, info::FPE_FLTINV);
    }
}
