//! Signals: Linux's numbers, which programs have, and GDB's, which are the same on all systems (`include/gdb/signals.def` in GDB's sources).

use gdbstub::common::Signal;

/// GDB's names of Linux's signals 1 to 31 on x86-64 (signal(7)). 16 is a signal that no Linux program gets any more and GDB has no name for.
const STANDARD: [Signal; 31] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGILL,
    Signal::SIGTRAP,
    Signal::SIGABRT,
    Signal::SIGBUS,
    Signal::SIGFPE,
    Signal::SIGKILL,
    Signal::SIGUSR1,
    Signal::SIGSEGV,
    Signal::SIGUSR2,
    Signal::SIGPIPE,
    Signal::SIGALRM,
    Signal::SIGTERM,
    Signal::UNKNOWN,
    Signal::SIGCHLD,
    Signal::SIGCONT,
    Signal::SIGSTOP,
    Signal::SIGTSTP,
    Signal::SIGTTIN,
    Signal::SIGTTOU,
    Signal::SIGURG,
    Signal::SIGXCPU,
    Signal::SIGXFSZ,
    Signal::SIGVTALRM,
    Signal::SIGPROF,
    Signal::SIGWINCH,
    Signal::SIGIO,
    Signal::SIGPWR,
    Signal::SIGSYS,
];

/// GDB's number of Linux's signal `number`.
pub fn to_gdb(number: u8) -> Signal {
    match number {
        1..=31 => STANDARD[usize::from(number) - 1],
        32 => Signal::SIG32,
        33..=63 => Signal(Signal::SIG33.0 + number - 33),
        64 => Signal::SIG64,
        _ => Signal::UNKNOWN,
    }
}

/// Linux's number of a signal, if it has it.
pub fn to_linux(signal: Signal) -> Option<u8> {
    (signal != Signal::UNKNOWN).then(|| (1..=64).find(|&number| to_gdb(number) == signal))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_signals_have_both_numbers() {
        for number in (1..=64).filter(|&number| number != 16) {
            assert_eq!(to_linux(to_gdb(number)), Some(number));
        }
        assert_eq!((to_gdb(7).0, to_gdb(10).0, to_gdb(34).0, to_gdb(64).0), (10, 30, 46, 78));
        assert_eq!(to_gdb(16), Signal::UNKNOWN);
        assert_eq!(to_gdb(65), Signal::UNKNOWN);
        assert_eq!((to_linux(Signal::SIGZERO), to_linux(Signal::UNKNOWN)), (None, None));
        assert_eq!(to_linux(Signal(255)), None);
    }
}
