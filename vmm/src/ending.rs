//! How a run ended: the exit status of `ukvmm`, and what it says about it.

mod kind;

pub use kind::Kind;

use crate::core::wish::Deposit;
use crate::profile;
use crate::symbols;
use crate::vcpu::exit::Stop;
use crate::vcpu::group::Reports;
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
    /// `--boot-timeout` ran out.
    NoLife(Duration),
    /// The user pressed Ctrl-A x.
    Quit,
    /// We got this signal, or standard output is a pipe that nobody reads (SIGPIPE).
    Signal(i32),
    /// The guest's output cannot be written.
    Output(String),
    /// Somebody wants this by the control socket.
    Stop(Status),
}

/// What the process does at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    Exit(u8),
    /// Die of this signal, as the parent expects of a process that got it.
    Signal(i32),
}

impl Status {
    /// The exit status, if it is not a signal.
    pub fn code(self) -> Option<u8> {
        match self {
            Self::Exit(code) => Some(code),
            Self::Signal(_) => None,
        }
    }

    /// The signal, if it is one.
    pub fn signal(self) -> Option<i32> {
        match self {
            Self::Exit(_) => None,
            Self::Signal(signal) => Some(signal),
        }
    }
}

/// How a run ended.
#[derive(Debug)]
pub struct Ending {
    pub kind: Kind,
    pub status: Status,
    /// For people; `None` where the status says it all.
    pub message: Option<String>,
    /// The vCPUs' registers, where there is a message and they are known.
    pub registers: Option<String>,
    /// What became of the core that was asked for, if the guest has died.
    pub core: Option<Deposit>,
    /// The profile that was asked for.
    pub profile: Option<profile::deposit::Deposit>,
}

impl Ending {
    fn new(status: u8, message: impl Into<String>) -> Self {
        Self {
            kind: Kind::of(status),
            status: Status::Exit(status),
            message: Some(message.into()),
            registers: None,
            core: None,
            profile: None,
        }
    }
    fn silent(kind: Kind, status: Status) -> Self {
        Self { kind, status, message: None, registers: None, core: None, profile: None }
    }

    fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The end of a machine whose vCPUs left `reports`, after `request` if there was one.
    pub fn of(reports: &Reports, request: Option<Request>, kernel: &Path) -> Self {
        let chosen = reports.all.iter().flatten().find(|report| report.stop.is_chosen());
        let first = reports.first.and_then(|id| reports.all.get(id)?.as_ref().map(|report| (id, report)));
        let ending = match (request, chosen, first) {
            // The guest was faster.
            (Some(_), Some(report), _) => Self::stopped(report, ""),
            (Some(Request::Timeout(after)), ..) if reports.all.iter().any(Option::is_none) => Self::new(
                exit::TIMEOUT,
                format!(
                    "stopped after {} s (--timeout), while nobody read the guest's output",
                    after.as_secs_f64()
                ),
            ),
            (Some(request), ..) => Self::requested(request, reports, kernel),
            (None, _, Some((id, report))) => {
                Self::stopped(report, &place(&name(id, reports), report.at.as_ref(), kernel))
            }
            (None, _, None) => {
                Self::new(exit::VMM, "a vCPU's thread ended without a report; this is a bug of ukvmm")
            }
        };
        Self { registers: ending.message.as_ref().and_then(|_| registers(reports)), ..ending }
    }

    /// The exit status of a guest that has died, or was stopped before its time.
    pub fn death(&self) -> Option<u8> {
        match self.status {
            Status::Exit(status @ (exit::KERNEL_PANIC | exit::RESET | exit::TIMEOUT | exit::VMM)) => {
                Some(status)
            }
            Status::Exit(_) | Status::Signal(_) => None,
        }
    }

