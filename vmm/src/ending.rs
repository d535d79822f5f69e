//! How a run ended: the exit status of `ukvmm`, and what it says about it.

use crate::symbols;
use crate::vcpu::exit::Stop;
use crate::vcpu::snapshot::Snapshot;
use crate::vcpu::thread::Report;
use std::path::Path;
use std::time::Duration;
use vmm_abi::exit;

/// KVM's `suberror` for an instruction that it can neither run nor emulate.
const SUBERROR_EMULATION: u32 = 1;
const INT3: u8 = 0xcc;

/// Why the machine was stopped from our side.
#[derive(Debug, PartialEq, Eq)]
pub enum Request {
    /// `--timeout` ran out.
    Timeout(Duration),
    /// The user pressed Ctrl-A x.
    Quit,
    /// We got this signal, or standard output is a pipe that nobody reads (SIGPIPE).
    Signal(i32),
    /// The guest's output cannot be written.
    Output(String),
}

/// What the process does at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Exit(u8),
    /// Die of this signal, as the parent expects of a process that got it.
    Signal(i32),
}

/// How a run ended.
#[derive(Debug)]
pub struct Ending {
    pub status: Status,
    /// For people; `None` where the status says it all.
    pub message: Option<String>,
    /// The vCPU's registers, where there is a message and they are known.
    pub registers: Option<String>,
}

impl Ending {
    fn new(status: u8, message: impl Into<String>) -> Self {
        Self { status: Status::Exit(status), message: Some(message.into()), registers: None }
    }
    fn silent(status: Status) -> Self {
        Self { status, message: None, registers: None }
    }

    /// The end of a machine whose vCPU left `report` (`None`: it did not stop), after `request` if there was one.
    pub fn of(report: Option<Report>, request: Option<Request>, kernel: &Path) -> Self {
        let at = report.as_ref().and_then(|r| r.at.as_ref());
        let ending = match (request, report.as_ref()) {
            (Some(Request::Timeout(after)), None) => Self::new(
                exit::TIMEOUT,
                format!(
                    "stopped after {} s (--timeout), while nobody read the guest's output",
                    after.as_secs_f64()
                ),
            ),
            // The guest was faster.
            (_, Some(Report { stop: Stop::Exit(value), .. })) => Self::exited(*value),
            (Some(request), _) => Self::requested(request, at, kernel),
            (None, Some(report)) => Self::stopped(report, kernel),
            (None, None) => {
                Self::new(exit::VMM, "the vCPU's thread ended without a report; this is a bug of ukvmm")
            }
        };
        Self { registers: at.filter(|_| ending.message.is_some()).map(|at| at.to_string()), ..ending }
    }

    fn exited(value: u32) -> Self {
        match value & 0xff {
            v if v <= u32::from(exit::GUEST_MAX) => Self::silent(Status::Exit(v as u8)),
            v if v == u32::from(exit::KERNEL_PANIC) => {
                Self::new(exit::KERNEL_PANIC, "the guest's kernel panicked; its last words are above")
            }
            // Higher ones are ours to give.
            v => Self::new(
                exit::GUEST_MAX,
                format!(
                    "the guest wrote {v} to the exit port; statuses above {} are ukvmm's own",
                    exit::GUEST_MAX
                ),
            ),
        }
    }

    fn requested(request: Request, at: Option<&Snapshot>, kernel: &Path) -> Self {
        match request {
            Request::Timeout(after) => {
                let seconds = after.as_secs_f64();
                Self::new(
                    exit::TIMEOUT,
                    format!("stopped after {seconds} s (--timeout); {}", place(at, kernel)),
                )
            }
            Request::Quit => Self::silent(Status::Exit(0)),
            Request::Signal(signal) => Self::silent(Status::Signal(signal)),
            Request::Output(error) => Self::new(exit::VMM, error),
        }
    }

    fn stopped(report: &Report, kernel: &Path) -> Self {
        let at = report.at.as_ref();
        let place = place(at, kernel);
        match &report.stop {
            Stop::Shutdown => {
                Self::new(exit::RESET, format!("triple fault: the guest has reset itself; {place}"))
            }
            Stop::InternalError => Self::internal_error(report, &place),
            Stop::FailEntry(reason) => Self::new(
                exit::VMM,
                format!("the CPU refused to run the guest (reason {reason:#x}); {place}"),
            ),
            Stop::RunFailed(error) => Self::new(exit::VMM, format!("KVM_RUN failed: {error}; {place}")),
            Stop::Unexpected(what) => {
                Self::new(exit::VMM, format!("the guest left in an unexpected way, {what}; {place}"))
            }
            Stop::Exit(value) => Self::exited(*value),
            Stop::Kicked => {
                Self::new(exit::VMM, "the vCPU was stopped without a reason; this is a bug of ukvmm")
            }
        }
    }

