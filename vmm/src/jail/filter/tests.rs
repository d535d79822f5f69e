//! Filters are run here as the kernel runs them (Linux, `kernel/bpf/core.c` and `kernel/seccomp.c`), and have to say what the lists say.

use super::*;
use crate::jail::Access;
use libc::c_long;
use std::collections::BTreeSet;

const AND: u16 = (libc::BPF_ALU | libc::BPF_AND | libc::BPF_K) as u16;
const JUMP: u16 = (libc::BPF_JMP | libc::BPF_JA) as u16;
const FIRST_ARGUMENT: u32 = 16;

/// A call that is made, as a program sees it.
#[derive(Clone, Copy, Debug)]
struct Made {
    number: u32,
    architecture: u32,
    arguments: [u32; 6],
}

impl Made {
    fn new(number: c_long) -> Self {
        Self { number: number as u32, architecture: AUDIT_ARCH_X86_64, arguments: [0; 6] }
    }

    fn with(mut self, argument: u8, value: u32) -> Self {
        self.arguments[usize::from(argument)] = value;
        self
    }
}

#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    action: u32,
    /// Instructions that it took.
    steps: usize,
    /// Whether an argument was looked at: Linux remembers only what is allowed without that.
    looked: bool,
}

fn run(program: &[sock_filter], made: &Made) -> Outcome {
    let (mut place, mut loaded, mut looked) = (0, 0, false);
    for steps in 1.. {
        let sock_filter { code, jt, jf, k } = program[place];
        place += 1;
        match code {
            LOAD_WORD => {
                looked |= k >= FIRST_ARGUMENT;
                loaded = match k {
                    NUMBER => made.number,
                    ARCHITECTURE => made.architecture,
                    k => {
                        made.arguments
                            [(0..6).position(|n| FIRST_ARGUMENT + 8 * n == k).expect("a lower half")]
                    }
                };
            }
            AND => loaded &= k,
            JUMP => place += k as usize,
            JUMP_IF_EQUAL => place += usize::from(if loaded == k { jt } else { jf }),
            RETURN => return Outcome { action: k, steps, looked },
            code => panic!("{code:#x}"),
        }
    }
    unreachable!()
}

/// Every kind of thread with nothing, and with one of each access.
fn all() -> impl Iterator<Item = (Kind, Needs)> {
    let share = [true, false].map(|read_only| Access::Share { read_only });
    let files = [Access::Read, Access::Write, Access::Device, Access::Make, Access::Remove];
    let accesses: Vec<_> = [None].into_iter().chain(files.into_iter().chain(share).map(Some)).collect();
    Kind::ALL.iter().flat_map(move |&kind| {
        accesses.clone().into_iter().map(move |access| {
            let mut needs = Needs::default();
            access.into_iter().for_each(|access| needs.add(kind, "/", access));
            (kind, needs)
        })
    })
}

fn is_met(check: &Check, made: &Made) -> bool {
    match *check {
        Check::Is(argument, value) => made.arguments[usize::from(argument)] == value,
        Check::Bits(argument, mask, value) => made.arguments[usize::from(argument)] & mask == value,
        Check::OurProcess(argument) => made.arguments[usize::from(argument)] == std::process::id(),
    }
}

/// What lists say.
fn expected(lists: &[&[Call]], made: &Made) -> u32 {
    let mut of_number = lists.iter().copied().flatten().filter(|call| call.number as u32 == made.number);
    if made.architecture != AUDIT_ARCH_X86_64 {
        libc::SECCOMP_RET_TRAP
    } else if i64::from(made.number) == libc::SYS_clone3 && of_number.clone().next().is_some() {
        libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32
    } else if of_number.any(|call| call.checks.iter().all(|check| is_met(check, made))) {
        libc::SECCOMP_RET_ALLOW
    } else {
        libc::SECCOMP_RET_TRAP
    }
}