    fn exited(value: u32) -> Self {
        match value & 0xff {
            v if v <= u32::from(exit::GUEST_MAX) => Self::silent(Kind::Exited, Status::Exit(v as u8)),
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

    fn requested(request: Request, reports: &Reports, kernel: &Path) -> Self {
        match request {
            Request::Timeout(after) => {
                let seconds = after.as_secs_f64();
                Self::new(
                    exit::TIMEOUT,
                    format!("stopped after {seconds} s (--timeout); {}", places(reports, kernel)),
                )
            }
            Request::NoLife(after) => Self::new(
                exit::TIMEOUT,
                format!(
                    "no sign of life within {} s (--boot-timeout): no output, and no driver at work; {}. Is it a kernel for this \
                     machine, and does it print on a console that is here? -v shows registers, --gdb with -S lets you watch it start",
                    after.as_secs_f64(),
                    places(reports, kernel)
                ),
            )
            .of_kind(Kind::BootTimeout),
            Request::Quit => Self::silent(Kind::Quit, Status::Exit(0)),
            Request::Signal(signal) => Self::silent(Kind::Signal, Status::Signal(signal)),
            Request::Stop(status) => Self::silent(Kind::Quit, status),
            Request::Output(error) => Self::new(exit::VMM, error),
        }
    }

    fn stopped(report: &Report, place: &str) -> Self {
        match &report.stop {
            Stop::Shutdown => {
                Self::new(exit::RESET, format!("triple fault: the guest has reset itself; {place}"))
            }
            Stop::InternalError => Self::internal_error(report, place).of_kind(Kind::InternalError),
            Stop::FailEntry(reason) => Self::new(
                exit::VMM,
                format!("the CPU refused to run the guest (reason {reason:#x}); {place}"),
            )
            .of_kind(Kind::InternalError),
            Stop::RunFailed(error) => {
                Self::new(exit::VMM, format!("KVM_RUN failed: {error}; {place}")).of_kind(Kind::InternalError)
            }
            Stop::Unexpected(what) => {
                Self::new(exit::VMM, format!("the guest left in an unexpected way, {what}; {place}"))
            }
            Stop::Exit(value) => Self::exited(*value),
            // What the guest's user asked for. There is no machine left that would start anew.
            Stop::PowerOff | Stop::Reset => Self::silent(Kind::Exited, Status::Exit(0)),
            Stop::WarmReset => Self::new(
                exit::KERNEL_PANIC,
                "the guest's kernel panicked and asked for a reset; its last words are above",
            ),
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

/// What messages call a vCPU: if there is but one, nobody has to know of it.
fn name(id: usize, reports: &Reports) -> String {
    if reports.all.len() == 1 { "the guest".into() } else { format!("vCPU {id}") }
}

/// "… was at …", in words.
fn place(name: &str, at: Option<&Snapshot>, kernel: &Path) -> String {
    let Some(at) = at else { return format!("where {name} was is not known") };
    let (rip, cs) = (at.regs.rip, at.sregs.cs.selector);
    match symbols::lookup(kernel, rip) {
        _ if at.in_user_mode() => format!("{name} was in user mode at rip {rip:#x} (cs {cs:#x})"),
        Some(symbol) => format!("{name} was in kernel mode at rip {rip:#x} = {symbol} (cs {cs:#x})"),
        None => format!("{name} was in kernel mode at rip {rip:#x} (cs {cs:#x})"),
    }
}

/// Where each vCPU was.
fn places(reports: &Reports, kernel: &Path) -> String {
    let all = reports.all.iter().enumerate().filter_map(|(id, report)| Some((id, report.as_ref()?)));
    let all = all.map(|(id, report)| match report {
        // One that waits to be started has no place yet.
        Report { stop: Stop::Kicked, at: None, .. } if id > 0 => format!("vCPU {id} was not running"),
        report => place(&name(id, reports), report.at.as_ref(), kernel),
    });
    all.collect::<Vec<_>>().join("; ")
}

/// The registers of every vCPU that has any to show.
fn registers(reports: &Reports) -> Option<String> {
    let known = reports.all.iter().enumerate();
    let known = known.filter_map(|(id, report)| Some((id, report.as_ref()?.at.as_ref()?)));
    let text = known.map(|(id, at)| match reports.all.len() {
        1 => at.to_string(),
        _ => format!("vCPU {id}\n{at}"),
    });
    Some(text.collect::<Vec<_>>().join("\n")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(selector: u16, code: &[u8]) -> Option<Snapshot> {
        let mut at = Snapshot { code: code.to_vec(), ..Default::default() };
        at.sregs.cs.selector = selector;
        at.regs.rip = 0x1234;
        Some(at)
    }

    /// What is said of vCPUs of which `first` stopped first, with `request`.
    fn of(all: Vec<Option<Report>>, first: Option<usize>, request: Option<Request>) -> Ending {
        Ending::of(&Reports { all, first }, request, Path::new("/absent"))
    }

    fn ending(stop: Stop, selector: u16, suberror: u32, code: &[u8]) -> Ending {
        of(vec![Some(Report { stop, at: at(selector, code), suberror, last: None })], Some(0), None)
    }

    fn report(stop: Stop, at: Option<Snapshot>) -> Option<Report> {
        Some(Report { stop, at, suberror: 0, last: None })
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
    fn to_switch_off_and_to_restart_is_success() {
        for stop in [Stop::PowerOff, Stop::Reset] {
            let ending = ending(stop, 0x10, 0, &[]);
            assert_eq!((ending.status, ending.message), (Status::Exit(0), None));
        }
        let late = of(vec![report(Stop::PowerOff, None)], Some(0), Some(Request::Signal(15)));
        assert_eq!(late.status, Status::Exit(0));
    }

    #[test]
    fn whose_fault_it_is_decides_the_status() {
        expect(&ending(Stop::WarmReset, 0x10, 0, &[]), 120, "kernel panicked");
        expect(&ending(Stop::Shutdown, 0x10, 0, &[]), 121, "triple fault");
        expect(&ending(Stop::InternalError, 0x10, 1, &[0xf3, 0x0f]), 120, "code f3 0f");
        expect(&ending(Stop::InternalError, 0x10, 1, &[0xcc]), 120, "breakpoint");
        expect(&ending(Stop::InternalError, 0x10, 3, &[]), 120, "suberror 3");
        expect(&ending(Stop::InternalError, 0x33, 1, &[]), 125, "a user program");
        assert_eq!(ending(Stop::InternalError, 0x10, 1, &[0xcc]).kind, Kind::InternalError);
        assert_eq!(ending(Stop::Shutdown, 0x10, 0, &[]).kind, Kind::TripleFault);
        expect(&ending(Stop::FailEntry(0x21), 0x10, 0, &[]), 125, "0x21");
        expect(
            &ending(Stop::RunFailed(kvm_ioctls::Error::new(libc::EFAULT)), 0x10, 0, &[]),
            125,
            "KVM_RUN failed",
        );
        expect(&ending(Stop::Unexpected("Hlt".into()), 0x10, 0, &[]), 125, "Hlt");
        expect(&of(vec![None], Some(0), None), 125, "bug of ukvmm");
    }

    #[test]
    fn a_request_decides_unless_the_guest_was_faster() {
        let of = |stop, request| of(vec![report(stop, None)], Some(0), Some(request));
        let time = Duration::from_millis(1500);
        expect(&of(Stop::Kicked, Request::Timeout(time)), 124, "stopped after 1.5 s");
        assert_eq!(of(Stop::Exit(3), Request::Timeout(time)).status, Status::Exit(3));
        let quit = of(Stop::Kicked, Request::Quit);
        assert_eq!((quit.status, quit.kind), (Status::Exit(0), Kind::Quit));
        let lifeless = of(Stop::Kicked, Request::NoLife(time));
        expect(&lifeless, 124, "no sign of life within 1.5 s");
        assert_eq!(lifeless.kind, Kind::BootTimeout);
        assert_eq!(of(Stop::Kicked, Request::Signal(15)).status, Status::Signal(15));
        assert_eq!(of(Stop::Kicked, Request::Stop(Status::Exit(7))).status, Status::Exit(7));
        assert_eq!(of(Stop::Exit(3), Request::Stop(Status::Exit(7))).status, Status::Exit(3));
        expect(&of(Stop::Kicked, Request::Output("no space".into())), 125, "no space");
        let stuck = Ending::of(
            &Reports { all: vec![None], first: None },
            Some(Request::Timeout(time)),
            Path::new("/"),
        );
        expect(&stuck, 124, "nobody read");
    }

    #[test]
    fn the_first_of_several_vcpus_to_stop_decides_and_is_named() {
        let two = |stop, other| vec![report(other, at(0x33, &[])), report(stop, at(0x10, &[]))];
        let crashed = of(two(Stop::Shutdown, Stop::Kicked), Some(1), None);
        expect(&crashed, 121, "vCPU 1 was in kernel mode at rip 0x1234 (cs 0x10)");
        assert!(!crashed.message.unwrap().contains("vCPU 0"));
        let registers = crashed.registers.unwrap();
        assert!(registers.starts_with("vCPU 0\nrip") && registers.contains("\nvCPU 1\nrip"), "{registers}");
        assert_eq!(of(two(Stop::Exit(5), Stop::Shutdown), Some(1), None).status, Status::Exit(5));
        expect(&of(two(Stop::Exit(5), Stop::Shutdown), Some(0), None), 121, "vCPU 0 was in user mode");
        expect(&of(vec![report(Stop::Kicked, None), None], Some(1), None), 125, "bug of ukvmm");
    }

    #[test]
    fn a_timeout_says_of_every_vcpu_where_it_was() {
        let timeout = || Some(Request::Timeout(Duration::from_secs(2)));
        let kicked = |at| report(Stop::Kicked, at);
        let ending = of(vec![kicked(at(0x33, &[])), kicked(at(0x10, &[])), kicked(None)], Some(2), timeout());
        expect(&ending, 124, "vCPU 0 was in user mode at rip 0x1234");
        expect(&ending, 124, "; vCPU 1 was in kernel mode at rip 0x1234 (cs 0x10); vCPU 2 was not running");
        expect(&of(vec![kicked(None), None], Some(0), timeout()), 124, "nobody read");
        let faster = of(vec![kicked(None), report(Stop::Exit(4), None)], Some(0), timeout());
        assert_eq!(faster.status, Status::Exit(4));
        let stuck = of(vec![None, report(Stop::Exit(4), None)], Some(1), timeout());
        assert_eq!(stuck.status, Status::Exit(4), "though another one waits for its output to be read");
    }
}