    fn internal_error(report: &Report, place: &str) -> Self {
        let Some(at) = &report.at else {
            return Self::new(exit::VMM, format!("KVM gave up (suberror {})", report.suberror));
        };
        let code = at.code_hex();
        if at.in_user_mode() {
            // Not the kernel's fault: on some KVMs a user program can do this to the whole machine, with a vector access to,
            // or a jump into, memory that is not there. It is ukvmm that cannot go on.
            let text = format!(
                "a user program did what this KVM cannot do (a vector access to, or a jump into, memory \
                that does not exist?); {place}, code {code}"
            );
            return Self::new(exit::VMM, text);
        }
        let what = match (report.suberror, at.code.first()) {
            (SUBERROR_EMULATION, Some(&INT3)) => {
                "the guest's kernel ran into a breakpoint instruction".into()
            }
            (SUBERROR_EMULATION, _) => "this KVM cannot emulate an instruction of the guest's kernel".into(),
            (other, _) => format!("KVM gave up on the guest's kernel (suberror {other})"),
        };
        Self::new(exit::KERNEL_PANIC, format!("{what}; {place}, code {code}"))
    }
}

/// "the guest was at …", in words.
fn place(at: Option<&Snapshot>, kernel: &Path) -> String {
    let Some(at) = at else { return "where the guest was is not known".into() };
    let (rip, cs) = (at.regs.rip, at.sregs.cs.selector);
    match symbols::lookup(kernel, rip) {
        _ if at.in_user_mode() => format!("the guest was in user mode at rip {rip:#x} (cs {cs:#x})"),
        Some(symbol) => format!("the guest was in its kernel at rip {rip:#x} = {symbol} (cs {cs:#x})"),
        None => format!("the guest was in its kernel at rip {rip:#x} (cs {cs:#x})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(stop: Stop, selector: u16, suberror: u32, code: &[u8]) -> Ending {
        let mut at = Snapshot { code: code.to_vec(), ..Default::default() };
        at.sregs.cs.selector = selector;
        at.regs.rip = 0x1234;
        Ending::of(Some(Report { stop, at: Some(at), suberror }), None, Path::new("/absent"))
    }

    #[track_caller]
    fn expect(ending: &Ending, status: u8, text: &str) {
        assert_eq!(ending.status, Status::Exit(status), "{ending:?}");
        assert!(ending.message.as_ref().is_some_and(|m| m.contains(text)), "{ending:?}");
    }

    #[test]
    fn the_guest_s_own_status_is_told_silently() {
        let ending = ending(Stop::Exit(7), 0x10, 0, &[]);
        assert_eq!((ending.status, ending.message, ending.registers), (Status::Exit(7), None, None));
    }

    #[test]
    fn whose_fault_it_is_decides_the_status() {
        expect(&ending(Stop::Shutdown, 0x10, 0, &[]), 121, "triple fault");
        expect(&ending(Stop::InternalError, 0x10, 1, &[0xf3, 0x0f]), 120, "code f3 0f");
        expect(&ending(Stop::InternalError, 0x10, 1, &[0xcc]), 120, "breakpoint");
        expect(&ending(Stop::InternalError, 0x10, 3, &[]), 120, "suberror 3");
        expect(&ending(Stop::InternalError, 0x33, 1, &[]), 125, "a user program");
        expect(&ending(Stop::FailEntry(0x21), 0x10, 0, &[]), 125, "0x21");
        expect(
            &ending(Stop::RunFailed(kvm_ioctls::Error::new(libc::EFAULT)), 0x10, 0, &[]),
            125,
            "KVM_RUN failed",
        );
        expect(&ending(Stop::Unexpected("Hlt".into()), 0x10, 0, &[]), 125, "Hlt");
        expect(&Ending::of(None, None, Path::new("/")), 125, "bug of ukvmm");
    }

    #[test]
    fn a_request_decides_unless_the_guest_was_faster() {
        let of = |stop, request| {
            Ending::of(Some(Report { stop, at: None, suberror: 0 }), Some(request), Path::new("/absent"))
        };
        let time = Duration::from_millis(1500);
        expect(&of(Stop::Kicked, Request::Timeout(time)), 124, "stopped after 1.5 s");
        assert_eq!(of(Stop::Exit(3), Request::Timeout(time)).status, Status::Exit(3));
        assert_eq!(of(Stop::Kicked, Request::Quit).status, Status::Exit(0));
        assert_eq!(of(Stop::Kicked, Request::Signal(15)).status, Status::Signal(15));
        expect(&of(Stop::Kicked, Request::Output("no space".into())), 125, "no space");
        expect(&Ending::of(None, Some(Request::Timeout(time)), Path::new("/")), 124, "nobody read");
    }
}