/// Of each number calls that come near to everything that is checked of it.
fn calls_like(lists: &[&[Call]]) -> Vec<Made> {
    let mut made: Vec<_> = (0..600).map(Made::new).collect();
    for call in lists.iter().copied().flatten() {
        let fitting = call.checks.iter().fold(Made::new(call.number), |made, check| match *check {
            Check::Is(argument, value) | Check::Bits(argument, _, value) => made.with(argument, value),
            Check::OurProcess(argument) => made.with(argument, std::process::id()),
        });
        made.push(fitting);
        for argument in 0..6 {
            let value = fitting.arguments[usize::from(argument)];
            made.extend((0..32).map(|bit| fitting.with(argument, value ^ 1 << bit)));
        }
    }
    made
}

#[test]
fn a_filter_says_what_the_lists_say() {
    for (kind, needs) in all() {
        let lists = calls::of(kind, needs.of(kind));
        let program = compile(kind, &needs).unwrap();
        for made in calls_like(&lists) {
            let outcome = run(&program, &made);
            assert_eq!(outcome.action, expected(&lists, &made), "{kind} {needs:?}: {made:x?}");
        }
    }
}

#[test]
fn what_is_called_otherwise_is_not_allowed() {
    const X32: u32 = 1 << 30;
    const AUDIT_ARCH_I386: u32 = 0x4000_0003;
    for (kind, needs) in all() {
        let program = compile(kind, &needs).unwrap();
        for number in 0..600 {
            let of_x32 = Made { number: number | X32, ..Made::new(0) };
            let of_i386 = Made { number, architecture: AUDIT_ARCH_I386, ..Made::new(0) };
            for made in [of_x32, of_i386] {
                assert_ne!(run(&program, &made).action, libc::SECCOMP_RET_ALLOW, "{kind}: {made:x?}");
            }
        }
    }
}

#[test]
fn the_kernel_need_not_be_asked_again_about_what_is_allowed_whatever_its_arguments_are() {
    for (kind, needs) in all() {
        let lists = calls::of(kind, needs.of(kind));
        let program = compile(kind, &needs).unwrap();
        let whatever = lists.iter().copied().flatten().filter(|call| call.checks.is_empty());
        let numbers: BTreeSet<_> = whatever.map(|call| call.number).collect();
        for &number in numbers.iter().filter(|&&number| number != libc::SYS_clone3) {
            let Outcome { action, looked, .. } = run(&program, &Made::new(number));
            assert_eq!((action, looked), (libc::SECCOMP_RET_ALLOW, false), "{kind}: {number}");
        }
    }
}

#[test]
fn what_devices_do_all_the_time_the_kernel_remembers() {
    let always = [libc::SYS_epoll_wait, libc::SYS_epoll_pwait, libc::SYS_read, libc::SYS_write];
    let more = |kind| match kind {
        Kind::Disk => &[libc::SYS_io_uring_enter, libc::SYS_preadv, libc::SYS_pwritev, libc::SYS_futex][..],
        Kind::Tap | Kind::Console => &[libc::SYS_readv, libc::SYS_writev],
        Kind::UserNet | Kind::Vsock => &[libc::SYS_recvfrom, libc::SYS_sendto],
        Kind::Rng => &[libc::SYS_getrandom],
        Kind::Share => &[libc::SYS_futex],
        Kind::Main => &[libc::SYS_timerfd_settime],
        _ => &[],
    };
    let devices = [
        Kind::Main,
        Kind::Disk,
        Kind::Tap,
        Kind::UserNet,
        Kind::Rng,
        Kind::Console,
        Kind::Share,
        Kind::Vsock,
    ];
    for kind in devices {
        let program = compile(kind, &Needs::default()).unwrap();
        for &number in always.iter().chain(more(kind)) {
            let Outcome { action, looked, .. } = run(&program, &Made::new(number));
            assert_eq!((action, looked), (libc::SECCOMP_RET_ALLOW, false), "{kind}: {number}");
        }
    }
}

#[test]
fn a_vcpu_is_run_after_seven_instructions() {
    let program = compile(Kind::Vcpu, &Needs::default()).unwrap();
    let outcome = run(&program, &Made::new(libc::SYS_ioctl).with(1, calls::RUN));
    assert_eq!(outcome, Outcome { action: libc::SECCOMP_RET_ALLOW, steps: 7, looked: true });
}
